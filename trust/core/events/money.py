"""Events about money: postings sum to zero, in units."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from trust.core.events.event import Event, known
from trust.core.events.parties import NETWORK
from trust.core.lifecycle import WithdrawalState
from trust.core.records import Account, Booking, Claim, Network, Party, Withdrawal
from trust.core.state import Draft


class MoneyMoved(Event, tag="money.moved", frozen=True, kw_only=True):
    """Postings (account, change in units) that sum to zero, and why."""

    why: str
    postings: tuple[tuple[str, int], ...]

    def write(self, s: Draft) -> None:
        for name, change in self.postings:
            account = s.get(Account, name)
            balance = change if account is None else account.balance_units + change
            s.put(Account(id=name, balance_units=balance))

    def sentence(self) -> str:
        postings = ", ".join(f"{account} {units:+d}" for account, units in self.postings)
        return f"Money ({self.why}): {postings}."


class ReferenceBooked(Event, tag="reference.booked", frozen=True, kw_only=True):
    says: ClassVar[str] = "The payment {reference} is booked, once and for all."

    reference: str

    def write(self, s: Draft) -> None:
        s.put(Booking(id=self.reference, index=s.size))


class WithdrawalOpened(Event, tag="withdrawal.opened", frozen=True, kw_only=True):
    says: ClassVar[str] = "{amount_units} units begin to unbond ({withdrawal}), until {matures_ms}."
    creates: ClassVar[tuple[str, ...]] = ("withdrawal", "matures_ms")

    withdrawal: str
    party: str
    source: str
    amount_units: int
    matures_ms: int
    reference: str = ""

    def write(self, s: Draft) -> None:
        s.put(
            Withdrawal(
                id=self.withdrawal,
                party=self.party,
                source=self.source,
                amount_units=self.amount_units,
                state=WithdrawalState.UNBONDING,
                matures_ms=self.matures_ms,
                index=s.size,
                reference=self.reference,
            )
        )
        s.set_timer(self.withdrawal, "unbonding", self.matures_ms)


class WithdrawalMatured(Event, tag="withdrawal.matured", frozen=True, kw_only=True):
    says: ClassVar[str] = "{withdrawal} has matured and can be paid out."

    withdrawal: str

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Withdrawal, self.withdrawal), state=WithdrawalState.PAYABLE))
        s.clear_timer(self.withdrawal)


class WithdrawalEnded(Event, tag="withdrawal.ended", frozen=True, kw_only=True):
    """`how` is paid or returned; `lost_units` of its amount a slash had taken."""

    says: ClassVar[str] = "{withdrawal} is {how}."

    withdrawal: str
    how: str
    lost_units: int = 0

    def write(self, s: Draft) -> None:
        ended = replace(known(s, Withdrawal, self.withdrawal), state=self.how)
        s.put(ended)
        if self.lost_units and ended.source.startswith("operator/"):
            network = known(s, Network, NETWORK)
            s.put(replace(network, bond_lost_units=network.bond_lost_units - self.lost_units))
        elif self.lost_units:
            party = known(s, Party, ended.party)
            s.put(replace(party, unbonding_lost_units=party.unbonding_lost_units - self.lost_units))


class FeeShort(Event, tag="fee.short", frozen=True, kw_only=True):
    """The pool held less than the seats of a claim were due, and they shared it."""

    says: ClassVar[str] = (
        "The verification pool held {paid_units} of the {due_units} units of fees: the seats share them."
    )

    claim: str
    due_units: int
    paid_units: int

    def write(self, s: Draft) -> None:
        """The postings say what was paid; this says why it is less."""
        known(s, Claim, self.claim)
