"""Attacks with draws that other parties make where the service does not: who may draw, when, and what they can
choose."""

from __future__ import annotations

from hashlib import sha256

import pytest

from tests.core.flows import PRICE, STAKE, Scene, scene
from tests.core.network import Who, kinds
from tests.core.proofs import whole
from tests.core.terms import policy_of
from trust.core.records import Allocation, Claim, Task
from trust.core.rules import panel, shortlists

BEACONS = tuple(Who(f"beacon {number}") for number in range(2))
NAMED = "[" + ", ".join(f'"{each.did}"' for each in BEACONS) + "]"
TURN_MS = 10_000


@pytest.fixture
def town() -> Scene:
    return scene(policy_of(keys=NAMED, unbonding_ms=300_000), verifiers=12)


def order_of(seed: bytes) -> list[Who]:
    return sorted(BEACONS, key=lambda who: sha256(seed + who.did.encode()).digest())


def ranked(town: Scene, claim: str) -> list[Who]:
    record = town.net.get(Claim, claim)
    return order_of(panel.alpha(town.net.draft, record, record.draw_round))


def test_the_operator_withholds_a_friends_bad_draw_and_a_beacon_makes_it(town: Scene) -> None:
    """Under rules 1 the ring had 0 instead of losing its stake; now the output is drawn, checked, and fails."""
    claim = town.submitted()
    first, second = ranked(town, claim)
    town.net.refused("bad-draw", town.net.draw_of(claim, first))
    town.net.tick(TURN_MS)
    town.net.refused("bad-draw", town.net.draw_of(claim, second))
    decided = town.net.do(town.net.draw_of(claim, first))
    assert "round.opened" in kinds(decided.events)
    town.open(claim)
    town.judge(claim, "fail")
    town.window_over(claim)
    assert town.state(claim) == "rejected"
    assert town.net.free(town.worker) == 5_000 - STAKE
    assert town.net.balance("operator/bond") == 5_000
    whole(town)


def test_the_operator_draws_late_once_it_sees_what_the_beacon_drew(town: Scene) -> None:
    """In a beacon's turn the draw key counts no more, and in the second's turn the first does not: nobody picks one of
    several outcomes by waiting."""
    claim = town.submitted()
    first, second = ranked(town, claim)
    town.net.tick(TURN_MS)
    town.net.refused("bad-draw", town.net.draw_of(claim))
    town.net.tick(TURN_MS)
    for late in (None, first):
        town.net.refused("bad-draw", town.net.draw_of(claim, late))
    assert "round.opened" in kinds(town.net.do(town.net.draw_of(claim, second)).events)


def test_a_draw_that_all_withhold_costs_the_operator_price_and_stake(town: Scene) -> None:
    claim = town.submitted()
    town.net.tick(3 * TURN_MS - 1)
    assert town.state(claim) == "submitted"
    town.net.tick(1)
    assert (town.state(claim), town.net.get(Task, "t1").closed_why) == ("voided", "draw-overdue")
    assert town.net.balance("operator/bond") == 5_000 - PRICE - STAKE
    assert town.net.free(town.worker) == 5_000
    whole(town)


def test_a_stranger_draws(town: Scene) -> None:
    claim = town.submitted()
    for _ in range(3):
        town.net.refused("bad-draw", town.net.draw_of(claim, Who("stranger")))
        town.net.tick(TURN_MS - 100)


def test_the_operator_withholds_the_draw_of_an_appeal(town: Scene) -> None:
    town = scene(policy_of(keys=NAMED, unbonding_ms=300_000), verifiers=30)
    claim = town.judged(verdict="fail")
    town.challenge(claim, town.worker)
    town.net.tick(TURN_MS)
    town.net.do(town.net.draw_of(claim, ranked(town, claim)[0]))
    town.judge(claim, "pass")
    town.window_over(claim)
    assert town.state(claim) == "accepted"


def test_the_operator_withholds_a_shortlist_that_its_friend_is_not_on(town: Scene) -> None:
    town.post("t1", relay=town.relay)
    town.net.tick(5_000)
    town.net.do(town.allocation("t1"))
    seed = shortlists.alpha(town.net.draft, town.net.get(Allocation, "t1"))
    town.net.tick(TURN_MS)
    town.net.refused("bad-draw", town.net.shortlist_draw_of("t1"))
    town.net.do(town.net.shortlist_draw_of("t1", order_of(seed)[0]))
    assert town.net.get(Allocation, "t1").state == "drawn"
    whole(town)


def test_a_clock_that_is_behind_the_logs_finds_the_services_turn_and_not_the_last_beacons(
    town: Scene,
) -> None:
    record = town.net.get(Claim, town.submitted())
    seed = panel.alpha(town.net.draft, record, 1)
    assert panel.drawer(town.net.draft, record, town.net.policy, seed, town.net.now_ms - 1) == record.draw_key
