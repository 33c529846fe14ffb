"""The items that are due next, kept in order over a batch.

Every entry asks whether something is due before it. The state answers that from its table, a draft by sorting what it
changed into that; here the next few thousand due dates stay in memory in order, from batch to batch.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Any, TypeVar

from trust.core.records import Record, Timer
from trust.core.state import Draft, Key, View, timer_order

WINDOW = 4_096

_UNKNOWN: Any = object()
R = TypeVar("R", bound=Record)
Order = tuple[int, str, str]


class Agenda:
    """The first timers in order: all of them up to the last one in here, or all there are where `is_whole`."""

    def __init__(self) -> None:
        self.is_whole = False
        self._order: list[Order] = []
        self._timers: dict[str, Timer] = {}

    def __len__(self) -> int:
        return len(self._order)

    def fill(self, first: Sequence[Timer]) -> None:
        """Starts again from the first timers that there are, at most WINDOW."""
        self.is_whole = len(first) < WINDOW
        self._timers = {timer.id: timer for timer in first}
        self._order = list(map(timer_order, first))

    def first(self, limit: int) -> list[Timer]:
        """The first `limit` timers."""
        return [self._timers[id] for _, _, id in self._order[:limit]]

    def change(self, id: str, timer: Timer | None) -> None:
        """Takes up the one due date that an object has now."""
        before = self._timers.pop(id, None)
        if before is not None:
            del self._order[bisect_left(self._order, timer_order(before))]
        if timer is None:
            return
        order = timer_order(timer)
        if self.is_whole or (self._order and order < self._order[-1]):
            insort(self._order, order)
            self._timers[id] = timer
            if len(self._order) > 2 * WINDOW:
                self._shorten()

    def _shorten(self) -> None:
        for _, _, id in self._order[WINDOW:]:
            del self._timers[id]
        del self._order[WINDOW:]
        self.is_whole = False


class Batch(Draft):
    """A draft over the state that knows its timers by an agenda, which outlives it, and each record by one look."""

    def __init__(self, parent: View, agenda: Agenda) -> None:
        super().__init__(parent)
        self._agenda = agenda
        self._known: dict[Key, Any] = {}

    def get(self, kind: type[R], id: str) -> R | None:
        key = (kind, id)
        record: R | None = self._known.get(key, _UNKNOWN)
        if record is _UNKNOWN:
            record = self._known[key] = self.parent.get(kind, id)
        return record

    def timers(self, limit: int) -> list[Timer]:
        if len(self._agenda) < limit and not self._agenda.is_whole:
            self._agenda.fill(super().timers(WINDOW))
        return self._agenda.first(limit)

    def absorb(self, child: Draft) -> None:
        super().absorb(child)
        self._known.update(child.writes)
        for id, timer in child._timers.items():
            self._agenda.change(id, timer)
