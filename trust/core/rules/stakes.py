"""Money that enters, waits and leaves: deposits, withdrawals, unbonding, payouts (docs/rules.md 4)."""

from __future__ import annotations

from trust.core import identity, ledger
from trust.core.events import ReferenceBooked, WithdrawalEnded, WithdrawalMatured
from trust.core.lifecycle import WithdrawalState
from trust.core.payloads import StakeDeposit, StakePayout, StakeWithdraw
from trust.core.records import Account, Booking, Party, Withdrawal
from trust.core.refusal import Refused
from trust.core.rules import bond, names, reads
from trust.core.rules.acts import act, due
from trust.core.rules.decision import Decision
from trust.core.rules.governance import check_treasurer
from trust.core.rules.reads import Keys, Peek


def _book(d: Decision, reference: str) -> None:
    """Books a reference, once."""
    if (booked := d.get(Booking, reference)) is not None:
        raise Refused(
            "reference-booked", f"{reference} was booked at entry {booked.index}", index=booked.index
        )
    d.emit(ReferenceBooked(reference=reference))


def _depositing(_: Peek, statement: StakeDeposit) -> Keys:
    yield Booking, statement.reference
    yield from reads.party(statement.account)


@act(StakeDeposit, reads=_depositing)
def deposit(d: Decision, statement: StakeDeposit) -> None:
    _book(d, statement.reference)
    if statement.account == ledger.OPERATOR_BOND:
        target = ledger.OPERATOR_BOND
    else:
        _check_agent(statement.account)
        target = ledger.free(d.active(statement.account).id)
    d.pay("deposit", (ledger.EXTERNAL, target, statement.amount_units))
    if (party := d.get(Party, statement.account)) is not None:
        names.lock_if_covered(d, party)


def _check_agent(account: str) -> None:
    try:
        identity.key_of(account)
    except identity.InvalidKey as error:
        raise Refused(
            "unknown-account", f"{account} is neither an agent nor {ledger.OPERATOR_BOND}"
        ) from error


def _withdrawal(view: Peek, id: str | None) -> Keys:
    if id is None:
        return
    yield Withdrawal, id
    if (withdrawal := view.peek(Withdrawal, id)) is not None:
        yield Party, withdrawal.party
        yield Account, ledger.unbonding(withdrawal.party)


def _withdrawing(view: Peek, statement: StakeWithdraw) -> Keys:
    yield Account, ledger.unbonding(statement.actor)
    yield from _withdrawal(view, statement.cancel)


@act(StakeWithdraw, reads=_withdrawing)
def withdraw(d: Decision, statement: StakeWithdraw) -> None:
    if statement.cancel is not None and statement.amount_units is None and statement.account is None:
        _take_back(d, statement.actor, statement.cancel)
    elif statement.amount_units is None or statement.cancel is not None:
        raise Refused(
            "bad-withdrawal", "a withdrawal names either an amount or the withdrawal that it takes back"
        )
    elif statement.account in (None, statement.actor):
        source, target = ledger.free(statement.actor), ledger.unbonding(statement.actor)
        d.unbond(statement.actor, source, target, statement.amount_units, reference=statement.reference or "")
    elif statement.account == ledger.OPERATOR_BOND:
        _withdraw_bond(d, statement.actor, statement.amount_units, statement.reference or "")
    else:
        raise Refused(
            "not-yours", f"{statement.account} is not an account that {statement.actor} withdraws from"
        )


def _withdraw_bond(d: Decision, actor: str, amount: int, reference: str) -> None:
    if actor != d.network.operator:
        raise Refused("not-operator", "only the operator withdraws from its bond")
    minimum = bond.minimum_units(d)
    if d.balance(ledger.OPERATOR_BOND) - amount < minimum:
        raise Refused("insufficient-funds", f"{minimum} units of the operator's bond must stay")
    d.unbond(actor, ledger.OPERATOR_BOND, ledger.OPERATOR_UNBONDING, amount, reference=reference)


def _waiting_on(withdrawal: Withdrawal) -> str:
    if withdrawal.source == ledger.OPERATOR_BOND:
        return ledger.OPERATOR_UNBONDING
    return ledger.unbonding(withdrawal.party)


def _left_of(d: Decision, withdrawal: Withdrawal) -> int:
    """Returns the units that a withdrawal still pays: open withdrawals share what a slash left, the last gets all of
    it."""
    lost = d.need(Party, withdrawal.party).unbonding_lost_units
    if withdrawal.source == ledger.OPERATOR_BOND:
        lost = d.network.bond_lost_units
    if not lost:
        return withdrawal.amount_units
    held = d.balance(_waiting_on(withdrawal))
    return withdrawal.amount_units * held // (held + lost)


def _take_back(d: Decision, actor: str, id: str) -> None:
    withdrawal = d.find(Withdrawal, id)
    if withdrawal.party != actor:
        raise Refused("not-yours", f"{id} is not a withdrawal of {actor}")
    if withdrawal.state != WithdrawalState.PAYABLE:
        raise Refused("not-payable", f"{id} is {withdrawal.state}")
    payout_by_ms = withdrawal.matures_ms + d.policy.windows.payout_ms
    if d.at_ms < payout_by_ms:
        raise Refused(
            "too-early", f"{id} can be taken back from {payout_by_ms} on if it is not paid out by then"
        )
    units = _left_of(d, withdrawal)
    d.emit(
        WithdrawalEnded(
            withdrawal=id, how=WithdrawalState.RETURNED, lost_units=withdrawal.amount_units - units
        )
    )
    d.pay("withdrawal.returned", (_waiting_on(withdrawal), withdrawal.source, units))


@due("unbonding")
def mature(d: Decision, id: str) -> None:
    """Marks a withdrawal whose unbonding is over: the treasurer may pay it out."""
    d.emit(WithdrawalMatured(withdrawal=id))


def _paying_out(view: Peek, statement: StakePayout) -> Keys:
    yield Booking, statement.reference
    yield from _withdrawal(view, statement.withdrawal)


@act(StakePayout, reads=_paying_out)
def pay_out(d: Decision, statement: StakePayout) -> None:
    """Books that a withdrawal was paid: its owner signs too, or named this very payment when it withdrew.

    So the log holds for everybody that the owner agreed, or the payment that can be looked for.
    """
    withdrawal = d.find(Withdrawal, statement.withdrawal)
    if withdrawal.reference not in ("", statement.reference):
        raise Refused("other-reference", f"{statement.withdrawal} is paid under {withdrawal.reference}")
    check_treasurer(d, statement.actor)
    d.signed_by(d.spoken, [statement.actor, *(() if withdrawal.reference else (withdrawal.party,))])
    _book(d, statement.reference)
    if withdrawal.state != WithdrawalState.PAYABLE:
        raise Refused("not-payable", f"{statement.withdrawal} is {withdrawal.state}")
    units = _left_of(d, withdrawal)
    d.emit(
        WithdrawalEnded(
            withdrawal=statement.withdrawal,
            how=WithdrawalState.PAID,
            lost_units=withdrawal.amount_units - units,
        )
    )
    d.pay("withdrawal.paid", (_waiting_on(withdrawal), ledger.EXTERNAL, units))
