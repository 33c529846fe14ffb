"""Attacks by a service that does not listen: it takes no opening, no commitment, no reveal. The claim's relay
attests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.flows import STAKE, Scene, scene
from tests.core.network import Who
from tests.core.proofs import text, whole
from tests.core.terms import policy_of
from trust.core import payloads as p
from trust.core.commands import Spoken
from trust.core.records import Claim, Round, Seat

GRACE_MS = 400


@pytest.fixture
def town() -> Scene:
    return scene(policy_of(grace_ms=GRACE_MS, unbonding_ms=10**6))


def attested(
    town: Scene, shown: Spoken, shown_ms: int | None = None, by: Who | None = None, relay: str | None = None
) -> Spoken:
    """What a relay, the claim's where none is named, says that it was shown, now unless told otherwise."""
    fields: dict[str, Any] = {
        "statement": text(shown),
        "shown_ms": town.net.now_ms if shown_ms is None else shown_ms,
    }
    if relay is not None:
        fields["relay"] = relay
    return town.net.statement(p.RelayAttest, by or town.net.coordinator, **fields)


def opening(town: Scene, claim: str) -> Spoken:
    return town.net.statement(p.OutputOpen, town.worker_of(claim), claim=claim)


def reveal(town: Scene, seat: Seat) -> Spoken:
    return town.net.statement(p.VoteReveal, town.sitter(seat), **town.vote(seat))


def test_the_operator_does_not_take_an_opening(town: Scene) -> None:
    """Under rules 1 the worker lost its stake of 150, and the requester had 36 of it. Now the relay's word lets it
    count within the grace, and the work is judged."""
    claim = town.drawn()
    shown = opening(town, claim)
    said = attested(town, shown)
    town.net.tick_to(town.round(claim).until_ms + GRACE_MS - 3)
    town.net.refused("too-late", shown)
    town.net.do(said)
    town.judge(claim)
    town.window_over(claim)
    town.net.tick(10_000)
    assert town.state(claim) == "accepted"
    assert town.net.free(town.worker) == 5_000 + 100
    whole(town)


def test_the_operator_does_not_take_an_output(town: Scene) -> None:
    """Ten claims of an honest worker whose leases ran out at once cost it 427 of its stakes of 1,000, by a doubling
    fault each. Now the relay's word lets the output count within the grace after the lease."""
    claim = town.claimed()
    shown = town.output(claim)
    said = attested(town, shown)
    lease_until_ms = town.net.get(Claim, claim).lease_until_ms
    town.net.tick_to(lease_until_ms + GRACE_MS - 4)
    town.net.refused("lease-over", town.output(claim))
    town.net.do(said)
    found = town.net.get(Claim, claim)
    assert (found.state, found.output) == ("submitted", shown.id)
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim)
    town.window_over(claim)
    town.net.tick(10_000)
    assert (town.state(claim), town.net.free(town.worker)) == ("accepted", 5_000 + 100)
    assert town.party(town.worker).liveness_ms == ()
    whole(town)


def test_the_operator_takes_neither_a_renewal_nor_that_a_claim_is_given_up(town: Scene) -> None:
    claim = town.claimed()
    until_ms = town.net.get(Claim, claim).lease_until_ms
    renewal = attested(town, town.net.statement(p.ClaimRenew, town.worker, claim=claim))
    given_up = town.net.statement(p.ClaimAbandon, town.worker, claim=claim)
    began_ms = town.net.now_ms
    town.net.tick_to(until_ms + 1)
    town.net.refused("lease-over", town.net.statement(p.ClaimRenew, town.worker, claim=claim))
    town.net.refused("lease-over", town.net.statement(p.ClaimAbandon, town.worker, claim=claim))
    town.net.do(renewal)
    assert town.net.get(Claim, claim).lease_until_ms == 2 * until_ms - town.net.get(Claim, claim).opened_ms
    town.net.do(attested(town, given_up, began_ms))
    assert (town.state(claim), town.party(town.worker).liveness_ms) == ("abandoned", ())
    assert town.net.free(town.worker) == 5_000
    whole(town)


def test_a_lease_without_an_output_is_over_when_the_grace_is(town: Scene) -> None:
    claim = town.claimed()
    town.net.tick_to(town.net.get(Claim, claim).lease_until_ms + GRACE_MS - 1)
    assert town.state(claim) == "claimed"
    town.net.tick(1)
    assert town.state(claim) == "expired"


def test_the_operator_does_not_take_a_reveal(town: Scene) -> None:
    """Under rules 1 the verifier lost 100 and sat in jail. Now its vote counts."""
    claim = town.opened()
    seats = town.seats(claim)
    for seat in seats:
        town.commit(seat, town.vote(seat))
    for seat in seats[1:]:
        town.reveal(seat, town.vote(seat))
    said = attested(town, reveal(town, seats[0]))
    town.net.tick_to(town.round(claim).until_ms + GRACE_MS - 2)
    town.net.do(said)
    assert town.state(claim) == "passing"
    assert town.party(town.sitter(seats[0])).jailed_until_ms == 0
    whole(town)


def test_the_operator_takes_no_commitment_until_its_friend_is_the_next_alternate(town: Scene) -> None:
    claim = town.opened()
    [first, *_] = town.seats(claim)
    fields: dict[str, Any] = {"seat": first.id, "commitment": town.commitment(first, town.vote(first))}
    said = attested(town, town.net.statement(p.VoteCommit, town.sitter(first), **fields))
    town.net.tick_to(first.until_ms + 1)
    town.net.do(said)
    assert town.net.get(Seat, first.id).state == "committed"
    whole(town)


def test_a_relay_attests_for_a_friend_what_nobody_showed_it_in_time(town: Scene) -> None:
    """What it gains is the grace: whatever time it names, after that the window is over."""
    claim = town.drawn()
    until_ms = town.round(claim).until_ms
    town.net.tick_to(until_ms + GRACE_MS)
    assert town.state(claim) == "rejected"
    late = town.net.statement(p.OutputOpen, town.worker, claim=claim, issued_ms=until_ms - 10)
    town.net.refused("too-late", attested(town, late, until_ms - 5))
    assert town.net.free(town.worker) == 5_000 - STAKE


def test_nobody_waits_for_the_grace_where_everybody_has_spoken(town: Scene) -> None:
    claim = town.opened()
    began_ms = town.net.now_ms
    town.judge(claim)
    assert town.net.now_ms - began_ms < 20
    assert town.net.get(Round, f"{claim}/1").phase == "over"


def test_any_relay_attests_where_the_claims_own_is_the_operators_friend(town: Scene) -> None:
    """Before: only the claim's relay counted, so an operator and a relay together could have anybody look silent."""
    claim = town.opened()
    [first, *_] = town.seats(claim)
    other = Who("coordinator of another relay")
    relay = town.net.register_relay([other], 1, name="other")
    shown = town.net.statement(
        p.VoteCommit, town.sitter(first), seat=first.id, commitment=town.commitment(first, town.vote(first))
    )
    said = attested(town, shown, by=other, relay=relay)
    town.net.refused("not-coordinator", attested(town, shown, by=town.worker, relay=relay))
    town.net.refused("unknown-relay", attested(town, shown, by=other, relay="rly_" + "a" * 26))
    town.net.tick_to(first.until_ms + 1)
    town.net.do(said)
    assert town.net.get(Seat, first.id).state == "committed"
    whole(town)


def test_who_is_no_coordinator_of_the_relay_attests_nothing(town: Scene) -> None:
    claim = town.drawn()
    shown = opening(town, claim)
    other = Who("coordinator of another relay")
    town.net.register_relay([other], 1, name="other")
    now_ms = town.net.now_ms
    for code, said in (
        ("not-coordinator", attested(town, shown, by=other)),
        ("not-coordinator", attested(town, shown, by=town.worker)),
        ("issued-in-future", attested(town, shown, now_ms + 1_000)),
        ("expired", attested(town, shown, now_ms - 1_000)),
        ("not-attested", attested(town, town.request())),
    ):
        town.net.refused(code, said)
    forged = town.net.statement(p.OutputOpen, town.worker, signers=[town.rival], claim=claim)
    town.net.refused("wrong-signer", attested(town, forged))
