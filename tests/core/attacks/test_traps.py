"""What a requester or a relay gains by the terms of a task."""

from __future__ import annotations

import pytest

from tests.core.attacks.ring import PRICE, claimed, delivered, looked_at, states, town_of, worth
from tests.core.crowds import capable, crowd, drawn_from
from tests.core.flows import Scene
from tests.core.terms import EXACT, JUDGED
from trust.core import ledger
from trust.core import payloads as p
from trust.core.records import Claim, Score, Task


def test_a_specification_that_nobody_can_meet_earns_its_requester_nothing() -> None:
    """Before: three honest workers lost 20,000 each to it, and the requester had +29,883 of their stakes. Now it gets
    back no more than the fees that the checks cost it."""
    town = town_of()
    workers = [town.net.join(f"honest {number}", 50_000) for number in range(3)]
    before = worth(town, town.requester)
    for worker in workers:
        town.worker = worker
        if town.net.draft.get(Task, "trap") is None:
            claim = claimed(town, "trap", worker, town.requester, stake_units=20_000)
        else:
            claim = town.claim("trap", worker, stake_units=20_000)
        delivered(town, [claim])
        looked_at(town, [claim], "fail")
    assert worth(town, town.requester) == before


@pytest.mark.parametrize("kind", [EXACT, JUDGED])
def test_a_panel_that_finds_the_specification_unclear_gives_price_and_stake_back(kind: str) -> None:
    """The third verdict: the honest worker loses nothing, the requester the check's fees, and its record says so."""
    town = town_of()
    before = worth(town, town.worker), worth(town, town.requester)
    claim = claimed(town, "trap", town.worker, town.requester, task_kind=kind)
    delivered(town, [claim])
    town.open(claim)
    town.judge(claim, "void")
    assert town.state(claim) == "voiding"
    town.net.tick(town.net.policy.windows.challenge_ms)
    task = town.net.get(Task, "trap")
    assert (town.state(claim), task.state, task.closed_why) == ("voided", "closed", "unclear")
    assert (worth(town, town.worker), worth(town, town.requester)) == (before[0], before[1] - 39)
    assert {seat.outcome for seat in town.seats(claim)} == {"right"}
    [record] = [each for each in town.net.all(Score) if each.role == "requester"]
    assert (record.agent, record.task_kind) == (town.requester.did, kind)
    assert record.bad_slow


def test_a_void_can_be_challenged_like_any_verdict() -> None:
    """A requester with a friendly panel would have the work and its price."""
    town = town_of()
    before = worth(town, town.worker)
    claim = claimed(town, "t1", town.worker, town.requester)
    delivered(town, [claim])
    town.open(claim)
    liars = [town.sitter(seat) for seat in town.seats(claim)]
    town.judge(claim, "void")
    town.challenge(claim, town.worker)
    looked_at_again(town, claim, "pass")
    assert (town.state(claim), worth(town, town.worker)) == ("accepted", before + PRICE)
    assert [town.net.staked(who) for who in liars] == [3_000 - 100] * 3


@pytest.mark.parametrize(
    ("final", "state", "gained"),
    [("void", "voided", 0), ("fail", "rejected", 50), ("pass", "accepted", -170)],
)
def test_a_pass_that_turns_out_void_exposes_no_worker(final: str, state: str, gained: int) -> None:
    town = town_of()
    claim = claimed(town, "t1", town.worker, town.requester)
    delivered(town, [claim])
    town.open(claim)
    town.judge(claim, "pass")
    before = worth(town, town.rival)
    town.challenge(claim, town.rival)
    looked_at_again(town, claim, final)
    assert (town.state(claim), worth(town, town.rival) - before) == (state, gained)


def looked_at_again(town: Scene, claim: str, verdict: str) -> None:
    town.net.draw(claim)
    town.judge(claim, verdict)
    town.net.tick(town.net.policy.windows.challenge_ms)


def test_a_batch_is_void_where_the_panel_says_so_and_no_item_is_judged() -> None:
    town = town_of()
    claim = town.opened("b1", **town.batch_task(40))
    for seat in town.seats(claim):
        vote = town.vote(seat, "void")
        assert "items" not in vote
        town.commit(seat, vote)
    for seat in town.seats(claim):
        town.reveal(seat, town.vote(seat, "void"))
    assert town.state(claim) == "voiding"
    town.net.tick(town.net.policy.windows.challenge_ms)
    assert town.net.get(Task, "b1").closed_why == "unclear"


def test_candidates_that_a_relay_names_are_worth_no_more_than_who_comes_first() -> None:
    """Before: a relay that named ten faces of one friend had delta 0.9 for it instead of that of first come."""
    town = crowd(14)
    named = tuple(did for did in capable(town) if did != town.requester.did)
    allocation = town.allocated(candidates=named, shortlist=1)
    assert (allocation.eligible, allocation.owners) == (16, 16)
    claim = town.net.get(Claim, town.claim(worker=drawn_from(town, allocation)[0]))
    assert (claim.route, claim.delta_ppm) == ("allocated", 20_000)


# -- holding tasks, and letting them fall


def test_who_revokes_itself_before_its_lease_ends_pays_like_anybody() -> None:
    """Before: a worker held 20 tasks for three leases each and revoked itself: 0 instead of 1,427."""
    town = town_of()
    holder = town.net.join("holder", 100_000)
    claims = [claimed(town, f"t{number}", holder, town.requester) for number in range(4)]
    for claim in claims:
        for _ in range(2):
            town.net.say(p.ClaimRenew, holder, claim=claim)
    town.net.say(p.AgentRevoke, holder, reason="gone")
    town.net.tick(40_000)
    assert states(town, claims) == ["expired"] * 4
    assert worth(town, holder) == 100_000 - (20 + 40 + 80 + 160)


def test_fresh_names_hold_a_task_for_nothing_only_once() -> None:
    """Before: 20 fresh names held one task without a break by abandoning it within the free tenth, for 0."""
    town = town_of()
    names = [town.net.join(f"name {number}") for number in range(6)]
    town.post(price_units=PRICE)
    for name in names:
        claim = town.claim("t1", name, stake_units=2_000)
        town.net.tick(900)
        town.net.say(p.ClaimAbandon, name, claim=claim)
    assert [5_000 - worth(town, name) for name in names] == [0, *[20] * 5]
    assert [len(town.party(name).liveness_ms) for name in names] == [0, *[1] * 5]


def test_an_allocation_lapses_too_where_the_task_closes_instead_of_reopening() -> None:
    """Before: whoever let an outsider's failed claim close the task paid 0 instead of 30 and one lapse."""
    town = crowd(14, lease_ms=5_000)
    deadline_ms = town.net.now_ms + 4_000
    town.allocated(exclusive_ms=500, shortlist=1, deadline_ms=deadline_ms)
    town.net.tick(600)
    claim = town.claim(worker=town.rival)
    before = town.net.balance("burn")
    town.net.tick(6_000)
    assert (town.state(claim), town.task_state()) == ("expired", "closed")
    assert town.net.balance("burn") - before == 30 + 1
    assert [event for entry in town.net.entries for event in entry.events if "Lapsed" in type(event).__name__]


def test_nobody_claims_so_late_that_the_least_lease_runs_past_the_deadline() -> None:
    town = town_of()
    town.post(price_units=PRICE, deadline_ms=town.net.now_ms + 1_000)
    town.net.tick(600)
    town.net.refused("too-late", town.request(stake_units=2_000))


def test_a_requester_with_a_trap_gets_nothing_of_the_appeals_of_its_victims() -> None:
    """Before: an appeal that its trapped worker lost paid the requester half of its bond, a twentieth of the price: on
    a task of 100,000 it had 5,000 of an honest worker's money. Now all of that bond burns."""
    town = town_of()
    worker = town.net.join("honest", 1_000_000)
    before, burned = worth(town, town.requester), town.net.balance(ledger.BURN)
    claim = claimed(town, "trap", worker, town.requester, price_units=100_000, stake_units=200_000)
    delivered(town, [claim])
    town.open(claim)
    town.judge(claim, "fail")
    town.challenge(claim, worker)
    town.net.draw(claim)
    town.judge(claim, "fail")
    town.window_over(claim)
    assert town.state(claim) == "rejected"
    assert worth(town, town.requester) == before
    assert town.net.balance(ledger.BURN) - burned >= 10_000
