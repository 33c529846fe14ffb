"""The books of a period, for whoever keeps accounts beside the log: made from entries that were decided again.

Nothing is asked of the service but its log. What the books add up from postings is held against the ledger that the
same replay leads to, account by account.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import select

from trust.audit.auditing import Audit, Options, few_collections
from trust.audit.fetching import Source
from trust.audit.report import CannotCheck, Finding, Progress, Step, silent
from trust.audit.scratch import Scratch, scratch
from trust.core import ledger
from trust.core.events import MoneyMoved, ReferenceBooked, WithdrawalEnded
from trust.core.records import Account
from trust.core.rulebook import Decided
from trust.log.note import Verifier
from trust.storage.tables import STATE

FEES = frozenset({"check.fees", "check.refund", "seat.fee", "challenge.unearned", "allocation.lapsed"})
DEPOSIT, PAYOUT = "deposit", "withdrawal.paid"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class Mark(NamedTuple):
    """A point on the log: before entry `size`, or before the first entry from `at_ms` on."""

    size: int = 0
    at_ms: int = -1

    @classmethod
    def of(cls, text: str) -> Mark:
        """Returns the mark of a size or a day (UTC). ValueError where the text is neither."""
        if text.isascii() and text.isdigit() and len(text) < 16:
            return cls(int(text))
        try:
            if not _DAY.fullmatch(text):
                raise ValueError
            day = datetime.fromisoformat(text).replace(tzinfo=UTC)
        except ValueError:
            raise ValueError(f"{text!r} is neither a size of the log nor a day such as 2026-11-01") from None
        return cls(at_ms=int(day.timestamp()) * 1_000)

    def is_reached(self, decided: Decided) -> bool:
        """Returns whether an entry lies behind the mark."""
        return decided.at_ms >= self.at_ms if self.at_ms >= 0 else decided.index >= self.size


class Balance(msgspec.Struct, frozen=True):
    """The money at a size of the log, in units. `held` is what deposits less payouts come to, and so what should lie
    at the payment system: `owed` to the accounts, by their kind, and `burned`."""

    size: int
    at_ms: int
    held_units: int
    owed_units: int
    burned_units: int
    accounts: dict[str, int]


class Movement(msgspec.Struct, frozen=True):
    """One deposit or payout."""

    index: int
    at_ms: int
    reference: str
    account: str
    units: int
    withdrawal: str = ""


class Total(msgspec.Struct, frozen=True):
    """What moved between accounts for one reason."""

    why: str
    count: int
    units: int


class Books(msgspec.Struct, frozen=True):
    """A period: opening, plus deposits, less payouts, is closing; fees, slashes and burned are parts of what moved
    inside meanwhile."""

    origin: str
    opening: Balance
    deposits: list[Movement]
    payouts: list[Movement]
    fees: list[Total]
    slashes: list[Total]
    burned: list[Total]
    closing: Balance
    deposited_units: int
    paid_out_units: int
    log_size: int
    """Up to where the log was decided again, and every account's sum of postings held against the ledger."""


class _Taking:
    """Postings as they come, and what of them lies in the period."""

    def __init__(self, since: Mark, until: Mark | None) -> None:
        self._since, self._until = since, until
        self.accounts: Counter[str] = Counter()
        self.opening: Balance | None = None
        self.closing: Balance | None = None
        self.deposits: list[Movement] = []
        self.payouts: list[Movement] = []
        self.moved: dict[str, Counter[str]] = {"fees": Counter(), "slashes": Counter(), "burned": Counter()}
        self.counts: Counter[tuple[str, str]] = Counter()
        self._size, self._at_ms = 0, 0

    def take(self, decided: Decided) -> None:
        """Takes up the next entry."""
        if self.opening is None and self._since.is_reached(decided):
            self.opening = self.balance()
        if self.closing is None and self._until is not None and self._until.is_reached(decided):
            self.closing = self.balance()
        self._size, self._at_ms = decided.index + 1, decided.at_ms
        is_within = self.opening is not None and self.closing is None
        for event in decided.events:
            if isinstance(event, MoneyMoved):
                for account, units in event.postings:
                    self.accounts[account] += units
                if is_within:
                    self._enter(decided, event)

    def _enter(self, decided: Decided, moved: MoneyMoved) -> None:
        if moved.why == DEPOSIT:
            self.deposits += _movements(decided, moved, 1)
        elif moved.why == PAYOUT:
            self.payouts += _movements(decided, moved, -1)
        taken = -sum(units for _, units in moved.postings if units < 0)
        if moved.why in FEES:
            self._add("fees", moved.why, taken)
        elif ledger.is_penalty(moved.why):
            self._add("slashes", moved.why, taken)
        if burned := sum(units for account, units in moved.postings if account == ledger.BURN):
            self._add("burned", moved.why, burned)

    def _add(self, group: str, why: str, units: int) -> None:
        self.moved[group][why] += units
        self.counts[group, why] += 1

    def totals(self, group: str) -> list[Total]:
        """What moved for each reason of a group."""
        return [
            Total(why, self.counts[group, why], units) for why, units in sorted(self.moved[group].items())
        ]

    def balance(self) -> Balance:
        """The money as it stands."""
        held, burned = -self.accounts[ledger.EXTERNAL], self.accounts[ledger.BURN]
        kinds: Counter[str] = Counter()
        for account, units in self.accounts.items():
            if account not in (ledger.EXTERNAL, ledger.BURN):
                kinds[_kind(account)] += units
        return Balance(self._size, self._at_ms, held, kinds.total(), burned, dict(sorted(kinds.items())))


def _kind(account: str) -> str:
    """The kind of an account: its name without whose it is."""
    first, *middle, last = account.split("/")
    return f"{first}/{last}" if middle else account


def _movements(decided: Decided, moved: MoneyMoved, sign: int) -> Iterator[Movement]:
    reference = next((e.reference for e in decided.events if isinstance(e, ReferenceBooked)), "")
    withdrawal = next((e.withdrawal for e in decided.events if isinstance(e, WithdrawalEnded)), "")
    for account, units in moved.postings:
        if account != ledger.EXTERNAL:
            yield Movement(decided.index, decided.at_ms, reference, account, sign * units, withdrawal)


def report_of(
    source: Source, vkey: str, since: Mark, until: Mark | None, progress: Progress = silent
) -> Books | Finding:
    """Returns the books of a period, or what is false about the log. CannotCheck where the log ends before it."""
    taking = _Taking(since, until)
    with scratch(None) as own, few_collections():
        finding = Audit(source, Verifier.parse(vkey), own, Options(progress, None, 0, taking.take)).advance(
            {}
        )
        finding = finding or _differs(own, taking)
        if finding is not None:
            return finding
        size = own.view.size
        for mark in (since, until or since):
            if mark.at_ms < 0 and mark.size > size:
                raise CannotCheck(f"the log has {size} entries, not {mark.size}")
    now = taking.balance()
    opening, closing = taking.opening or now, taking.closing or now
    books = Books(
        origin=vkey.partition("+")[0],
        opening=opening,
        deposits=taking.deposits,
        payouts=taking.payouts,
        fees=taking.totals("fees"),
        slashes=taking.totals("slashes"),
        burned=taking.totals("burned"),
        closing=closing,
        deposited_units=sum(each.units for each in taking.deposits),
        paid_out_units=sum(each.units for each in taking.payouts),
        log_size=size,
    )
    return _unbalanced(books) or books


def _differs(own: Scratch, taking: _Taking) -> Finding | None:
    """Holds the sum of each account's postings against the ledger of the replay."""
    account = STATE[Account].c
    rows = own.connection.execute(select(account.id, account.balance_units).where(account.balance_units != 0))
    stored = {row[0]: row[1] for row in rows}
    summed = {id: units for id, units in taking.accounts.items() if units}
    if stored == summed:
        return None
    wrong = min(id for id in stored.keys() | summed.keys() if stored.get(id) != summed.get(id))
    reason = f"{wrong} has {stored.get(wrong, 0)} units, and its postings sum to {summed.get(wrong, 0)}"
    return Finding(own.view.size - 1, reason, Step.POSTINGS)


def _unbalanced(books: Books) -> Finding | None:
    moved = books.opening.held_units + books.deposited_units - books.paid_out_units
    burned = books.opening.burned_units + sum(each.units for each in books.burned)
    closing = books.closing
    if (moved, burned) == (closing.held_units, closing.burned_units):
        return None
    reason = f"the period comes to {moved} held and {burned} burned, the ledger to {closing}"
    return Finding(closing.size - 1, reason, Step.POSTINGS)


def lines_of(books: Books) -> str:
    """Returns the books as CSV. The units of `opening`, `deposit` and `payout` sum to `closing`; the rest is detail."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["line", "entry", "time", "reference", "account", "units"])
    table.writerow(_balance_row("opening", books.opening))
    moved = [("deposit", 1, each) for each in books.deposits] + [
        ("payout", -1, each) for each in books.payouts
    ]
    for line, sign, each in sorted(moved, key=lambda row: row[2].index):
        table.writerow([line, each.index, _time(each.at_ms), each.reference, each.account, sign * each.units])
    table.writerow(_balance_row("closing", books.closing))
    for line, totals in (("fee", books.fees), ("slash", books.slashes), ("burned", books.burned)):
        for total in totals:
            table.writerow([line, "", "", "", total.why, total.units])
    for account, units in books.closing.accounts.items():
        table.writerow(["owed", books.closing.size - 1, _time(books.closing.at_ms), "", account, units])
    table.writerow(
        [
            "burned-in-all",
            books.closing.size - 1,
            _time(books.closing.at_ms),
            "",
            "burn",
            books.closing.burned_units,
        ]
    )
    return out.getvalue()


def _balance_row(line: str, balance: Balance) -> list[object]:
    return [line, max(balance.size - 1, 0), _time(balance.at_ms), "", "held", balance.held_units]


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat(timespec="milliseconds")
