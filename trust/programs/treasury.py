"""`trust treasury run`: books what a payment system took in, and has it pay what has matured (docs/operating.md 9).

A directory holds what is not done yet: notices of payments that came in (`in/`), withdrawals that wait for their money
(`out/`), and what a person has to look at (`refused/`). The log holds the rest. Every step may be the last before a
power cut: a notice goes when its reference is on the log, an order is on disk before anybody is asked to pay it, and
goes when its payout is on the log; whatever is repeated meanwhile counts once, on the log by its reference and at the
payment system by its key.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from trust.client import ServiceError, Treasurer, TrustClient
from trust.client.outbox import is_decided
from trust.client.transports import Transport
from trust.core import strict
from trust.core.ledger import OPERATOR_BOND
from trust.core.payloads import Account, Amount
from trust.errors import Unusable
from trust.files import PRIVATE, sync, write_once, write_whole
from trust.programs.paying import NotPaid, Order, Pay
from trust.programs.running import Tell

MAX_NOTICE_BYTES = 4_096
AGAIN_MS, LONGEST_MS = 1_000, 300_000
"""How long a payment that failed is left alone: twice as long each time."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HANDLE = re.compile(r"@[a-z0-9][a-z0-9-]{1,31}")
WITHDRAWN = "withdrawal.opened"


class Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A payment that came in, under the payment system's own reference; `account` is a DID, @handle, operator/bond."""

    reference: str
    account: str
    amount_units: Amount


class Owed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A withdrawal that is not paid yet; `asked_units` is what somebody was asked to pay, 0: nobody was."""

    withdrawal: str
    agent: str
    amount_units: int
    matures_ms: int
    reference: str = ""
    asked_units: int = 0

    @property
    def order(self) -> Order:
        """What is asked of the payment system, the same each time."""
        return Order(
            idempotency_key=self.withdrawal,
            reference=self.reference,
            withdrawal=self.withdrawal,
            agent=self.agent,
            amount_units=self.asked_units,
        )


def booked_under(reference: str) -> str:
    """Returns the name that a payment's reference has on the log: itself, or its SHA-256 in hex where it is no name."""
    return reference if _NAME.fullmatch(reference) else sha256(reference.encode()).hexdigest()


def read_notice(data: bytes) -> Notice:
    """Returns a notice. ValueError where the bytes are none, in words."""
    try:
        notice = strict.parse(data, Notice, max_bytes=MAX_NOTICE_BYTES)
        if not _HANDLE.fullmatch(notice.account):
            msgspec.convert(notice.account, Account)
    except (strict.Malformed, msgspec.ValidationError) as error:
        raise ValueError(str(error)) from None
    if not notice.reference:
        raise ValueError("a payment without a reference could be booked twice")
    return notice


class Spool:
    """The directory of one treasury."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("in", "out", "refused"):
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """While this is entered nobody else works on the directory; `Unusable` where somebody does."""
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, PRIVATE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise Unusable(f"another treasury works on {self.folder}") from None
        finally:
            os.close(handle)

    def give(self, notice: Notice) -> Path:
        """Lays a notice down, once, and returns when it is on the disk. `Unusable` where another one of this reference
        waits."""
        path, data = (
            self.folder / "in" / f"{booked_under(notice.reference)}.json",
            msgspec.json.encode(notice),
        )
        while True:
            try:
                write_once(path, data)
                return path
            except FileExistsError:
                with suppress(FileNotFoundError):  # booked just now: it is laid down again
                    if path.read_bytes() != data:
                        raise Unusable(
                            f"{path} says something else of this payment", "see which of the two is right"
                        ) from None
                    sync(path.parent)
                    return path

    def notices(self) -> list[Path]:
        """The files of notices, oldest names first; those that begin with a dot are not whole yet."""
        return sorted(path for path in (self.folder / "in").glob("*.json") if path.name[0] != ".")

    def owed(self) -> list[Owed]:
        """The withdrawals that wait."""
        paths = sorted((self.folder / "out").glob("wdr_*.json"))
        try:
            return [msgspec.json.decode(path.read_bytes(), type=Owed) for path in paths]
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Unusable(
                f"{self.folder / 'out'}: {error}", "restore it: it says what was asked to be paid"
            ) from None

    def keep(self, owed: Owed) -> None:
        """Writes down how a withdrawal stands."""
        write_whole(self._out(owed), msgspec.json.encode(owed), PRIVATE)

    def drop(self, owed: Owed) -> None:
        """Forgets a withdrawal that has ended."""
        self._out(owed).unlink(missing_ok=True)

    def refuse(self, path: Path) -> None:
        """Puts a file where a person looks at it."""
        path.replace(self.folder / "refused" / path.name)

    def refuse_owed(self, owed: Owed) -> None:
        """The same, of a withdrawal."""
        self.refuse(self._out(owed))

    @property
    def seen(self) -> int:
        """The last entry that was looked at for withdrawals; -1 where none was."""
        path = self.folder / "seen"
        return int(path.read_text()) if path.exists() else -1

    @seen.setter
    def seen(self, index: int) -> None:
        write_whole(self.folder / "seen", str(index).encode(), PRIVATE)

    def _out(self, owed: Owed) -> Path:
        return self.folder / "out" / f"{owed.withdrawal}.json"


class Treasury:
    """One treasurer and its spool. Without `pay` it only books what comes in; `pay_ms` is how long paying may take."""

    def __init__(
        self,
        client: TrustClient,
        treasurer: Treasurer[Transport],
        spool: Spool,
        tell: Tell,
        pay: Pay | None,
        pay_ms: int,
    ) -> None:
        self._client = client
        self._treasurer = treasurer
        self._spool = spool
        self._say = tell
        self._pay = pay
        self._pay_ms = pay_ms
        self._told: set[tuple[str, str]] = set()
        self._failures: dict[str, tuple[int, int]] = {}

    def look(self) -> None:
        """Does what can be done now; TrustError where the service gives no answer, and then the rest waits."""
        self._book()
        if self._pay is not None:
            self._find()
            for owed in self._spool.owed():
                self._settle(owed, self._pay)

    # -- in

    def _book(self) -> None:
        for path in self._spool.notices():
            try:
                notice = read_notice(path.read_bytes())
            except ValueError as error:
                self._spool.refuse(path)
                self._say("refused", notice=path.name, why=str(error))
                continue
            reference = booked_under(notice.reference)
            try:
                done = self._treasurer.deposit(self._id(notice.account), notice.amount_units, reference)
            except ServiceError as error:
                if not is_decided(error):
                    raise
                if error.code == "reference-booked":
                    self._spool.refuse(path)
                    self._say("refused", notice=path.name, reference=reference, why=error.detail)
                else:  # the account may register yet, the role be given
                    self._tell_once("waits", path.name, error.code, reference=reference)
                continue
            path.unlink()
            self._say(
                "booked",
                reference=reference,
                account=notice.account,
                amount_units=notice.amount_units,
                entry=done.index,
                repeated=done.repeated,
            )

    def _id(self, account: str) -> str:
        return str(self._client.agent(account)["agent"]) if account.startswith("@") else account

    # -- out

    def _find(self) -> None:
        """Writes down every withdrawal since the last look, each proven by its receipt."""
        seen, after, indices = self._spool.seen, None, []
        while True:
            page = self._client.entries(kind="stake.withdraw", after=after, limit=100)
            new = [each for each in page["entries"] if each["index"] > seen]
            indices += [each["index"] for each in new if any(e["kind"] == WITHDRAWN for e in each["events"])]
            after = page["after"]
            if after is None or len(new) < len(page["entries"]):
                break
        for index in sorted(indices):
            opened = self._client.receipt(index)[1].event(WITHDRAWN)
            if opened["source"] != OPERATOR_BOND:  # its own, which no owner asks for
                self._spool.keep(
                    Owed(
                        opened["withdrawal"],
                        opened["party"],
                        opened["amount_units"],
                        opened["matures_ms"],
                        opened.get("reference", ""),
                    )
                )
            self._spool.seen = index

    def _settle(self, owed: Owed, pay: Pay) -> None:
        now_ms = self._client.now_ms()
        if now_ms < max(owed.matures_ms, self._failures.get(owed.withdrawal, (0, 0))[1]):
            return
        state = self._state(owed)
        if state in ("paid", "returned"):
            self._end(owed, state)
        elif state != "payable":
            self._tell_once("waits", owed.withdrawal, f"the service says that it is {state}")
        elif not owed.reference:
            self._tell_once("by-hand", owed.withdrawal, "it names no payment: trust stake payout --agreed")
        elif not owed.asked_units and self._is_booked(owed.reference):
            self._tell_once("by-hand", owed.withdrawal, "its payment is booked for something else already")
        elif not owed.asked_units and now_ms + self._pay_ms >= self._payout_by_ms(owed):
            self._tell_once("by-hand", owed.withdrawal, "its owner may take it back by now")
        else:
            self._order(owed, pay)

    def _state(self, owed: Owed) -> str:
        listed = self._client.ledger(owed.agent, limit=1)["withdrawals"]
        return next(
            (str(each["state"]) for each in listed if each["withdrawal"] == owed.withdrawal), "unknown"
        )

    def _is_booked(self, reference: str) -> bool:
        """Returns whether another payment has this reference: paid under it, a withdrawal could never be booked."""
        return any(each["matched"] == "payment" for each in self._client.search(reference, limit=1)["found"])

    def _payout_by_ms(self, owed: Owed) -> int:
        return owed.matures_ms + int(self._client.policy()["terms"]["windows"]["payout_ms"])

    def _units(self, owed: Owed) -> int:
        """What the withdrawal comes to now: slashes may have taken a part of all that the agent withdraws."""
        agent = self._client.agent(owed.agent)
        held, lost = agent["balances"]["unbonding_units"], agent["unbonding_lost_units"]
        return (
            min(owed.amount_units, owed.amount_units * held // (held + lost)) if lost else owed.amount_units
        )

    def _order(self, owed: Owed, pay: Pay) -> None:
        """Has it paid and books that; what was asked once is asked again with the same words."""
        if not owed.asked_units:
            owed = replace(owed, asked_units=self._units(owed))
            self._spool.keep(owed)
        try:
            paid = pay(owed.order) if owed.asked_units else None
        except NotPaid as error:
            self._later(owed)
            self._say("not-paid", withdrawal=owed.withdrawal, why=str(error))
            return
        if paid is not None and paid.state == "pending":
            self._later(owed)
            self._tell_once("pending", owed.withdrawal, "the payment is under way")
            return
        try:
            done = self._treasurer.pay_out(owed.withdrawal, owed.reference)
        except ServiceError as error:
            if not is_decided(error):
                raise
            self._later(owed)
            self._say("not-booked", withdrawal=owed.withdrawal, why=str(error))
            return
        units = _paid_units(done.entry.events)
        self._spool.drop(owed)
        facts = {"reference": owed.reference, "amount_units": owed.asked_units, "entry": done.index}
        self._say("paid", withdrawal=owed.withdrawal, agent=owed.agent, **facts)
        if units != owed.asked_units:
            self._say("differs", withdrawal=owed.withdrawal, booked_units=units, **facts)

    def _later(self, owed: Owed) -> None:
        count = self._failures.get(owed.withdrawal, (0, 0))[0]
        wait_ms = min(LONGEST_MS, AGAIN_MS << min(count, 20))
        self._failures[owed.withdrawal] = count + 1, self._client.now_ms() + wait_ms

    def _end(self, owed: Owed, state: str) -> None:
        """It was paid, by hand or before the last stop; or its owner took it back, perhaps beside a payment."""
        if state == "returned" and owed.asked_units:
            self._spool.refuse_owed(owed)
            why = "its owner took it back, and it may have been paid: ask the payment system"
            self._say("refused", withdrawal=owed.withdrawal, why=why, amount_units=owed.asked_units)
            return
        self._spool.drop(owed)
        self._say("ended", withdrawal=owed.withdrawal, how=state)

    def _tell_once(self, did: str, about: str, why: str, **facts: Any) -> None:
        if (about, why) not in self._told:
            self._told.add((about, why))
            self._say(did, about=about, why=why, **facts)


def _paid_units(events: tuple[dict[str, Any], ...]) -> int:
    """The units that a payout's entry moved out."""
    moved = [each for each in events if each["kind"] == "money.moved" and each["why"] == "withdrawal.paid"]
    return sum(units for each in moved for account, units in each["postings"] if account == "external")


def refuse_master(client: TrustClient, did: str) -> None:
    """`Unusable` where a treasury would run with the operator's own key."""
    if client.policy()["operator"] == did:
        raise Unusable(
            "this is the operator's key: a program that handles money gets one of its own",
            "trust keys new treasurer.key; register it; trust treasury appoint @treasurer",
        )
