"""How systems of this kind have failed before, and the test that shows for each that this one does not.

Where each failure happened, and what it cost, stands in the test's own docstring.
"""

from __future__ import annotations

import ast
from functools import cache

import pytest

from tests.checks import ROOT

FAILURES: dict[str, tuple[str, ...]] = {
    # stakes and slashes
    "unbonding before the slash": (
        "test_nobody_unbonds_before_the_slash",
        "test_unbonding_money_is_reached_and_its_withdrawals_share_the_loss",
    ),
    "a slash that moves no money": ("test_a_slash_moves_money_and_says_from_where_to_where",),
    "slashing below zero": ("test_no_slash_takes_more_than_was_locked",),
    "rounding that creates money": ("test_rounding_never_makes_money",),
    "disputing oneself for free": (
        "test_disputing_oneself_is_not_free",
        "test_a_cheat_that_reports_itself_by_another_of_its_agents_saves_nothing",
    ),
    "a worker slashed although he won the dispute": ("test_a_worker_who_won_the_dispute_loses_nothing",),
    "a penalty for those who merely leave": ("test_who_merely_leaves_pays_nothing",),
    "harmless retries taken for equivocation": ("test_harmless_retries_are_not_taken_for_equivocation",),
    # votes
    "vote copying, and commitments not bound to the voter": (
        "test_a_vote_cannot_be_copied_to_another_seat_or_another_round",
    ),
    "commitments not bound to the round": ("test_a_commitment_of_one_round_opens_nothing_in_the_next",),
    "an alternate who has seen the reveals": ("test_an_alternate_has_seen_no_vote_before_its_own_is_fixed",),
    "silence winning": ("test_silence_never_wins", "test_silence_costs_no_less_than_a_wrong_vote"),
    "punishing who looked": ("test_who_alone_held_a_bad_item_in_the_last_round_is_not_wrong_by_it",),
    "a late finish hiding a no-show": ("test_a_late_finish_hides_no_absence",),
    "a restart in the middle of a reveal window": ("test_a_restart_in_the_middle_of_a_reveal_window",),
    # verdicts
    "a verdict by a single vote where three were due": (
        "test_a_single_vote_is_no_verdict_where_three_were_due",
    ),
    "parties voting on their own case": ("test_nobody_judges_his_own_case",),
    "two panels on one claim": ("test_there_are_never_two_panels_on_one_claim",),
    "a challenge at the last millisecond": (
        "test_a_challenge_in_the_last_millisecond_gives_the_next_panel_its_whole_time",
    ),
    "an appeal that cannot be seated erasing a verdict": (
        "test_an_appeal_that_cannot_be_seated_erases_no_verdict",
        "test_an_appeal_without_a_verdict_erases_none_and_nobody_is_wrong_by_it",
    ),
    "a verdict paid to whoever now holds a slot or a handle": (
        "test_a_slot_that_is_taken_again_brings_nobody_the_old_seats_money",
        "test_a_handle_belongs_to_the_first_who_took_it",
        "test_a_verdict_is_settled_with_who_did_the_work_and_not_with_who_holds_its_name_now",
    ),
    # draws
    "filtering the pool to steer a draw": ("test_the_pool_is_not_filtered_to_steer_a_draw",),
    "a beacon rolled again by whoever calls": ("test_a_beacon_is_not_rolled_again_by_whoever_calls",),
    "a redraw until the answer fits": ("test_the_draw_is_made_once_and_nobody_can_ask_for_another",),
    # tasks, fees and scores
    "a trap of a task: tiny lease, huge stake": ("test_no_task_is_a_trap",),
    "two identities abandoning and claiming a task in turn for ever": (
        "test_two_identities_cannot_hold_a_task_in_turn_for_ever",
    ),
    "a pool of fees pumped by newcomers": (
        "test_newcomers_cannot_pump_the_pool_of_fees",
        "test_a_short_pool_is_shared_and_settlement_never_waits",
    ),
    "a score that never falls": (
        "test_a_score_that_never_falls_a_workers",
        "test_a_score_that_never_falls_a_verifiers",
    ),
}


@cache
def documented_tests() -> dict[str, str]:
    """Every test there is, with its docstring."""
    found = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found[node.name] = ast.get_docstring(node) or ""
    return found


@pytest.mark.parametrize("failure", FAILURES)
def test_a_known_failure_has_tests_that_there_are(failure: str) -> None:
    assert [name for name in FAILURES[failure] if name not in documented_tests()] == []
    assert any(documented_tests()[name] for name in FAILURES[failure]), "none says where that happened"


def test_no_test_stands_for_two_failures() -> None:
    named = [name for names in FAILURES.values() for name in names]
    assert len(named) == len(set(named))
