"""The spending of the last 24 hours, on disk before any statement that spends is signed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from trust.errors import Unusable
from trust.files import PRIVATE, write_whole
from trust.programs.owner import beyond

DAY_MS = 86_400_000


class Spent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One amount, in units; it counts until `until_ms`."""

    what: str
    units: int
    until_ms: int


class SpendingBook:
    """The spending of one key, in a file that processes may share."""

    def __init__(self, path: Path, most_per_day_units: int, now_ms: Callable[[], int]) -> None:
        self._path, self._most, self._now_ms = path, most_per_day_units, now_ms

    def left_units(self) -> int:
        """Returns what may be spent now."""
        with self._locked():
            return self._most - _sum(self._read())

    def book(self, what: str, units: int, *, once: bool = False) -> None:
        """Books an amount; `ClientError` beyond-limits where the day's total does not allow it.

        It counts for the day whatever comes of it: what was signed and refused may still be taken until it expires.
        With `once` what was booked by the same name counts towards it: the network takes no two of that name.
        """
        self.book_all({what: units}, once=once)

    def book_all(self, amounts: Mapping[str, int], *, once: bool = False) -> None:
        """Books several amounts, or none of them."""
        for what, units in amounts.items():
            if units < 0:
                raise beyond(f"{what} takes {units} units, which is no amount")
        with self._locked():
            spent = self._read()
            before = {each.what: each.units for each in spent if once}
            until_ms = self._now_ms() + DAY_MS
            added = [
                Spent(what, max(units, before.get(what, 0)), until_ms) for what, units in amounts.items()
            ]
            kept = [each for each in spent if not (once and each.what in amounts)]
            left, units = self._most - _sum(kept), _sum(added)
            if units > left:
                what = ", ".join(amounts)[:200]
                raise beyond(f"{what} takes {units} units, and {max(left, 0)} of {self._most} a day are left")
            self._write([*kept, *added])

    @contextmanager
    def _locked(self) -> Iterator[None]:
        handle = os.open(self._path.with_name(self._path.name + ".lock"), os.O_RDWR | os.O_CREAT, PRIVATE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _read(self) -> list[Spent]:
        """Returns the amounts that count now. `Unusable` where the file is malformed: nothing is spent then."""
        if not self._path.exists():
            return []
        try:
            spent = msgspec.json.decode(self._path.read_bytes(), type=list[Spent])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Unusable(f"{self._path}: {error}", "restore it: it says what was spent today") from None
        return [each for each in spent if each.until_ms > self._now_ms()]

    def _write(self, spent: list[Spent]) -> None:
        write_whole(self._path, msgspec.json.encode(spent), PRIVATE)


def _sum(spent: list[Spent]) -> int:
    return sum(each.units for each in spent)
