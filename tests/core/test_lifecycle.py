"""What moves a claim, a task, a round or a seat stands in one table, which folding holds every event to."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from tests.core.flows import Scene
from tests.core.network import Net
from tests.core.terms import policy_of
from tests.docs.tables import mermaid
from trust.core import lifecycle
from trust.core.events import (
    CannotFold,
    ClaimEnded,
    Event,
    Events,
    HoldReleased,
    RoundTallied,
    TaskReopened,
    VerdictReached,
    VoteRevealed,
    WithdrawalEnded,
    WithdrawalOpened,
)
from trust.core.lifecycle import CLAIM, LIVES, ClaimState, IllegalMove, Life
from trust.core.records import RECORDS, Claim
from trust.core.state import Draft

NAMES = {
    "claim": lifecycle.ClaimState,
    "task": lifecycle.TaskState,
    "allocation": lifecycle.AllocationState,
    "round": lifecycle.Phase,
    "seat": lifecycle.SeatState,
    "challenge": lifecycle.ChallengeState,
    "withdrawal": lifecycle.WithdrawalState,
    "squad": lifecycle.SquadState,
}


def states_of(life: Life) -> set[str]:
    """Every state that a life names."""
    return {
        state for found in life.moves.values() for before, left in found.items() for state in (before, *left)
    } - {lifecycle.NOT_YET}


@pytest.mark.parametrize("thing", LIVES)
def test_a_life_has_the_states_that_have_a_name_and_acts_that_are_events(thing: str) -> None:
    named = {value for name, value in vars(NAMES[thing]).items() if name.isupper()}
    assert states_of(LIVES[thing]) == named
    assert set(LIVES[thing].moves) <= {str(kind.__struct_config__.tag) for kind in get_args(Events)}


def test_every_record_with_a_state_has_a_life() -> None:
    with_state = {kind for kind in RECORDS if {"state", "phase"} & set(kind.__struct_fields__)}
    assert {kind for kind in RECORDS if kind.life is not None} == with_state
    for kind in with_state:
        assert kind.life is LIVES[kind.__name__.lower()]
        assert kind.life.field in kind.__struct_fields__


@pytest.mark.parametrize(
    ("made", "event"),
    [
        ("claimed", lambda claim: ClaimEnded(claim=claim, state="accepted")),
        ("claimed", lambda claim: VerdictReached(claim=claim, round=1, verdict="pass")),
        ("claimed", lambda claim: HoldReleased(claim=claim)),
        ("submitted", lambda claim: ClaimEnded(claim=claim, state="rejected")),
        ("opened", lambda claim: ClaimEnded(claim=claim, state="expired")),
        ("opened", lambda claim: ClaimEnded(claim=claim, state="no such state")),
    ],
)
def test_an_event_that_moves_a_claim_otherwise_cannot_be_folded(
    made: str, event: Callable[[str], Event]
) -> None:
    town = Scene(Net(policy_of()), verifiers=12)
    claim = getattr(town, made)("one")
    with pytest.raises(CannotFold):
        event(claim).fold(Draft(town.net.draft))


def test_an_event_that_moves_anything_else_otherwise_cannot_be_folded() -> None:
    town = Scene(Net(policy_of()), verifiers=12)
    claim = town.opened("one")
    draft = Draft(town.net.draft)
    moves: list[Event] = [
        WithdrawalOpened(withdrawal="w", party="p", source="s", amount_units=1, matures_ms=1),
        RoundTallied(claim=claim, round=1),
        TaskReopened(task="one"),
    ]
    for event in moves:
        event.fold(draft)
    wrong: list[Event] = [
        WithdrawalEnded(withdrawal="w", how="paid"),
        RoundTallied(claim=claim, round=1),
        TaskReopened(task="one"),
        VoteRevealed(seat=town.seats(claim)[0].id, verdict="pass", salt=""),
    ]
    for event in wrong:
        with pytest.raises(CannotFold):
            event.fold(draft)
    assert town.net.get(Claim, claim).state == ClaimState.CHECKING


def test_a_claim_that_ended_moves_no_more() -> None:
    ended = {
        ClaimState.ACCEPTED, ClaimState.REJECTED, ClaimState.ABANDONED, ClaimState.EXPIRED, ClaimState.VOIDED,
    }  # fmt: skip
    for found in CLAIM.moves.values():
        for state in ended & found.keys():
            assert found[state] == {state}
    with pytest.raises(IllegalMove):
        CLAIM.check("round.due", ClaimState.ACCEPTED, ClaimState.CHECKING)


def test_a_life_is_drawn_with_every_act_that_moves() -> None:
    for life in LIVES.values():
        lines = mermaid(life).splitlines()
        assert lines[0] == "stateDiagram-v2"
        for act, found in life.moves.items():
            for before, left in found.items():
                for after in left - {before}:
                    arrow = f"    {before or '[*]'} --> {after}: "
                    [acts] = [line.removeprefix(arrow) for line in lines if line.startswith(arrow)]
                    assert act in acts.split(", ")
    assert "    accepted --> [*]" in mermaid(CLAIM).splitlines()


def test_a_claim_is_over_in_the_states_that_nothing_leads_out_of() -> None:
    states = {value for name, value in vars(ClaimState).items() if name.isupper()}
    assert {state for state in states if CLAIM.is_over(state)} == {
        ClaimState.ACCEPTED,
        ClaimState.REJECTED,
        ClaimState.ABANDONED,
        ClaimState.EXPIRED,
        ClaimState.VOIDED,
    }
