"""What the operator decides, and what every statement must satisfy (docs/rules.md 2 and 8, docs/protocol.md 2)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.core.flows import Scene, posted, scene
from tests.core.network import DAY_MS, DIGEST, ORIGIN, START_MS, Net, Who, created, kinds
from tests.core.terms import policy_text
from trust.core import payloads as p
from trust.core.entry import Genesis
from trust.core.events import NETWORK, service_key
from trust.core.records import AdoptedPolicy, Claim, Key, Network, Relay, Role, Task

HOUR_MS = 3_600_000


@pytest.fixture
def net() -> Net:
    return Net().found()


@pytest.fixture
def town() -> Scene:
    return scene()


# -- genesis


def test_a_log_has_one_genesis() -> None:
    net = Net().found()
    net.refused("network-exists", genesis_of(net))


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("format", 2, "unknown-rules"),
        ("rules", 99, "unknown-rules"),
        ("operator", "did:key:z6MkZZ", "invalid-key"),
        ("network", "", "bad-genesis"),
        ("network", "https://trust.example.org", "bad-genesis"),
        ("network", "exämple", "bad-genesis"),
        ("t0_ms", START_MS + DAY_MS, "bad-genesis"),
        ("slow_half_life_ms", 0, "bad-genesis"),
        ("fast_half_life_ms", -1, "bad-genesis"),
    ],
)
def test_a_genesis_that_no_log_could_live_with_is_refused(field: str, value: object, code: str) -> None:
    net = Net()
    net.refused(code, msgspec.structs.replace(genesis_of(Net()), **{field: value}))


def genesis_of(net: Net) -> Genesis:
    return Genesis(
        format=1,
        network=ORIGIN,
        rules=2,
        log_key=net.log.did,
        draw_key=net.draw_key.did,
        operator=net.operator.did,
        policy=net.policy,
        slow_half_life_ms=60 * DAY_MS,
        fast_half_life_ms=14 * DAY_MS,
        t0_ms=START_MS,
    )


def test_before_genesis_nothing_is_said() -> None:
    net = Net()
    net.refuses("no-network", p.RoleGrant, net.operator, party=net.operator.did, role="treasurer")


# -- every statement


def test_a_statement_for_another_network_is_refused(town: Scene) -> None:
    fields = town.terms() | {"network": "trust.example.org/other"}
    town.net.refuses("foreign-network", p.TaskPost, town.requester, **fields)


def test_a_statement_counts_from_five_seconds_before_its_issue_until_its_expiry(net: Net) -> None:
    fields: dict[str, Any] = {"party": net.operator.did, "role": "treasurer"}
    late = net.statement(p.RoleGrant, net.operator, issued_ms=net.now_ms + 5_002, **fields)
    net.refused("issued-in-future", late)
    net.do(late)
    at_ms = net.now_ms + 1
    for code, issued_ms, expires_ms in (
        ("expired", at_ms - 10, at_ms),
        ("expired", at_ms - HOUR_MS, at_ms - 1),
        ("issued-in-future", at_ms + 5_001, at_ms + 6_000),
        ("lifetime-too-long", at_ms, at_ms + HOUR_MS + 1),
    ):
        said = net.statement(p.RoleRevoke, net.operator, issued_ms=issued_ms, expires_ms=expires_ms, **fields)
        net.now_ms = at_ms - 1
        net.refused(code, said)
    last = net.statement(
        p.RoleRevoke, net.operator, issued_ms=net.now_ms - HOUR_MS + 2, expires_ms=net.now_ms + 2, **fields
    )
    net.do(last)


def test_what_was_said_once_counts_once_whatever_its_signatures(town: Scene) -> None:
    said = town.net.statement(p.TaskPost, town.requester, **town.terms())
    index = town.net.do(said).index
    assert town.net.refused("repeated", said).facts == {"index": index}


def test_the_same_statement_under_another_key_is_refused(town: Scene) -> None:
    fields = town.terms()
    said = town.net.statement(p.TaskPost, town.requester, **fields)
    stolen = town.net.statement(
        p.TaskPost, town.requester, signers=[town.rival], issued_ms=said.payload.issued_ms, **fields
    )
    assert stolen.id == said.id
    town.net.refused("wrong-signer", stolen)
    town.net.do(said)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (p.RelayConfirm, {"task": "t1", "claim": "clm_" + "a" * 26, "worker": Who("w").did, "index": 1}),
    ],
)
def test_statements_whose_rules_come_later_are_parsed_and_refused(
    net: Net, kind: type[p.Payload], fields: dict[str, object]
) -> None:
    net.refuses("not-yet", kind, net.operator, **fields)


# -- relays


def test_a_relay_is_registered_by_operator_and_each_coordinator(net: Net) -> None:
    ann, bob = Who("ann"), Who("bob")
    fields = {"name": "relay", "coordinators": (ann.did, bob.did), "threshold": 2}
    net.refuses("wrong-signer", p.RelayRegister, net.operator, ann, **fields)
    net.refuses("not-operator", p.RelayRegister, ann, bob, **fields)
    relay = created(net.say(p.RelayRegister, net.operator, ann, bob, **fields), "relay")
    assert net.get(Relay, relay).threshold == 2


@pytest.mark.parametrize(("names", "threshold"), [(("ann", "ann"), 1), (("ann",), 2)])
def test_a_group_that_cannot_be_is_refused(net: Net, names: tuple[str, ...], threshold: int) -> None:
    who = [Who(name) for name in names]
    fields = {"name": "relay", "coordinators": tuple(each.did for each in who), "threshold": threshold}
    net.refuses("bad-group", p.RelayRegister, net.operator, who[0], **fields)


def test_a_relay_is_changed_by_the_threshold_of_the_old_and_each_new_one(net: Net) -> None:
    ann, bob, cid, dan = (Who(name) for name in ("ann", "bob", "cid", "dan"))
    relay = net.register_relay([ann, bob, cid], 2)
    fields = {"relay": relay, "name": "relay", "coordinators": (ann.did, dan.did), "threshold": 1}
    net.refuses("threshold-not-met", p.RelayUpdate, ann, dan, **fields)
    net.refuses("wrong-signer", p.RelayUpdate, ann, bob, **fields)
    net.refuses("not-coordinator", p.RelayUpdate, dan, ann, bob, **fields)
    net.refuses("unexpected-signature", p.RelayUpdate, ann, bob, dan, net.operator, **fields)
    net.say(p.RelayUpdate, ann, bob, dan, **fields)
    assert net.get(Relay, relay).coordinators == (ann.did, dan.did)
    unknown = {**fields, "relay": "rly_" + "a" * 26}
    net.refuses("unknown-relay", p.RelayUpdate, ann, bob, dan, **unknown)


# -- roles


def test_only_treasurers_book_money_and_only_the_operator_makes_them(net: Net) -> None:
    ann = net.join("ann")
    booking = {"account": ann.did, "amount_units": 5, "reference": "a"}
    net.refuses("not-treasurer", p.StakeDeposit, ann, **booking)
    net.refuses("not-operator", p.RoleGrant, ann, party=ann.did, role="treasurer")
    net.refuses("unknown-role", p.RoleRevoke, net.operator, party=ann.did, role="treasurer")
    net.say(p.RoleGrant, net.operator, party=ann.did, role="treasurer")
    net.refuses("role-held", p.RoleGrant, net.operator, party=ann.did, role="treasurer")
    net.say(p.StakeDeposit, ann, **booking)
    net.say(p.RoleRevoke, net.operator, party=ann.did, role="treasurer")
    assert net.draft.get(Role, f"treasurer/{ann.did}") is None
    net.refuses("not-treasurer", p.StakeDeposit, ann, **{**booking, "reference": "b"})


def test_a_role_goes_to_who_is_registered(net: Net) -> None:
    net.refuses("unknown-agent", p.RoleGrant, net.operator, party=Who("ghost").did, role="treasurer")


# -- policies, rules, keys


def adopt(net: Net, notice_ms: int, **values: object) -> None:
    toml = policy_text(**values)
    net.say(p.PolicyAdopt, net.operator, toml=toml, effective_ms=net.now_ms + 1 + notice_ms)


def test_a_policy_takes_effect_when_its_notice_is_over_and_tasks_keep_theirs(town: Scene) -> None:
    net = town.net
    town.post("before")
    adopt(net, 5_000, fee_units=11, name='"dearer"')
    town.post("meanwhile")
    net.tick(4_998)
    assert net.get(Network, "network").policy == 0
    net.tick(1)
    assert net.get(Network, "network").policy == 1
    town.post("after")
    assert [net.get(Task, task).policy for task in ("before", "meanwhile", "after")] == [0, 0, 1]
    assert net.get(Task, "after").fees_units == 43
    claim = town.claim("before")
    net.do(town.output(claim))
    paid = posted([net.draw(claim)], "check.fees")
    assert paid["pool/verification"] == 39


def test_a_policy_needs_its_notice_and_the_operator(net: Net) -> None:
    ann = net.join("ann")
    toml = policy_text()
    net.refuses("not-operator", p.PolicyAdopt, ann, toml=toml, effective_ms=net.now_ms + DAY_MS)
    net.refuses("notice-too-short", p.PolicyAdopt, net.operator, toml=toml, effective_ms=net.now_ms + 5_000)
    far_ms = net.now_ms + 367 * DAY_MS
    net.refuses("notice-too-long", p.PolicyAdopt, net.operator, toml=toml, effective_ms=far_ms)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"fee_units": -1}, "invalid-policy"),
        ({"fee_units": 2**53}, "invalid-policy"),
        ({"fee_units": 1.5}, "invalid-policy"),
        ({"name": '"No Name"'}, "invalid-policy"),
        ({"catch_ppm": 1_000_001}, "invalid-policy"),
        ({"challenge_burn_ppm": 299_999}, "dangerous-policy"),
        ({"unbonding_ms": 10_000}, "dangerous-policy"),
        ({"panels": [7, 3]}, "dangerous-policy"),
        ({"notice_ms": 1_000}, "dangerous-policy"),
        ({"sample_items": 120}, "dangerous-policy"),
    ],
)
def test_a_policy_that_is_malformed_or_dangerous_is_refused(
    net: Net, values: dict[str, object], code: str
) -> None:
    toml = policy_text(**values)
    net.refuses(code, p.PolicyAdopt, net.operator, toml=toml, effective_ms=net.now_ms + DAY_MS)


def test_a_policy_of_nonsense_is_refused(net: Net) -> None:
    for toml in ("", "name = ", policy_text() + "\nextra = 1\n", "[[", '"é" = "\\""'):
        net.refuses(
            "invalid-policy", p.PolicyAdopt, net.operator, toml=toml, effective_ms=net.now_ms + DAY_MS
        )


def test_two_policies_of_one_moment_take_effect_in_the_order_of_their_numbers(net: Net) -> None:
    effective_ms = net.now_ms + 10_000
    for number in range(11):
        toml = policy_text(fee_units=number)
        net.say(p.PolicyAdopt, net.operator, toml=toml, effective_ms=effective_ms)
    net.tick_to(effective_ms)
    number = net.get(Network, "network").policy
    assert (number, net.get(AdoptedPolicy, str(number)).terms.verifiers.fee_units) == (11, 10)


def test_rules_that_this_release_does_not_know_or_that_are_in_force_are_not_adopted(net: Net) -> None:
    fields = {"release": "v1", "source_sha256": DIGEST, "effective_ms": net.now_ms + DAY_MS}
    net.refuses("unknown-rules", p.RulesAdopt, net.operator, rules=3, **fields)
    net.refuses("rules-known", p.RulesAdopt, net.operator, rules=2, **fields)


def test_another_draw_key_counts_for_claims_made_after_it(town: Scene) -> None:
    net, new = town.net, Who("draw 2")
    net.draw_keys[new.did] = new
    before = town.submitted("before")
    net.say(p.KeyAdopt, net.operator, use="draw", key=new.did)
    after = town.submitted("after")
    assert [net.get(Claim, claim).draw_key for claim in (before, after)] == [net.draw_key.did, new.did]
    stale = net.draw_of(before)
    assert "round.opened" in kinds(net.do(stale).events)
    assert "round.opened" in kinds(net.draw(after).events)


def test_a_service_key_is_not_adopted_twice_nor_by_others(net: Net) -> None:
    ann = net.join("ann")
    net.refuses("not-operator", p.KeyAdopt, ann, use="draw", key=Who("new").did)
    net.refuses("key-used", p.KeyAdopt, net.operator, use="draw", key=net.draw_key.did)
    net.refuses("key-used", p.KeyAdopt, net.operator, use="draw", key=net.log.did)
    net.say(p.KeyAdopt, net.operator, use="draw", key=Who("new").did)
    net.refuses("key-used", p.KeyAdopt, net.operator, use="draw", key=net.draw_key.did)


def test_a_log_key_is_adopted_by_the_operator_with_the_key_before_and_the_key_itself(net: Net) -> None:
    new, former = Who("new"), net.log
    said = {"use": "log", "key": new.did}
    net.refuses("not-operator", p.KeyAdopt, net.join("ann"), former, new, **said)
    net.refuses("wrong-signer", p.KeyAdopt, net.operator, **said)
    net.refuses("wrong-signer", p.KeyAdopt, net.operator, former, **said)
    net.refuses("wrong-signer", p.KeyAdopt, net.operator, new, **said)
    net.refuses("unexpected-signature", p.KeyAdopt, net.operator, former, new, Who("other"), **said)
    index = net.say(p.KeyAdopt, net.operator, former, new, **said).index
    assert net.get(Network, NETWORK).log_key == new.did
    keys = [net.get(Key, service_key("log", key.did)) for key in (former, new)]
    assert [(key.since_index, key.until_index) for key in keys] == [(0, index), (index, -1)]
    net.refuses("key-used", p.KeyAdopt, net.operator, new, former, use="log", key=former.did)
