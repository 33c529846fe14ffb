"""How claims end: who gets the price, the stake, bonds and fees, and what a failed check leaves behind.

Specified in docs/rules.md 4.
"""

from __future__ import annotations

import pytest

from tests.core.flows import PRICE, STAKE, Scene, scene
from tests.core.network import Net, kinds
from tests.core.terms import EXACT, JUDGED, policy_of
from trust.core import payloads as p
from trust.core import scoring
from trust.core.events import FeeShort, MoneyMoved
from trust.core.records import Account, Claim, Seat, Slot, Task, Track

FEES = 39
FEE, LIABILITY, VERIFIER_STAKE = 10, 200, 3_000


@pytest.fixture
def town() -> Scene:
    return scene()


def seats_of(town: Scene, claim: str) -> list[Seat]:
    found = [seat for seat in town.net.all(Seat) if seat.claim == claim]
    return sorted(found, key=lambda seat: (seat.round, seat.place, seat.index))


def free_of(town: Scene, seats: list[Seat]) -> list[int]:
    return [town.net.free(town.sitter(seat)) for seat in seats]


def staked_of(town: Scene, seats: list[Seat]) -> list[int]:
    return [town.net.staked(town.sitter(seat)) for seat in seats]


# -- accepted


def test_a_passed_check_pays_everybody_and_holds_a_fifth_of_the_stake(town: Scene) -> None:
    claim = town.ended()
    assert (town.state(claim), town.net.get(Task, "t1").closed_why) == ("accepted", "accepted")
    assert town.net.free(town.requester) == 5_000 - PRICE - FEES
    assert town.net.free(town.worker) == 5_000 + PRICE - 30
    assert town.net.balance(f"claim/{claim}/stake") == 30
    assert free_of(town, town.seats(claim)) == [5_010] * 3
    assert town.net.balance("pool/verification") == FEES - 30
    assert town.net.balance("burn") == 0


def test_the_hold_goes_back_when_the_evidence_window_is_over(town: Scene) -> None:
    claim = town.ended()
    town.net.tick(1_999)
    assert town.net.get(Claim, claim).hold_units == 30
    town.net.tick(1)
    assert (town.net.get(Claim, claim).hold_units, town.net.balance(f"claim/{claim}/stake")) == (0, 0)
    assert town.net.free(town.worker) == 5_000 + PRICE


def test_a_hold_too_small_to_count_is_none() -> None:
    town = scene(policy_of(min_stake_units=0))
    claim = town.judged(price_units=0)
    cheap = town.fork()
    cheap.post("t2", price_units=0)
    cheap.claim("t2", stake_units=4)
    town.net.tick(1_000)
    assert town.state(claim) == "accepted"


def test_the_claim_ends_when_the_challenge_window_is_over_not_before(town: Scene) -> None:
    claim = town.judged()
    town.net.tick(999)
    assert town.state(claim) == "passing"
    town.net.tick(1)
    assert town.state(claim) == "accepted"


# -- rejected


def test_a_failed_exact_check_takes_the_stake_and_gives_the_requester_its_fees_back(town: Scene) -> None:
    claim = town.ended(verdict="fail", price_units=PRICE)
    assert town.state(claim) == "rejected"
    assert town.net.free(town.worker) == 5_000 - STAKE
    assert town.net.balance("burn") == STAKE - FEES
    assert town.net.balance(f"claim/{claim}/stake") == 0


def test_the_requester_gets_no_more_than_the_fees_that_it_paid(town: Scene) -> None:
    town.post(price_units=20)
    claim = town.claim(stake_units=1_000)
    town.net.do(town.output(claim))
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim, "fail")
    [ended] = town.net.tick(1_000)[:1]
    slashes = [
        event for event in ended.events if isinstance(event, MoneyMoved) and event.why == "slash.failed-check"
    ]
    assert [dict(event.postings) for event in slashes] == [
        {f"claim/{claim}/stake": -1_000, f"agent/{town.requester.did}/free": FEES, "burn": 1_000 - FEES}
    ]


def test_a_failed_judged_check_takes_a_fifth(town: Scene) -> None:
    claim = town.ended(verdict="fail", task_kind=JUDGED)
    assert town.state(claim) == "rejected"
    assert town.net.free(town.worker) == 5_000 - STAKE // 5
    assert town.net.balance("burn") == 0, "a fifth of the stake is less than the fees"
    assert town.party(town.worker).failures_ms == ()


def test_the_third_failed_exact_check_is_a_tombstone(town: Scene) -> None:
    for number in (1, 2, 3):
        assert town.party(town.worker).left == ""
        town.ended(f"t{number}", "fail")
    assert town.party(town.worker).left == "tombstoned"
    assert town.net.free(town.worker) == 0
    assert town.net.balance(f"agent/{town.worker.did}/unbonding") == 5_000 - 3 * STAKE
    town.post("t4")
    town.net.refused("tombstoned", town.request("t4"))


def test_failed_exact_checks_are_forgotten_after_ninety_days(town: Scene) -> None:
    for number in (1, 2):
        town.ended(f"t{number}", "fail")
    town.net.tick(90 * 86_400_000)
    town.ended("t3", "fail")
    assert town.party(town.worker).left == ""
    assert len(town.party(town.worker).failures_ms) == 1


def test_a_tombstoned_verifier_has_no_weight(town: Scene) -> None:
    town.net.enroll(town.worker, kinds=(EXACT,))
    slot = dict(town.party(town.worker).enrolled)[EXACT]
    for number in (1, 2, 3):
        town.ended(f"t{number}", "fail")
    assert town.net.get(Slot, f"verifiers/{EXACT}/{slot}").weight == 0


# -- verifiers


def settled_with_a_dissenter(town: Scene, kind: str) -> list[Seat]:
    """The three seats of a first panel in which the first was against the final verdict."""
    claim = town.opened(task_kind=kind)
    town.judge(claim, "fail", "pass")
    town.net.draw(claim)
    town.judge(claim, "pass")
    town.net.tick(1_000)
    assert town.state(claim) == "accepted"
    return [seat for seat in seats_of(town, claim) if seat.round == 1]


def test_a_wrong_vote_on_exact_work_costs_half_of_its_liability_and_the_fee() -> None:
    town = scene(verifiers=24)
    seats = settled_with_a_dissenter(town, EXACT)
    assert [seat.outcome for seat in seats] == ["wrong", "right", "right"]
    assert town.net.balance("burn") == LIABILITY // 2 - 7 * FEE, (
        "the seats of the next round are paid from it first"
    )
    assert staked_of(town, seats) == [VERIFIER_STAKE - LIABILITY // 2, VERIFIER_STAKE, VERIFIER_STAKE]
    assert free_of(town, seats) == [5_000, 5_010, 5_010]


def test_a_wrong_vote_on_dear_work_costs_a_share_of_the_price() -> None:
    town = scene(verifiers=24)
    town.net.deposit(town.requester.did, 10_000)
    town.net.deposit(town.worker.did, 10_000)
    town.net.deposit("operator/bond", 10_000)
    town.post(price_units=5_000)
    claim = town.claim(stake_units=10_000)
    town.net.do(town.output(claim))
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim, "fail", "pass")
    town.net.draw(claim)
    town.judge(claim, "pass")
    town.net.tick(1_000)
    [wrong] = [seat for seat in seats_of(town, claim) if seat.outcome == "wrong"]
    assert staked_of(town, [wrong]) == [VERIFIER_STAKE - 5_000 // 5 // 2]


def test_a_wrong_vote_on_judged_work_costs_the_round_that_it_caused_and_accuracy() -> None:
    """On the rules before it cost nothing: the honest seats got 18 to 45 of the 90 units that were due."""
    town = scene(verifiers=24)
    seats = settled_with_a_dissenter(town, JUDGED)
    assert [seat.outcome for seat in seats] == ["wrong", "right", "right"]
    assert town.net.balance("burn") == 0
    assert staked_of(town, seats) == [VERIFIER_STAKE - 7 * FEE, VERIFIER_STAKE, VERIFIER_STAKE]
    assert free_of(town, seats_of(town, seats[0].claim)) == [5_000, *[5_010] * 9]
    wrong, right = (
        scoring.accuracy_ppm(town.net.draft, seat.agent, JUDGED, town.net.now_ms) for seat in seats[:2]
    )
    assert wrong < 900_000 <= right


def test_the_same_fee_for_either_verdict(town: Scene) -> None:
    passed, failed = town.ended("t1"), town.ended("t2", "fail")
    assert set(free_of(town, town.seats(passed)) + free_of(town, town.seats(failed))) == {5_010}


def test_a_ring_that_votes_falsely_pays_for_the_doubt_and_never_the_pool() -> None:
    """The pool of fees went short in every simulated network with an open ring, before its slashes paid."""
    town = scene(policy_of(round_reserve_ppm=0), verifiers=24)
    claim = town.opened()
    town.judge(claim, "fail", "pass")
    town.net.draw(claim)
    town.judge(claim, "fail", "pass")
    town.net.tick(1_000)
    outcomes = [seat.outcome for seat in seats_of(town, claim)]
    assert outcomes.count("wrong") == 2
    assert all(free_of(town, [seat]) == [5_010] for seat in seats_of(town, claim) if seat.outcome == "right")
    assert town.net.balance("burn") == 2 * (LIABILITY // 2) - 6 * FEE
    assert town.net.balance("pool/verification") == FEE


def test_a_pool_that_is_short_is_shared_and_says_so() -> None:
    """The dissenter has nothing left to pay with: it lost its stake in another check meanwhile."""
    town = scene(policy_of(round_reserve_ppm=0), verifiers=24)
    claim = town.opened(task_kind=JUDGED)
    dissenter = town.sitter(town.seats(claim)[2])
    town.net.draft.put(Account(id=f"verifier/{dissenter.did}/stake", balance_units=0))
    town.judge(claim, "pass", "pass", "fail")
    town.net.draw(claim)
    town.judge(claim)
    entries = town.net.tick(1_000)
    [short] = [event for entry in entries for event in entry.events if isinstance(event, FeeShort)]
    assert (short.due_units, short.paid_units) == (90, 27)
    earners = [seat for seat in seats_of(town, claim) if seat.outcome == "right"]
    assert sorted(set(free_of(town, earners))) == [5_003]
    assert town.net.balance("pool/verification") == 3


def test_every_seat_of_every_round_is_settled_with_the_claim() -> None:
    town = scene(verifiers=30)
    claim = town.opened()
    silent, *others = town.seats(claim)
    for seat in others:
        town.commit(seat, town.vote(seat))
    town.net.tick(1_500)
    for seat in town.seats(claim):
        if seat.state == "seated":
            town.commit(seat, town.vote(seat, "fail"))
    for seat in town.seats(claim):
        town.reveal(seat, town.vote(seat, "pass" if seat.id in {each.id for each in others} else "fail"))
    town.net.draw(claim)
    town.judge(claim)
    town.net.tick(1_000)
    outcomes = {seat.id: seat.outcome for seat in seats_of(town, claim)}
    assert outcomes[silent.id] == "passed"
    assert sorted(outcomes.values()) == ["passed", *["right"] * 9, "wrong"]
    lost = {
        seat.outcome: VERIFIER_STAKE - town.net.staked(town.sitter(seat)) for seat in seats_of(town, claim)
    }
    assert lost == {"passed": LIABILITY // 100, "wrong": LIABILITY // 2, "right": 0}


# -- what the worker's record says


def test_a_streak_grows_with_passes_and_ends_with_a_fail(town: Scene) -> None:
    track = f"{town.worker.did}/{EXACT}"
    for number in (1, 2):
        town.ended(f"t{number}")
        assert (town.net.get(Track, track).streak, town.net.get(Track, track).checks) == (number, number)
    town.ended("t3", "fail")
    assert (town.net.get(Track, track).streak, town.net.get(Track, track).checks) == (0, 3)


def test_an_expiry_halves_the_streak(town: Scene) -> None:
    for number in (1, 2, 3):
        town.ended(f"t{number}")
    town.claimed("t4")
    town.net.tick(10_000)
    assert town.net.get(Track, f"{town.worker.did}/{EXACT}").streak == 1


def test_a_new_worker_is_always_checked_and_a_trusted_one_seldom() -> None:
    town = scene(policy_of(trusted_streak=2))
    for number in (1, 2):
        assert town.net.get(Claim, town.ended(f"t{number}")).rate_ppm == 1_000_000
    assert town.net.get(Claim, town.claimed("t3")).rate_ppm < 700_000
    town.net.tick(10_000)
    assert town.net.get(Claim, town.claimed("t4")).rate_ppm == 1_000_000  # the streak is one again


def test_a_liar_falls_behind_who_was_honest() -> None:
    town = scene(policy_of(first_come_ppm=200_000))
    for number in range(3):
        town.ended(f"honest-{number}", assignee=None)
    town.worker, honest = town.rival, town.worker
    town.ended("lie", "fail")
    ranked = scoring.priorities(town.net.draft, EXACT, [town.rival.did, honest.did])
    assert [each.agent for each in ranked] == [honest.did, town.rival.did]
    expected = {each.agent: each.expected_ppm for each in ranked}
    assert expected[honest.did] > 900_000 > expected[town.rival.did]


def test_working_for_ones_own_owner_earns_no_standing() -> None:
    town = Scene(Net(), verifiers=6)
    owner = town.net.join("owner")
    bot, client = (town.net.join(name, owner=owner) for name in ("bot", "client"))
    town.post("own", client)
    claim = town.claim("own", bot)
    town.net.do(town.output(claim))
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim)
    town.net.tick(1_000)
    assert town.state(claim) == "accepted"
    [ranked] = scoring.priorities(town.net.draft, EXACT, [bot.did])
    assert (ranked.priority_ppm, ranked.observations_milli) == (0, 0)


def test_an_ending_is_one_entry(town: Scene) -> None:
    claim = town.judged()
    [ended, *_] = town.net.tick(1_000)
    said = kinds(ended.events)
    assert said.count("claim.ended") == 1
    assert said.count("seat.settled") == 3
    assert town.net.get(Claim, claim).ended_ms == town.net.now_ms
    town.net.refuses("claim-state", p.ClaimAbandon, town.worker, claim=claim)
