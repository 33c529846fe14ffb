"""Claims: one winner a task, the stake that locks, renewal, abandonment, expiry, faults (docs/rules.md 3 and 4)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.core.flows import PRICE, STAKE, Scene, scene
from tests.core.network import Who, kinds
from tests.core.terms import policy_of
from trust.core import payloads as p
from trust.core.events import MoneyMoved
from trust.core.records import Bar, Claim, Liveness, Task
from trust.core.rulebook import Decided

LEASE_MS = 10_000


@pytest.fixture
def town() -> Scene:
    return scene()


def slashed(entries: list[Decided]) -> int:
    """What burned in these entries, in units."""
    moved = [event for entry in entries for event in entry.events if isinstance(event, MoneyMoved)]
    return sum(units for event in moved for account, units in event.postings if account == "burn")


def expire(town: Scene, task: str) -> int:
    """Posts, claims and lets the lease run out; returns what it cost."""
    town.post(task)
    town.claim(task)
    return slashed(town.net.tick(LEASE_MS))


def test_the_lease_of_a_worker_whom_the_operator_revoked_runs_out_without_a_penalty(town: Scene) -> None:
    claim = town.claimed()
    town.net.say(p.AgentRevoke, town.net.operator, reason="abuse", party=town.worker.did)
    assert slashed(town.net.tick(LEASE_MS)) == 0
    assert town.state(claim) == "expired"
    assert town.party(town.worker).liveness_ms == ()


# -- who wins


def test_the_first_in_the_log_wins_and_the_second_learns_who_won(town: Scene) -> None:
    town.post()
    claim = town.claim()
    index = town.net.get(Claim, claim).index
    refused = town.net.refused("already-claimed", town.request(worker=town.rival))
    assert refused.facts == {"claim": claim, "worker": town.worker.did, "index": index}


def test_two_claims_in_one_batch_have_one_winner(town: Scene) -> None:
    town.post()
    town.net.autoflush = False
    first, second = town.request(worker=town.rival), town.request()
    town.net.decide(first)
    town.net.refused("already-claimed", second)
    town.net.flush()
    assert [claim.worker for claim in town.net.all(Claim)] == [town.rival.did]


def test_exactly_the_stake_that_was_signed_locks(town: Scene) -> None:
    town.post()
    claim = town.claim(stake_units=333)
    assert town.net.balance(f"claim/{claim}/stake") == 333
    assert town.net.free(town.worker) == 5_000 - 333


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"stake_units": 99}, "insufficient-stake"),
        ({"stake_units": 0}, "insufficient-stake"),
        ({"stake_units": 5_001}, "insufficient-funds"),
        ({"stake_units": 2**53 - 1}, "insufficient-funds"),
        ({"task_index": 7}, "wrong-task-index"),
        ({"relay": "rly_" + "a" * 26}, "unknown-relay"),
    ],
)
def test_a_claim_that_asks_wrongly_is_refused(town: Scene, fields: dict[str, Any], code: str) -> None:
    town.post()
    town.net.refused(code, town.request(**fields))


def test_a_stake_below_what_the_task_asks_is_refused_with_the_number(town: Scene) -> None:
    town.post(stake_units=200)
    assert town.net.refused("insufficient-stake", town.request()).facts == {"stake_units": 200}
    town.claim(stake_units=200)


def test_a_claim_on_a_task_that_is_not_there_is_unknown(town: Scene) -> None:
    town.net.refused("unknown-task", town.request("nowhere"))


def test_a_claim_by_somebody_who_is_not_registered_is_refused(town: Scene) -> None:
    town.post()
    town.net.refused("unknown-agent", town.request(worker=Who("ghost")))


def test_a_claim_needs_the_worker_and_the_threshold_of_its_relay(town: Scene) -> None:
    net = town.net
    ann, bob, cid = (Who(name) for name in ("ann", "bob", "cid"))
    relay = net.register_relay([ann, bob, cid], 2, "two-of-three")
    town.post()
    asked = {"relay": relay, "task": "t1", "task_index": net.get(Task, "t1").index, "stake_units": STAKE}
    net.refuses("threshold-not-met", p.ClaimRequest, town.worker, ann, **asked)
    net.refuses("threshold-not-met", p.ClaimRequest, town.worker, **asked)
    net.refuses("unexpected-signature", p.ClaimRequest, town.worker, ann, bob, net.coordinator, **asked)
    net.refuses("wrong-signer", p.ClaimRequest, town.worker, signers=[ann, bob], **asked)
    net.say(p.ClaimRequest, town.worker, bob, cid, **asked)


def test_a_stake_that_deters_nobody_is_refused(town: Scene) -> None:
    """With q = 0.9 and a margin of 5 %, 0.9 x (1,000 + S) must be over 1,050; of judged work a fifth of S is lost."""
    town.post(price_units=1_000)
    town.net.refused("stake-cannot-deter", town.request(stake_units=166))
    town.claim(stake_units=167)
    town.post("t2", price_units=1_000, task_kind="essay")
    town.net.refused("stake-cannot-deter", town.request("t2", stake_units=833))
    town.claim("t2", stake_units=834)


def test_no_claim_while_the_operators_bond_is_below_its_minimum(town: Scene) -> None:
    net = town.net
    for each in (5_000, 4_001):
        net.refuses(
            "insufficient-funds", p.StakeWithdraw, net.operator, amount_units=each, account="operator/bond"
        )
    net.say(p.StakeWithdraw, net.operator, amount_units=4_000, account="operator/bond")
    late = town.submitted("late", price_units=500)
    net.tick(10_000)
    assert (town.state(late), net.balance("operator/bond")) == ("voided", 350)
    town.post()
    net.refused("operator-bond-short", town.request())
    net.deposit("operator/bond", 650)
    town.claim()


# -- the lease


def test_a_lease_ends_at_its_end(town: Scene) -> None:
    claim = town.claimed()
    end_ms = town.net.get(Claim, claim).lease_until_ms
    town.net.now_ms = end_ms - 2
    in_time = town.output(claim)
    late = scene_at(town, end_ms)
    late.net.refused("lease-over", late.output(claim))
    assert late.state(claim) == "expired"
    town.net.do(in_time)
    assert town.state(claim) == "submitted"


def scene_at(town: Scene, at_ms: int) -> Scene:
    """A copy of the scene whose next statement is decided at `at_ms`."""
    other = town.fork()
    other.net.now_ms = at_ms - 1
    return other


def test_a_lease_is_renewed_as_often_as_the_policy_says(town: Scene) -> None:
    claim = town.claimed()
    until_ms = town.net.get(Claim, claim).lease_until_ms
    for times in (1, 2):
        town.net.say(p.ClaimRenew, town.worker, claim=claim)
        assert town.net.get(Claim, claim).lease_until_ms == until_ms + times * LEASE_MS
    town.net.refuses("no-renewals-left", p.ClaimRenew, town.worker, claim=claim)
    town.net.tick_to(until_ms + 2 * LEASE_MS - 1)
    assert town.state(claim) == "claimed"
    town.net.tick(1)
    assert town.state(claim) == "expired"


@pytest.mark.parametrize("kind", [p.ClaimRenew, p.ClaimAbandon])
def test_a_claim_is_held_by_its_worker_alone(town: Scene, kind: type[p.Payload]) -> None:
    claim = town.claimed()
    town.net.refuses("not-yours", kind, town.rival, claim=claim)
    town.net.refuses("unknown-claim", kind, town.worker, claim="clm_" + "a" * 26)
    town.net.refuses("wrong-signer", kind, town.worker, signers=[town.rival], claim=claim)
    town.net.do(town.output(claim))
    town.net.refuses("claim-state", kind, town.worker, claim=claim)


def test_abandoning_early_is_free_and_late_is_a_fault(town: Scene) -> None:
    claim = town.claimed("early")
    town.net.now_ms += LEASE_MS // 10 - 2
    town.net.say(p.ClaimAbandon, town.worker, claim=claim)
    assert (town.state(claim), town.net.free(town.worker)) == ("abandoned", 5_000)
    claim = town.claimed("late")
    town.net.now_ms += LEASE_MS // 10 - 1
    town.net.say(p.ClaimAbandon, town.worker, claim=claim)
    assert town.net.free(town.worker) == 5_000 - STAKE // 100
    assert town.net.balance("burn") == STAKE // 100


def test_who_gave_up_does_not_claim_the_task_again_nor_does_its_owner(town: Scene) -> None:
    owner = town.net.join("owner")
    bot, twin = (town.net.join(name, owner=owner) for name in ("bot", "twin"))
    town.post()
    claim = town.claim(worker=bot)
    town.net.say(p.ClaimAbandon, bot, claim=claim)
    assert town.task_state() == "open"
    assert town.net.get(Bar, f"t1/{owner.did}").claim == claim
    for who in (bot, twin, owner):
        assert town.net.refused("barred", town.request(worker=who)).facts == {"claim": claim}
    town.claim()


# -- liveness faults


def test_an_expired_lease_costs_one_percent_and_counts(town: Scene) -> None:
    assert expire(town, "t1") == 1
    assert town.task_state("t1") == "open"
    assert town.net.balance("task/t1/escrow") == PRICE + 39
    assert town.net.get(Liveness, town.worker.did).expired


def test_a_liveness_fault_doubles_with_each_repeat_and_the_third_is_jail(town: Scene) -> None:
    costs = []
    for number, jailed in ((1, False), (2, False), (3, True)):
        town.post(f"t{number}")
        town.claim(f"t{number}", stake_units=1_000)
        costs.append(slashed(town.net.tick(LEASE_MS)))
        assert (town.party(town.worker).jailed_until_ms > town.net.now_ms) is jailed
    assert costs == [10, 20, 40]
    town.post("t4")
    town.net.refused("jailed", town.request("t4"))
    town.net.tick(5_000)
    town.claim("t4")


def test_a_fault_is_forgotten_after_thirty_days(town: Scene) -> None:
    assert [expire(town, f"t{number}") for number in (1, 2)] == [1, 2]
    town.net.tick(30 * 86_400_000)
    assert expire(town, "t3") == 1
    assert town.party(town.worker).jailed_until_ms == 0


def test_a_slash_never_exceeds_the_stake() -> None:
    town = scene(policy_of(liveness_ppm=400_000, liveness_strikes=20))
    assert [expire(town, f"t{number}") for number in range(4)] == [60, 120, 150, 150]


def test_many_faults_do_not_grow_the_record(town: Scene) -> None:
    town = scene(policy_of(liveness_jail_ms=1))
    for number in range(24):
        expire(town, f"t{number}")
    assert len(town.party(town.worker).liveness_ms) == 21


def test_the_event_of_a_claim_says_its_rate_and_no_number_of_the_policy(town: Scene) -> None:
    town.post()
    decided = town.net.do(town.request())
    assert kinds(decided.events)[:2] == ["claim.opened", "money.moved"]
    opened = decided.events[0]
    assert opened.rate_ppm == 1_000_000  # type: ignore[attr-defined]
    assert msgspec.json.encode(opened.inputs) == b"{}", "a newcomer's are all defaults"  # type: ignore[attr-defined]
