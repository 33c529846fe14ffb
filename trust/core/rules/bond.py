"""The operator's bond: how much of it must be there, what it answers for, and how it burns (docs/rules.md 4.1).

What is being withdrawn from it answers for the operator's faults until it is paid out: it unbonds for longer than any
dispute lasts, so that no claim is left without what was there when it was opened.
"""

from __future__ import annotations

from trust.core import ledger
from trust.core.events import BondSlashed
from trust.core.events.tasks import PINS
from trust.core.records import Pins, Task
from trust.core.refusal import Refused
from trust.core.rules.decision import Decision


def minimum_units(d: Decision) -> int:
    """Returns the least bond in units: the highest that the policy in force asks for, or one that an open task pins."""
    pins = d.get(Pins, PINS)
    numbers = {d.network.policy, *(number for number, _ in (pins.open if pins else ()))}
    return max(d.policy_number(number).money.operator_bond_min_units for number in numbers)


def check_covers(d: Decision, task: Task, stake_units: int) -> None:
    """Refused `operator-bond-short` where the bond is under its minimum, or under what a withheld draw of a claim with
    this stake could be worth."""
    held, least = d.balance(ledger.OPERATOR_BOND), minimum_units(d)
    if held < least:
        raise Refused(
            "operator-bond-short",
            f"the operator's bond is {held} units, at least {least} are needed for claims",
        )
    worth = task.price_units + stake_units
    if held < worth:
        raise Refused(
            "operator-bond-short",
            f"price and stake are {worth} units, the operator's bond is {held}: a withheld draw would pay",
        )


def fault(d: Decision, faults: int = 1) -> None:
    """The operator's faults: for each the least bond burns, as far as it goes; claims wait until it is filled again."""
    burn(d, "operator.slash", faults * minimum_units(d))


def burn(d: Decision, why: str, units: int) -> None:
    """Burns units of the bond, then of what is being withdrawn from it, as far as they go."""
    bonded = min(units, d.balance(ledger.OPERATOR_BOND))
    waiting = min(units - bonded, d.balance(ledger.OPERATOR_UNBONDING))
    if waiting:
        d.emit(BondSlashed(units=waiting))
    d.pay(
        why,
        (ledger.OPERATOR_BOND, ledger.BURN, bonded),
        (ledger.OPERATOR_UNBONDING, ledger.BURN, waiting),
    )
