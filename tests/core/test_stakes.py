"""Money that enters, waits and leaves: deposits, withdrawals, payouts, and amounts that are none (docs/rules.md 4)."""

from __future__ import annotations

import msgspec
import pytest

from tests.core.flows import raw, scene
from tests.core.network import DAY_MS, Net, Who, created
from trust.core import commands, envelope
from trust.core import payloads as p
from trust.core.records import Withdrawal
from trust.core.strict import Malformed

MOST = 2**53 - 1


@pytest.fixture
def net() -> Net:
    return Net().found()


@pytest.fixture
def bob(net: Net) -> Who:
    return net.join("bob", units=1_000)


def withdrawn(net: Net, who: Who, units: int, **fields: object) -> str:
    return str(created(net.say(p.StakeWithdraw, who, amount_units=units, **fields), "withdrawal"))


# -- deposits


def test_a_deposit_comes_from_outside_and_is_free(net: Net, bob: Who) -> None:
    assert net.free(bob) == 1_000
    assert net.balance("external") == -1_000


def test_a_reference_is_booked_once(net: Net, bob: Who) -> None:
    fields = {"account": bob.did, "amount_units": 5}
    net.say(p.StakeDeposit, net.operator, reference="wire-1", **fields)
    net.refuses("reference-booked", p.StakeDeposit, net.operator, reference="wire-1", **fields)


@pytest.mark.parametrize(
    ("account", "code"),
    [
        (Who("ghost").did, "unknown-agent"),
        ("burn", "unknown-account"),
        ("external", "unknown-account"),
        ("pool/verification", "unknown-account"),
        ("operator/unbonding", "unknown-account"),
        ("did:key:z6MkZZZZ", "unknown-account"),
    ],
)
def test_money_is_deposited_for_agents_and_the_operators_bond_only(net: Net, account: str, code: str) -> None:
    net.refuses(code, p.StakeDeposit, net.operator, account=account, amount_units=5, reference="r")


@pytest.mark.parametrize("amount", [0, -1, 2**53, 2**63, 2**64, 1.5, "5", None, True, [5]])
def test_an_amount_that_is_none_is_malformed(net: Net, bob: Who, amount: object) -> None:
    said = net.statement(p.StakeDeposit, net.operator, account=bob.did, amount_units=5, reference="r")
    before = net.snapshot()
    data = envelope.sign(raw(said, amount_units=amount), [net.operator.seed])
    with pytest.raises(Malformed) as caught:
        commands.parse(data)
    assert caught.value.code == "malformed"
    assert net.snapshot() == before


def test_more_money_than_an_account_can_hold_is_refused(net: Net, bob: Who) -> None:
    fields = {"account": bob.did, "amount_units": MOST}
    net.refuses("out-of-range", p.StakeDeposit, net.operator, reference="a", **fields)
    net.deposit(bob.did, MOST - 1_000)
    assert net.free(bob) == MOST
    ann = net.join("ann", units=0)
    fields = {"account": ann.did, "amount_units": 1}
    net.refuses("out-of-range", p.StakeDeposit, net.operator, reference="b", **fields)


# -- withdrawals


def test_a_withdrawal_unbonds_then_is_payable_then_paid(net: Net, bob: Who) -> None:
    id = withdrawn(net, bob, 400)
    assert (net.free(bob), net.balance(f"agent/{bob.did}/unbonding")) == (600, 400)
    due_ms = net.get(Withdrawal, id).matures_ms
    assert due_ms == net.now_ms + net.policy.windows.unbonding_ms
    net.refuses("not-payable", p.StakePayout, net.operator, bob, withdrawal=id, reference="out")
    net.tick_to(due_ms - 1)
    assert net.get(Withdrawal, id).state == "unbonding"
    net.tick(1)
    assert net.get(Withdrawal, id).state == "payable"
    net.say(p.StakePayout, net.operator, bob, withdrawal=id, reference="out")
    assert (net.get(Withdrawal, id).state, net.balance("external")) == ("paid", -600)
    net.refuses("not-payable", p.StakePayout, net.operator, bob, withdrawal=id, reference="again")


def test_only_what_is_free_can_be_withdrawn(net: Net, bob: Who) -> None:
    net.refuses("insufficient-funds", p.StakeWithdraw, bob, amount_units=1_001)
    town = scene()
    town.claimed()
    town.net.refuses("insufficient-funds", p.StakeWithdraw, town.worker, amount_units=4_851)
    town.net.say(p.StakeWithdraw, town.worker, amount_units=4_850)


def test_a_withdrawal_nobody_paid_goes_back_when_its_owner_asks(net: Net, bob: Who) -> None:
    id = withdrawn(net, bob, 400)
    net.refuses("not-payable", p.StakeWithdraw, bob, cancel=id)
    net.tick(net.policy.windows.unbonding_ms)
    net.refuses("too-early", p.StakeWithdraw, bob, cancel=id)
    net.tick(net.policy.windows.payout_ms)
    eve = net.join("eve")
    net.refuses("not-yours", p.StakeWithdraw, eve, cancel=id)
    net.say(p.StakeWithdraw, bob, cancel=id)
    assert (net.free(bob), net.get(Withdrawal, id).state) == (1_000, "returned")
    net.refuses("not-payable", p.StakePayout, net.operator, bob, withdrawal=id, reference="late")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"amount_units": 5, "cancel": "wdr_" + "a" * 26},
        {"account": "operator/bond", "cancel": "wdr_" + "a" * 26},
    ],
)
def test_a_withdrawal_either_starts_or_takes_back(net: Net, bob: Who, fields: dict[str, object]) -> None:
    net.refuses("bad-withdrawal", p.StakeWithdraw, bob, **fields)


def test_a_withdrawal_that_is_not_there_is_unknown(net: Net, bob: Who) -> None:
    net.refuses("unknown-withdrawal", p.StakeWithdraw, bob, cancel="wdr_" + "a" * 26)
    net.refuses(
        "unknown-withdrawal", p.StakePayout, net.operator, withdrawal="wdr_" + "a" * 26, reference="r"
    )


def test_nobody_withdraws_from_anothers_account(net: Net, bob: Who) -> None:
    eve = net.join("eve")
    net.refuses("not-yours", p.StakeWithdraw, eve, amount_units=1, account=bob.did)
    net.refuses("not-operator", p.StakeWithdraw, eve, amount_units=1, account="operator/bond")
    net.refuses("not-yours", p.StakeWithdraw, net.operator, amount_units=1, account="burn")


def test_the_operator_withdraws_from_its_bond_what_is_above_the_minimum(net: Net) -> None:
    net.deposit("operator/bond", 1_500)
    net.refuses(
        "insufficient-funds", p.StakeWithdraw, net.operator, amount_units=501, account="operator/bond"
    )
    id = withdrawn(net, net.operator, 500, account="operator/bond")
    assert (net.balance("operator/bond"), net.balance("operator/unbonding")) == (1_000, 500)
    net.tick(net.policy.windows.unbonding_ms + net.policy.windows.payout_ms)
    net.say(p.StakeWithdraw, net.operator, cancel=id)
    assert net.balance("operator/bond") == 1_500


def test_a_payout_is_agreed_to_by_whose_money_it_is(net: Net, bob: Who) -> None:
    plain, named = withdrawn(net, bob, 100), withdrawn(net, bob, 100, reference="wire-7")
    net.tick(net.policy.windows.unbonding_ms)
    net.refuses("wrong-signer", p.StakePayout, net.operator, withdrawal=plain, reference="out")
    net.refuses("other-reference", p.StakePayout, net.operator, withdrawal=named, reference="out")
    net.say(p.StakePayout, net.operator, withdrawal=named, reference="wire-7")
    net.say(p.StakePayout, net.operator, bob, withdrawal=plain, reference="out")
    assert {net.get(Withdrawal, id).state for id in (plain, named)} == {"paid"}


# -- names with anything but their alphabet


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reference", ""),
        ("reference", "Wire"),
        ("reference", "a b"),
        ("reference", "a\n"),
        ("reference", "é"),
        ("reference", "-a"),
        ("reference", "a" * 65),
        ("account", ""),
        ("account", "agent bob"),
        ("account", 'a"b'),
        ("account", "a" * 129),
        ("actor", "did:key:bob"),
        ("actor", "did:web:example.org" + "x" * 40),
        ("actor", "did:key:z6Mk0OIl" + "x" * 40),
        ("network", "n" * 121),
        ("issued_ms", -1),
        ("expires_ms", 2**53),
    ],
)
def test_names_outside_their_alphabet_are_malformed(net: Net, bob: Who, field: str, value: object) -> None:
    said = net.statement(p.StakeDeposit, net.operator, account=bob.did, amount_units=5, reference="r")
    data = envelope.sign(raw(said, **{field: value}), [net.operator.seed])
    with pytest.raises(Malformed):
        commands.parse(data)


@pytest.mark.parametrize("kind", ["stake.steal", "", None, 5])
def test_a_kind_that_is_not_in_the_closed_list_is_malformed(net: Net, bob: Who, kind: object) -> None:
    said = net.statement(p.StakeDeposit, net.operator, account=bob.did, amount_units=5, reference="r")
    with pytest.raises(Malformed):
        commands.parse(envelope.sign(raw(said, kind=kind), [net.operator.seed]))


def test_an_unknown_field_is_malformed(net: Net, bob: Who) -> None:
    said = net.statement(p.StakeDeposit, net.operator, account=bob.did, amount_units=5, reference="r")
    with pytest.raises(Malformed):
        commands.parse(envelope.sign(raw(said, memo="hi"), [net.operator.seed]))


def test_a_key_that_is_no_point_of_the_curve_is_an_invalid_key(net: Net) -> None:
    off_curve = "did:key:z6Mk" + "u" * 44
    net.refuses("unknown-agent", p.RoleGrant, net.operator, party=off_curve, role="treasurer")
    fields = {"name": "r", "coordinators": (off_curve,), "threshold": 1}
    net.refuses("invalid-key", p.RelayRegister, net.operator, **fields)
    net.refuses("invalid-key", p.KeyAdopt, net.operator, use="draw", key=off_curve)


def test_a_payload_that_is_too_long_is_refused_before_it_is_read(net: Net, bob: Who) -> None:
    said = net.statement(p.StakeDeposit, net.operator, account=bob.did, amount_units=5, reference="r")
    padded = b" " * p.MAX_PAYLOAD_BYTES + said.signed.payload
    with pytest.raises(Malformed) as caught:
        commands.parse(envelope.sign(padded, [net.operator.seed]))
    assert caught.value.code == "too-large"
    assert msgspec.json.decode(padded)["amount_units"] == 5


def test_unbonding_goes_on_while_its_owner_works(net: Net, bob: Who) -> None:
    first, second = withdrawn(net, bob, 100), withdrawn(net, bob, 100)
    net.tick(DAY_MS)
    assert {net.get(Withdrawal, id).state for id in (first, second)} == {"payable"}
