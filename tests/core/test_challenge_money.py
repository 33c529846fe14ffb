"""Where the money of a challenge goes, to the unit (docs/rules.md 4, Challenges).

The price is 100, the stake 150, a fee 10, a seat's liability 200; the escrow holds 39 for fees. The second panel has
seven seats: the bond of a challenge for it is 70, and 70 are prepaid.
"""

from __future__ import annotations

import pytest

from tests.core.flows import PRICE, STAKE, Scene, posted, scene, unchecked
from tests.core.network import Who
from tests.core.terms import EXACT, JUDGED, policy_of
from trust.core import payloads as p
from trust.core.events import ChallengeEnded, FeeShort
from trust.core.records import Challenge, Claim, Score, Seat, Task
from trust.core.rulebook import Decided

FEES, LIABILITY = 39, 200


@pytest.fixture
def town() -> Scene:
    return scene(verifiers=30)


def agent(who: Who) -> str:
    return f"agent/{who.did}/free"


def lock(challenge: Challenge) -> str:
    return f"challenge/{challenge.id}/bond"


def ends(entries: list[Decided]) -> list[str]:
    """How challenges ended, in order."""
    return [each.how for entry in entries for each in entry.events if isinstance(each, ChallengeEnded)]


def fees(town: Scene, claim: str, number: int, why: dict[str, int]) -> list[int]:
    """What each seat of a round was paid, by place."""
    seats = [seat for seat in town.net.all(Seat) if (seat.claim, seat.round) == (claim, number)]
    seats.sort(key=lambda seat: seat.place)
    return [why.get(f"agent/{seat.agent}/free", 0) for seat in seats]


# -- lost


def test_a_lost_challenge_pays_the_panel_and_half_of_its_bond_the_other_side(town: Scene) -> None:
    claim = town.judged()
    lost = town.challenged(claim, town.rival)
    town.judge(claim, "pass")
    entries = town.window_over(claim)
    assert (town.state(claim), ends(entries)) == ("accepted", ["lost"])
    assert posted(entries, "challenge.lost") == {lock(lost): -70, "burn": 35, agent(town.worker): 35}
    paid = posted(entries, "seat.fee")
    assert fees(town, claim, 2, paid) == [10] * 7
    assert fees(town, claim, 1, paid) == [10] * 3
    assert (paid[lock(lost)], paid["pool/verification"]) == (-70, -30)
    assert town.net.free(town.rival) == 5_000 - 140
    assert town.net.free(town.worker) == 5_000 + PRICE + 35 - 30
    assert town.net.balance("burn") == 35


def test_what_the_seats_of_a_lost_challenge_did_not_earn_stays_in_the_pool(town: Scene) -> None:
    claim = town.judged()
    lost = town.challenged(claim, town.rival)
    town.judge(claim, *["pass"] * 5, "fail", "fail")
    entries = town.window_over(claim)
    assert posted(entries, "challenge.unearned") == {lock(lost): -20, "pool/verification": 20}
    assert posted(entries, "seat.fee")[lock(lost)] == -50
    assert town.net.balance("pool/verification") == FEES - 30 + 20


def test_a_fail_attacked_in_vain_pays_nobody(town: Scene) -> None:
    claim = town.judged(verdict="fail")
    lost = town.challenged(claim, town.worker)
    town.judge(claim, "fail")
    entries = town.window_over(claim)
    assert (town.state(claim), ends(entries)) == ("rejected", ["lost"])
    assert posted(entries, "challenge.lost") == {lock(lost): -70, "burn": 70}
    slash = {f"claim/{claim}/stake": -STAKE, agent(town.requester): FEES, "burn": STAKE - FEES}
    assert posted(entries, "slash.failed-check") == slash
    assert town.net.free(town.worker) == 5_000 - STAKE - 140


def test_what_an_odd_bond_leaves_burns() -> None:
    town = scene(policy_of(fee_units=7, min_liability_units=200), verifiers=30)
    claim = town.judged()
    lost = town.challenged(claim, town.rival)
    assert lost.bond_units == 49
    town.judge(claim, "pass")
    entries = town.window_over(claim)
    assert posted(entries, "challenge.lost") == {lock(lost): -49, "burn": 25, agent(town.worker): 24}


# -- won


def test_a_challenge_that_showed_bad_work_is_paid_by_the_slash(town: Scene) -> None:
    claim = town.judged()
    won = town.challenged(claim, town.rival)
    town.judge(claim, "fail")
    entries = town.window_over(claim)
    assert (town.state(claim), ends(entries)) == ("rejected", ["won"])
    stake = f"claim/{claim}/stake"
    seats = posted(entries, "slash.seat-fee")
    assert (seats[stake], fees(town, claim, 2, seats)) == (-70, [10] * 7)
    split = {stake: -80, agent(town.requester): FEES, agent(town.rival): 80 - FEES}
    assert posted(entries, "slash.failed-check") == split
    assert posted(entries, "challenge.return") == {lock(won): -140, agent(town.rival): 140}
    assert posted(entries, "seat.slash")["burn"] == 3 * LIABILITY // 2
    assert posted(entries, "seat.fee") == {}
    assert town.net.free(town.rival) == 5_000 + 80 - FEES
    assert town.net.free(town.worker) == 5_000 - STAKE
    assert town.net.balance("pool/verification") == FEES
    assert town.net.balance("burn") == 300
    assert town.net.free(town.requester) == 5_000 - PRICE - FEES


def test_a_challenger_gets_at_most_five_fees_of_a_slash(town: Scene) -> None:
    town.post(price_units=2_000)
    claim = town.claim(stake_units=2_000)
    town.net.do(town.output(claim))
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim)
    town.challenged(claim, town.rival)
    town.judge(claim, "fail")
    entries = town.window_over(claim)
    split = {
        f"claim/{claim}/stake": -1_930,
        agent(town.requester): FEES,
        agent(town.rival): 50,
        "burn": 1_841,
    }
    assert posted(entries, "slash.failed-check") == split


def test_a_slash_too_small_for_the_panel_is_shared_and_the_pool_pays_the_rest(town: Scene) -> None:
    claim = town.judged(task_kind=JUDGED)
    town.challenged(claim, town.rival)
    town.judge(claim, "fail")
    entries = town.window_over(claim)
    assert fees(town, claim, 2, posted(entries, "slash.seat-fee")) == [4] * 7
    split = {f"claim/{claim}/stake": -2, agent(town.requester): 2}
    assert posted(entries, "slash.failed-check") == split
    [short] = [each for entry in entries for each in entry.events if isinstance(each, FeeShort)]
    assert (short.due_units, short.paid_units) == (42, 35)
    assert fees(town, claim, 2, posted(entries, "seat.fee")) == [5] * 7
    assert town.net.balance("pool/verification") == FEES - 35
    [record] = [each for each in town.net.all(Score) if each.id == f"{town.worker.did}/worker/{JUDGED}"]
    assert record.failure_slow, "an upheld challenge counts as a failure"


def test_an_overturned_fail_gives_everything_back_and_the_pool_pays_the_panel(town: Scene) -> None:
    claim = town.judged(verdict="fail")
    won = town.challenged(claim, town.worker)
    town.judge(claim, "pass")
    entries = town.window_over(claim)
    assert (town.state(claim), ends(entries)) == ("accepted", ["won"])
    assert posted(entries, "challenge.return") == {lock(won): -140, agent(town.worker): 140}
    [short] = [each for entry in entries for each in entry.events if isinstance(each, FeeShort)]
    assert (short.due_units, short.paid_units) == (70, 35)
    assert fees(town, claim, 2, posted(entries, "seat.fee")) == [5] * 7
    assert fees(town, claim, 1, posted(entries, "seat.fee")) == [0] * 3
    assert town.net.free(town.worker) == 5_000 + PRICE - 30
    assert posted(entries, "slash.failed-check") == {}


def test_an_unchecked_output_that_was_bad_costs_the_worker_as_if_it_had_been_drawn() -> None:
    town, claim = unchecked()
    before = town.net.free(town.rival)
    won = town.challenged(claim, town.rival)
    town.open(claim)
    town.judge(claim, "fail")
    entries = town.window_over(claim)
    assert (town.state(claim), ends(entries)) == ("rejected", ["won"])
    stake = f"claim/{claim}/stake"
    assert posted(entries, "slash.seat-fee")[stake] == -30
    paid = -(-FEES * town.net.get(Claim, claim).rate_ppm // 1_000_000)
    split = {stake: -120, agent(town.requester): paid, agent(town.rival): 50, "burn": 70 - paid}
    assert posted(entries, "slash.failed-check") == split
    assert posted(entries, "challenge.return") == {lock(won): -60, agent(town.rival): 60}
    assert town.net.free(town.rival) == before + 50


def test_an_unchecked_output_that_is_withheld_is_the_challengers_win() -> None:
    town, claim = unchecked()
    town.challenged(claim, town.rival)
    entries = town.net.tick_to(town.round(claim).until_ms)
    assert (town.state(claim), ends(entries)) == ("rejected", ["won"])
    paid = -(-FEES * town.net.get(Claim, claim).rate_ppm // 1_000_000)
    split = {
        f"claim/{claim}/stake": -150,
        agent(town.requester): paid,
        agent(town.rival): 50,
        "burn": 100 - paid,
    }
    assert posted(entries, "slash.failed-check") == split
    assert posted(entries, "seat.fee") == {}


def test_with_fees_and_price_of_zero_a_challenge_moves_no_money_but_decides() -> None:
    town = scene(policy_of(fee_units=0, min_liability_units=100), verifiers=30)
    claim = town.judged(price_units=0)
    found = town.challenged(claim, town.rival)
    assert (found.bond_units, found.prepaid_units) == (0, 0)
    town.judge(claim, "fail")
    entries = town.window_over(claim)
    assert (town.state(claim), ends(entries)) == ("rejected", ["won"])
    assert posted(entries, "slash.failed-check") == {f"claim/{claim}/stake": -150, "burn": 150}


# -- several


def test_of_two_challenges_each_is_measured_by_the_final_verdict(town: Scene) -> None:
    claim = town.judged()
    first = town.challenged(claim, town.rival)
    town.judge(claim, "fail")
    second = town.challenged(claim, town.worker)
    entries = [town.judge(claim, "pass")]
    assert (town.state(claim), ends(entries)) == ("accepted", ["lost", "won"])
    assert posted(entries, "challenge.unearned") == {lock(first): -70, "pool/verification": 70}
    assert posted(entries, "challenge.lost") == {lock(first): -70, "burn": 35, agent(town.worker): 35}
    assert posted(entries, "challenge.return") == {lock(second): -300, agent(town.worker): 300}
    paid = posted(entries, "seat.fee")
    assert paid["pool/verification"] == -108, "109 units for the 180 that rounds one and three earned"
    assert fees(town, claim, 2, paid) == [0] * 7


def test_the_first_who_was_right_gets_the_share_of_the_slash(town: Scene) -> None:
    claim = town.judged()
    town.challenged(claim, town.rival)
    town.judge(claim, "pass")
    town.challenged(claim, town.requester)
    entries = [town.judge(claim, "fail")]
    assert (town.state(claim), ends(entries)) == ("rejected", ["won", "won"])
    assert posted(entries, "slash.seat-fee")[f"claim/{claim}/stake"] == -150
    assert posted(entries, "slash.failed-check") == {}
    assert fees(town, claim, 3, posted(entries, "slash.seat-fee")) == [10] * 15


# -- returned


def emptied(town: Scene, claim: str, kept: int = 0) -> None:
    """Has every verifier leave but `kept` who has not sat on this claim."""
    seated = {seat.agent for seat in town.net.all(Seat) if seat.claim == claim}
    for who in [each for each in town.verifiers if each.did not in seated][kept:]:
        town.net.say(p.VerifierLeave, who)


def test_a_round_that_cannot_be_seated_gives_the_bond_back_and_the_verdict_stands(town: Scene) -> None:
    claim = town.judged()
    town.challenge(claim, town.rival)
    emptied(town, claim)
    entries = [town.net.draw(claim)]
    assert (town.state(claim), ends(entries)) == ("accepted", ["returned"])
    assert town.net.free(town.rival) == 5_000
    assert posted(entries, "seat.fee")["pool/verification"] == -30
    assert town.net.free(town.worker) == 5_000 + PRICE - 30


def test_a_fail_stands_too_where_its_appeal_cannot_be_seated(town: Scene) -> None:
    claim = town.judged(verdict="fail")
    town.challenge(claim, town.worker)
    emptied(town, claim)
    entries = [town.net.draw(claim)]
    assert (town.state(claim), ends(entries)) == ("rejected", ["returned"])
    assert town.net.free(town.worker) == 5_000 - STAKE


def test_a_round_without_a_verdict_pays_who_revealed_from_what_was_prepaid(town: Scene) -> None:
    claim = town.judged()
    back = town.challenged(claim, town.rival)
    seats = town.seats(claim)
    votes = [(seat, town.vote(seat, "fail" if seat.place % 2 else "pass")) for seat in seats]
    for seat, vote in votes:
        town.commit(seat, vote)
    for seat, vote in votes[:5]:
        town.reveal(seat, vote)
    town.net.tick_to(town.round(claim).until_ms)
    assert town.net.get(Claim, claim).draw_round == 3
    emptied(town, claim)
    entries = [town.net.draw(claim)]
    assert (town.state(claim), ends(entries)) == ("accepted", ["returned"])
    paid = posted(entries, "seat.fee")
    assert (fees(town, claim, 2, paid), paid[lock(back)]) == ([10] * 5 + [0] * 2, -50)
    assert posted(entries, "challenge.return") == {lock(back): -90, agent(town.rival): 90}
    outcomes = [town.net.get(Seat, seat.id).outcome for seat in seats]
    assert outcomes == ["heard"] * 5 + ["silent"] * 2
    assert posted(entries, "seat.slash")["burn"] == 2 * LIABILITY // 2, "silence pays, dissent does not"


def test_an_unchecked_output_whose_panel_is_not_seated_is_accepted() -> None:
    town, claim = unchecked()
    town.challenge(claim, town.rival)
    before, pool = town.net.free(town.rival), town.net.balance("pool/verification")
    emptied(town, claim)
    entries = [town.net.draw(claim)]
    assert (town.state(claim), ends(entries)) == ("accepted", ["returned"])
    assert town.net.free(town.rival) == before + 60
    assert town.net.balance("pool/verification") == pool, "no refund of a check that the coin paid for"


def test_an_overdue_draw_leaves_the_verdict_and_burns_what_the_service_owed(town: Scene) -> None:
    claim = town.judged()
    town.challenge(claim, town.rival)
    entries = town.window_over(claim)
    assert (town.state(claim), ends(entries)) == ("accepted", ["returned"])
    assert posted(entries, "draw.overdue") == {"operator/bond": -PRICE - STAKE, "burn": PRICE + STAKE}
    assert town.net.free(town.rival) == 5_000
    assert town.net.get(Task, "t1").closed_why == "accepted"


# -- what it says of the challenger


@pytest.mark.parametrize("kind", [EXACT, JUDGED])
def test_an_unfounded_challenge_counts_against_the_requester_alone(town: Scene, kind: str) -> None:
    for number, who in enumerate((town.requester, town.rival)):
        claim = town.judged(f"t{number}", task_kind=kind)
        town.challenged(claim, who)
        town.judge(claim, "pass")
        town.window_over(claim)
    [record] = [each for each in town.net.all(Score) if each.role == "requester"]
    assert (record.agent, record.task_kind, record.events) == (town.requester.did, kind, 1)
    assert record.bad_slow
    assert not record.good_slow
