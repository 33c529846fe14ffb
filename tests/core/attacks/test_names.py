"""Attacks by names that cost nothing: who was caught comes back, and fills the places of newcomers."""

from __future__ import annotations

import pytest

from tests.core.attacks.ring import RICH, claimed, delivered, looked_at, terms, town_of
from tests.core.crowds import crowd
from tests.core.flows import Scene
from tests.core.network import Who
from tests.core.proofs import OTHER, evidence, whole
from tests.core.terms import EXACT
from trust.core import ledger, scoring
from trust.core import payloads as p
from trust.core.events import MoneyMoved
from trust.core.policy import warnings
from trust.core.records import Party, Slot
from trust.core.sampling.shortlist import lane_share_ppm

BOND = 700


@pytest.fixture
def town() -> Scene:
    return town_of(name_bond_units=BOND)


def bond_of(town: Scene, who: Who) -> int:
    return town.net.balance(ledger.name_bond(who.did))


def weighs_in_lane(town: Scene, who: Who) -> int:
    party = town.net.get(Party, who.did)
    return town.net.get(Slot, f"{scoring.probation_pool(EXACT)}/{party.places[0]}").weight


def caught(town: Scene, task: str, who: Who) -> None:
    claim = claimed(town, task, who, town.requester)
    delivered(town, [claim])
    looked_at(town, [claim], "fail")
    assert town.state(claim) == "rejected"


def test_a_name_that_is_caught_loses_its_bond_and_the_next_name_pays_again(town: Scene) -> None:
    """Without the bond whoever comes back under a new name has lost its stake and nothing else."""
    for number in range(3):
        cheat = town.net.join(f"cheat {number}", RICH, capabilities=(EXACT,))
        assert bond_of(town, cheat) == BOND
        before = town.net.balance(ledger.BURN)
        caught(town, f"t{number}", cheat)
        assert bond_of(town, cheat) == 0
        assert town.net.balance(ledger.BURN) - before >= BOND + 1_900
    whole(town)


def test_a_name_that_was_caught_claims_nothing_before_it_has_paid_again(town: Scene) -> None:
    cheat = town.net.join("cheat", 2_000 + BOND, capabilities=(EXACT,))
    caught(town, "t1", cheat)
    town.net.deposit(cheat.did, BOND - 1)
    town.post("t2", town.requester)
    town.net.refused("insufficient-funds", town.request("t2", cheat))
    assert weighs_in_lane(town, cheat) == 0


def test_the_bond_locks_with_the_first_claim_of_who_offered_nothing(town: Scene) -> None:
    silent = town.net.join("offers nothing", BOND + 150)
    assert bond_of(town, silent) == 0
    town.post("t1", town.requester)
    town.net.refused("insufficient-funds", town.request("t1", silent, stake_units=151))
    town.claim("t1", silent, stake_units=150)
    assert (bond_of(town, silent), town.net.free(silent)) == (BOND, 0)


def test_the_bond_locks_with_an_enrolment(town: Scene) -> None:
    verifier = town.net.join("verifier", 5_000)
    town.net.enroll(verifier, units=2_000)
    assert (bond_of(town, verifier), town.net.free(verifier)) == (BOND, 5_000 - 2_000 - BOND)


def test_two_outputs_burn_the_bond_too(town: Scene) -> None:
    claim = claimed(town, "t1", town.worker, town.requester)
    first = town.output(claim)
    town.net.do(first)
    assert bond_of(town, town.worker) == BOND
    town.net.do(evidence(town, town.requester, "equivocation", first, town.output(claim, artifacts=(OTHER,))))
    assert bond_of(town, town.worker) == 0
    whole(town)


def test_a_name_that_leaves_clean_gets_its_bond_back_when_nothing_of_it_can_be_caught_any_more() -> None:
    town = town_of(name_bond_units=BOND)
    leaver = town.net.join("leaver", 1_000, capabilities=(EXACT,))
    town.net.say(p.AgentRevoke, leaver, reason="done")
    assert bond_of(town, leaver) == BOND
    town.net.tick(town.net.policy.windows.unbonding_ms)
    assert bond_of(town, leaver) == 0
    assert town.net.balance(ledger.unbonding(leaver.did)) == 1_000


def test_a_name_that_leaves_with_work_in_flight_still_loses_its_bond(town: Scene) -> None:
    """Who could take the bond home before the verdict would pay for no name."""
    cheat = town.net.join("cheat", RICH, capabilities=(EXACT,))
    claim = claimed(town, "t1", cheat, town.requester)
    delivered(town, [claim])
    town.open(claim)
    town.net.say(p.AgentRevoke, cheat, reason="done")
    looked_at(town, [claim], "fail")
    assert bond_of(town, cheat) == 0
    town.net.tick(town.net.policy.windows.unbonding_ms)
    whole(town)


def test_a_fail_that_nobody_could_appeal_burns_no_name() -> None:
    town = town_of(verifiers=5, name_bond_units=BOND)
    claim = claimed(town, "t1", town.worker, town.requester)
    delivered(town, [claim])
    looked_at(town, [claim], "fail")
    assert bond_of(town, town.worker) == BOND


def test_names_that_have_not_paid_take_no_place_of_the_lane() -> None:
    """Registering is nearly free: a thousand names beside an honest newcomer would take its places."""
    town = crowd(0, name_bond_units=BOND, probation_ppm=500_000)
    unpaid = [town.net.join(f"unpaid {number}", BOND - 1, capabilities=(EXACT,)) for number in range(5)]
    paid = town.net.join("paid", BOND + 1, capabilities=(EXACT,))
    assert [weighs_in_lane(town, who) for who in unpaid] == [0] * 5
    assert weighs_in_lane(town, paid) == 1
    town.net.deposit(unpaid[0].did, 1)
    assert (weighs_in_lane(town, unpaid[0]), bond_of(town, unpaid[0])) == (1, BOND)


def test_the_bond_pays_nobody(town: Scene) -> None:
    cheat = town.net.join("cheat", RICH, capabilities=(EXACT,))
    caught(town, "t1", cheat)
    moved = [
        event.postings
        for entry in town.net.entries
        for event in entry.events
        if isinstance(event, MoneyMoved) and event.why == "slash.name"
    ]
    assert moved == [((ledger.name_bond(cheat.did), -BOND), (ledger.BURN, BOND))]


@pytest.mark.parametrize(
    ("lane", "pool", "share_ppm"),
    [(0, 100, 0), (1, 100, 10_000), (3, 7, 100_000), (5, 5, 100_000), (0, 0, 0)],
)
def test_the_lane_has_what_its_members_would_have_of_all_places(lane: int, pool: int, share_ppm: int) -> None:
    assert lane_share_ppm(100_000, lane, pool) == share_ppm


def test_a_policy_whose_names_cost_nothing_is_warned_of() -> None:
    assert any("name" in warning for warning in warnings(terms(name_bond_units=0)))
    assert not any("a name costs nothing" in warning for warning in warnings(terms(name_bond_units=1)))
