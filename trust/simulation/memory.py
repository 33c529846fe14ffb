"""The whole state in memory, with its timers in order: quick enough for a long game, and copied for the next."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TypeVar

from trust.core.records import Record, Timer
from trust.core.state import Draft, MemoryState, timer_order

R = TypeVar("R", bound=Record)


class TimedState(MemoryState):
    """A state whose timers need not be looked for."""

    def __init__(self) -> None:
        super().__init__()
        self._order: list[tuple[int, str, str]] = []

    def get(self, kind: type[R], id: str) -> R | None:
        return self.records.get((kind, id))  # type: ignore[return-value]

    def timers(self, limit: int) -> list[Timer]:
        timers = (self.get(Timer, id) for _, _, id in self._order[:limit])
        return [timer for timer in timers if timer is not None]

    def due(self, at_ms: int, limit: int) -> list[Timer]:
        """Returns the first `limit` timers due by `at_ms`, in order: entries are decided right over this state."""
        count = 0
        while count < min(limit, len(self._order)) and self._order[count][0] <= at_ms:
            count += 1
        return self.timers(count)

    def copy(self) -> TimedState:
        """Returns a copy of this state, to go on from by itself: the records are shared, since none ever changes."""
        other = TimedState()
        other.size, other.at_ms = self.size, self.at_ms
        other.records, other._order = self.records.copy(), self._order.copy()
        return other

    @property
    def next_due_ms(self) -> int | None:
        """When the first timer is due; None where there is none."""
        return self._order[0][0] if self._order else None

    def absorb(self, child: Draft) -> None:
        """Takes over what a draft has written."""
        for (kind, id), record in child.writes.items():
            if kind is Timer:
                self._replace(self.get(Timer, id), record if isinstance(record, Timer) else None)
        super().absorb(child)

    def _replace(self, before: Timer | None, after: Timer | None) -> None:
        if before is not None:
            del self._order[bisect_left(self._order, timer_order(before))]
        if after is not None:
            insort(self._order, timer_order(after))
