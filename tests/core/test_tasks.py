"""Tasks: posted, cancelled, reopened, closed; escrow with them (docs/rules.md 3 and 4)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.flows import STAKE, Scene, raw, scene
from tests.core.network import DAY_MS, Who, kinds
from tests.core.terms import policy_of
from trust.core import commands, envelope
from trust.core import payloads as p
from trust.core.records import Task
from trust.core.strict import Malformed

FEES = 39
PRICE = 100


@pytest.fixture
def town() -> Scene:
    return scene()


def test_a_post_puts_price_and_fees_in_escrow(town: Scene) -> None:
    town.post()
    assert town.net.balance("task/t1/escrow") == PRICE + FEES
    assert town.net.free(town.requester) == 5_000 - PRICE - FEES
    assert town.net.get(Task, "t1").stake_units == 100


def test_a_task_id_is_unique_in_the_network_for_ever(town: Scene) -> None:
    posted = town.post()
    fields = town.terms()
    assert town.net.refuses("task-exists", p.TaskPost, town.rival, **fields).facts == {"index": posted.index}
    town.net.say(p.TaskCancel, town.requester, task="t1")
    town.net.refuses("task-exists", p.TaskPost, town.requester, **fields)


def test_a_price_without_the_money_is_refused(town: Scene) -> None:
    terms = town.terms(price_units=5_000 - FEES + 1)
    town.net.refuses("insufficient-funds", p.TaskPost, town.requester, **terms)
    town.post(price_units=5_000 - FEES)
    assert town.net.free(town.requester) == 0


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"deadline_ms": 0}, "bad-deadline"),
        ({"lease_ms": 499}, "bad-lease"),
        ({"lease_ms": 600_001}, "bad-lease"),
        ({"stake_units": 501}, "stake-too-high"),
        ({"price_units": 10, "stake_units": 101}, "stake-too-high"),
        ({"spec_uri": "https://example.org/spec"}, "uris-not-allowed"),
        ({"assignee": Who("ghost").did}, "unknown-agent"),
        ({"relay": "rly_" + "a" * 26}, "unknown-relay"),
    ],
)
def test_terms_that_set_a_trap_are_refused(town: Scene, terms: dict[str, Any], code: str) -> None:
    town.net.refuses(code, p.TaskPost, town.requester, **town.terms(**terms))


def test_a_deadline_lies_ahead_within_a_year(town: Scene) -> None:
    net = town.net
    at_ms = net.now_ms + 1
    net.refuses("bad-deadline", p.TaskPost, town.requester, **town.terms(deadline_ms=at_ms))
    at_ms = net.now_ms + 1
    far = town.terms(deadline_ms=at_ms + 366 * DAY_MS + 1)
    net.refuses("bad-deadline", p.TaskPost, town.requester, **far)
    town.post("soon", deadline_ms=net.now_ms + 2)
    town.post("late", deadline_ms=net.now_ms + 1 + 366 * DAY_MS)


@pytest.mark.parametrize(
    "fields",
    [
        {"task": "T1"},
        {"task": "t 1"},
        {"task": "../t1"},
        {"task": ""},
        {"task": "t" * 65},
        {"task_kind": "Review!"},
        {"spec_sha256": "0" * 63},
        {"spec_sha256": "A" * 64},
        {"spec_uri": "https://example.org/\u00e9"},
        {"spec_uri": 'https://example.org/"'},
        {"price_units": -1},
        {"price_units": 2**53},
        {"stake_units": -1},
        {"items": {"count": 0}},
        {"items": {"count": 2**31}},
        {"items": {"count": 5, "tolerated_bad_ppm": 1_000_001}},
        {"items": {"count": 5, "more": 1}},
        {"relay": "rly_" + "A" * 26},
        {"relay": "rly_short"},
    ],
)
def test_fields_outside_their_alphabet_or_range_are_malformed(town: Scene, fields: dict[str, object]) -> None:
    said = town.net.statement(p.TaskPost, town.requester, **town.terms())
    before = town.net.snapshot()
    with pytest.raises(Malformed):
        commands.parse(envelope.sign(raw(said, **fields), [town.requester.seed]))
    assert town.net.snapshot() == before


def test_a_task_named_like_a_claim_takes_nothing_of_the_claims(town: Scene) -> None:
    claim = town.claimed()
    town.post(claim, deadline_ms=town.net.now_ms + 2_000)
    town.net.tick(2_000)
    assert (town.task_state(claim), town.state(claim)) == ("closed", "claimed")
    town.net.tick(8_000)
    assert town.state(claim) == "expired"


# -- cancelling and closing


def test_an_open_task_is_cancelled_by_its_requester_alone(town: Scene) -> None:
    town.post()
    town.net.refuses("not-yours", p.TaskCancel, town.rival, task="t1")
    town.net.refuses("unknown-task", p.TaskCancel, town.requester, task="t2")
    town.net.say(p.TaskCancel, town.requester, task="t1")
    assert town.net.get(Task, "t1").closed_why == "cancelled"
    assert town.net.free(town.requester) == 5_000
    town.net.refuses("task-closed", p.TaskCancel, town.requester, task="t1")
    town.net.refused("task-closed", town.request())


def test_a_claimed_task_is_not_cancelled(town: Scene) -> None:
    claim = town.claimed()
    refused = town.net.refuses("task-claimed", p.TaskCancel, town.requester, task="t1")
    assert refused.facts == {"claim": claim}


def test_a_task_closes_at_its_deadline_and_the_end_belongs_to_nobody(town: Scene) -> None:
    """A claim in its last moments, less than the least lease before its end, would hold it past that."""
    town.post(deadline_ms=town.net.now_ms + 5_001)
    town.net.now_ms += 4_499
    town.net.refused("insufficient-stake", town.request(stake_units=1))
    town.net.refused("too-late", town.request())
    town.net.now_ms += 498
    town.net.refused("task-closed", town.request())
    assert town.net.get(Task, "t1").closed_why == "deadline"
    assert town.net.free(town.requester) == 5_000


def test_a_claim_outlives_the_deadline_but_a_failed_one_does_not_reopen(town: Scene) -> None:
    town.post(deadline_ms=town.net.now_ms + 5_000)
    claim = town.claim()
    town.net.tick(6_000)
    assert (town.state(claim), town.task_state()) == ("claimed", "claimed")
    town.net.tick(5_000)
    assert (town.state(claim), town.net.get(Task, "t1").closed_why) == ("expired", "expired")
    assert town.net.free(town.requester) == 5_000


# -- reopening


def test_a_rejected_task_is_open_again_and_its_escrow_full(town: Scene) -> None:
    claim = town.ended(verdict="fail")
    assert (town.state(claim), town.task_state()) == ("rejected", "open")
    assert town.net.balance("task/t1/escrow") == PRICE + FEES
    # the check's fees came back out of the stake
    assert town.net.free(town.requester) == 5_000 - PRICE - FEES
    town.claim(worker=town.rival)


def test_a_requester_who_cannot_top_up_gets_its_escrow_back(town: Scene) -> None:
    poor = town.net.join("poor", units=PRICE + FEES)
    town.post("t1", poor, stake_units=100)
    claim = town.claim(stake_units=100)
    town.net.do(town.output(claim))
    town.net.draw(claim)
    town.net.say(p.StakeWithdraw, town.requester, amount_units=1)
    town.net.tick(5_000)  # the worker withholds what was drawn: the fees come back out of its stake
    assert (town.state(claim), town.task_state()) == ("rejected", "open")
    assert town.net.free(poor) == 0


def test_a_reopened_task_closes_where_the_top_up_is_not_there(town: Scene) -> None:
    poor = town.net.join("poor", units=PRICE + FEES)
    town.post("t1", poor, task_kind="essay")
    claim = town.claim()
    town.net.do(town.output(claim))
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim, "fail")
    events = [kind for decided in town.net.tick(1_000) for kind in kinds(decided.events)]
    assert "task.closed" in events
    assert (town.state(claim), town.net.get(Task, "t1").closed_why) == ("rejected", "rejected")
    assert town.net.balance("task/t1/escrow") == 0
    assert (
        town.net.free(poor) == PRICE + 30
    )  # its price, and of its fees the fifth of the stake that a judged fail costs


def test_an_assigned_task_is_for_its_assignee(town: Scene) -> None:
    town.post(assignee=town.rival.did)
    town.net.refused("not-assignee", town.request())
    town.claim(worker=town.rival)
    assert town.net.balance(f"claim/{town.net.get(Task, 't1').claim}/stake") == STAKE


def test_a_task_for_a_relay_is_claimed_through_it(town: Scene) -> None:
    other = town.net.register_relay([town.net.coordinator], 1, "other")
    town.post(relay=other)
    town.net.refused("wrong-relay", town.request())
    town.claim(relay=other)


def test_price_and_fees_of_zero_change_nothing_else() -> None:
    town = scene(policy_of(fee_units=0))
    claim = town.ended(price_units=0)
    assert (town.state(claim), town.task_state()) == ("accepted", "closed")
    assert town.net.free(town.worker) == 5_000 - STAKE // 5
