"""Attacks by draws that are not made, and by the bond that answers for them."""

from __future__ import annotations

import pytest

from tests.core.flows import PRICE, STAKE, Scene, scene
from tests.core.network import Who, created
from tests.core.proofs import whole
from tests.core.terms import policy_text
from trust.core import payloads as p
from trust.core.records import Withdrawal

BOND = 5_000


def wealth(town: Scene, *ring: Who) -> int:
    """What a ring has, its stakes and bonds aside: those are over when this is asked."""
    return sum(town.net.free(who) + town.net.balance(f"agent/{who.did}/unbonding") for who in ring)


def bond(town: Scene) -> int:
    return town.net.balance("operator/bond") + town.net.balance("operator/unbonding")


def test_the_operator_withholds_a_friends_bad_draw() -> None:
    """Under rules 1 the ring had 0 instead of losing its stake of 150. Now its operator loses price and stake."""
    town = scene()
    before = wealth(town, town.worker) + bond(town)
    town.submitted()
    town.net.tick(10_000)
    assert wealth(town, town.worker) + bond(town) - before == -PRICE - STAKE
    whole(town)


def test_the_operator_kills_an_appeal_by_a_withheld_draw() -> None:
    """Under rules 1 the worker had its price for garbage, and the operator lost the price: the ring came out even, the
    victim lost price and fees. Now the ring loses the stake beside."""
    town = scene(verifiers=30)
    before = wealth(town, town.worker) + bond(town)
    claim = town.judged()
    town.challenge(claim, town.rival)
    town.window_over(claim)
    town.net.tick(10_000)
    assert town.state(claim) == "accepted"
    assert town.net.free(town.rival) == 5_000
    assert wealth(town, town.worker) + bond(town) - before == PRICE - PRICE - STAKE
    whole(town)


def test_the_operator_kills_a_workers_appeal_by_a_withheld_draw() -> None:
    """Under rules 1 a worker that was failed wrongly lost its whole stake with a strike. Now a fail whose appeal
    was not drawn costs the judged share and no strike, and the operator burns price and stake."""
    town = scene(verifiers=30)
    claim = town.judged(verdict="fail")
    town.challenge(claim, town.worker)
    town.window_over(claim)
    assert town.state(claim) == "rejected"
    assert town.net.free(town.worker) == 5_000 - STAKE // 5
    assert town.party(town.worker).failures_ms == ()
    assert bond(town) == BOND - PRICE - STAKE
    whole(town)


def test_a_draw_outage_and_self_dealt_tasks() -> None:
    """Under rules 1 the whole bond of 5,000 went to the ring. Now nothing goes to anybody."""
    town = scene()
    ring = town.requester, town.worker
    before = wealth(town, *ring)
    for number in range(8):
        town.submitted(f"t{number}", price_units=70)
    town.net.tick(10_000)
    assert wealth(town, *ring) == before
    assert bond(town) == BOND - 8 * (70 + STAKE)
    whole(town)


def test_a_claim_that_is_worth_more_than_the_bond() -> None:
    """A single withheld draw never pays, so nobody may claim what the bond does not cover."""
    town = scene()
    town.net.deposit(town.requester.did, 5_000)
    town.net.deposit(town.worker.did, 5_000)
    town.post("dear", price_units=1_700)
    refused = town.net.refused("operator-bond-short", town.request("dear", stake_units=3_301))
    assert "would pay" in refused.detail
    town.net.do(town.request("dear", stake_units=3_300))


def test_a_new_policy_with_a_bond_minimum_of_nothing() -> None:
    """Under rules 1 the operator adopted it, withdrew its bond, and a claim under the old policy that was overdue
    cost it nothing. Now the highest minimum that an open task pins must stay, and what is being withdrawn burns too."""
    town = scene()
    net = town.net
    town.submitted()
    toml = policy_text(operator_bond_min_units=0)
    net.say(p.PolicyAdopt, net.operator, toml=toml, effective_ms=net.now_ms + 5_001)
    net.tick(5_001)
    fields = {"account": "operator/bond"}
    net.refuses("insufficient-funds", p.StakeWithdraw, net.operator, amount_units=4_001, **fields)
    withdrawal = created(net.say(p.StakeWithdraw, net.operator, amount_units=4_000, **fields), "withdrawal")
    net.tick(10_000)
    assert bond(town) == BOND - PRICE - STAKE
    net.say(p.StakeWithdraw, net.operator, amount_units=750, **fields)
    net.tick(130_000)
    net.say(p.StakePayout, net.operator, withdrawal=withdrawal, reference="out")
    assert net.balance("operator/bond") == 0
    whole(town)


def test_the_operator_withdraws_its_bond_while_dear_claims_are_open() -> None:
    """What is being withdrawn answers for its faults until it is paid: two withdrawals share the loss."""
    town = scene()
    net = town.net
    for number in range(6):
        town.submitted(f"t{number}", price_units=70)
    made = [
        created(
            net.say(p.StakeWithdraw, net.operator, amount_units=units, account="operator/bond"), "withdrawal"
        )
        for units in (3_000, 1_000)
    ]
    net.tick(10_000)
    assert bond(town) == BOND - 6 * 220
    net.tick(120_000)
    before = net.balance("external")
    for number, withdrawal in enumerate(made):
        net.say(p.StakePayout, net.operator, withdrawal=withdrawal, reference=f"out-{number}")
    assert net.balance("external") - before == BOND - 6 * 220
    assert net.get(Withdrawal, made[0]).state == "paid"
    whole(town)


@pytest.mark.parametrize("named", ["wire-9", None])
def test_a_payout_that_is_booked_and_never_paid(named: str | None) -> None:
    """Under rules 1 the treasurer booked it alone, the agent went from 5,000 to 0 and had nothing to show. Now the log
    holds its signature, or the payment that it had named and that was never made."""
    town = scene()
    net = town.net
    fields = {"amount_units": 5_000, "reference": named}
    withdrawal = created(net.say(p.StakeWithdraw, town.worker, **fields), "withdrawal")
    net.tick(net.policy.windows.unbonding_ms)
    alone = net.statement(p.StakePayout, net.operator, withdrawal=withdrawal, reference="invented")
    net.refused("other-reference" if named else "wrong-signer", alone)
    net.tick(net.policy.windows.payout_ms)
    net.say(p.StakeWithdraw, town.worker, cancel=withdrawal)
    assert net.free(town.worker) == 5_000
