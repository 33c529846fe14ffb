"""State: immutable records by key, the timers in order, and drafts that lie over them (docs/architecture.md 3).

Everything a decision reads comes through `View.get`; nothing is scanned but the timers. A `Draft` collects writes over
a view: one lies over the database for a batch, one over that for each statement, so that a refusal is a draft
dropped. A view loads what it is asked for; what a batch will ask for is loaded ahead of it (`rulebook.needs`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar, cast

from trust.core.lifecycle import NOT_YET, Life
from trust.core.records import Record, Timer

R = TypeVar("R", bound=Record)
Key = tuple[type[Record], str]
Writes = dict[Key, Record | None]
NEVER = 2**62
_UNWRITTEN = object()


class View(Protocol):
    """The state that a decision reads, after `size` entries, the last of them at `at_ms`."""

    size: int
    at_ms: int

    def get(self, kind: type[R], id: str) -> R | None:
        """The record, or None where there is none."""
        ...

    def timers(self, limit: int) -> list[Timer]:
        """The first `limit` timers in order (due_ms, kind, id)."""
        ...


def timer_order(timer: Timer) -> tuple[int, str, str]:
    """The order in which due items are settled (docs/rules.md 2)."""
    return timer.due_ms, timer.kind, timer.id


class Draft:
    """Writes over a view, dropped or absorbed by it as a whole. `act` is the kind of the event that is folding."""

    def __init__(self, parent: View) -> None:
        self.parent = parent
        self.size = parent.size
        self.at_ms = parent.at_ms
        self.writes: Writes = {}
        self.act = ""
        self._timers: dict[str, Timer | None] = {}
        self._nothing_before = -1

    def get(self, kind: type[R], id: str) -> R | None:
        written: Any = self.writes.get((kind, id), _UNWRITTEN)
        return self.parent.get(kind, id) if written is _UNWRITTEN else written

    def put(self, record: Record) -> None:
        """Makes this the record of its key; IllegalMove where the event that is folding may not move it so."""
        if record.life is not None and self.act:
            self._check_move(record, record.life)
        self.writes[type(record), record.id] = record

    def _check_move(self, record: Record, life: Life) -> None:
        """Raises IllegalMove. A thing that is made is not looked for: its id is new, or a rule has looked."""
        after = getattr(record, life.field)
        if life.makes(self.act, after):
            return
        before = self.get(type(record), record.id)
        life.check(self.act, NOT_YET if before is None else getattr(before, life.field), after)

    def drop(self, kind: type[Record], id: str) -> None:
        """Removes the record of this key."""
        self.writes[kind, id] = None

    def set_timer(self, id: str, kind: str, due_ms: int) -> None:
        """Gives the object `id` its one due date, in place of any it had."""
        timer = Timer(id=id, due_ms=due_ms, kind=kind)
        self._timers[id] = timer
        self.put(timer)
        self._nothing_before = min(self._nothing_before, due_ms - 1)

    def clear_timer(self, id: str) -> None:
        """Takes the due date of the object `id` away."""
        self._timers[id] = None
        self.drop(Timer, id)

    def timers(self, limit: int) -> list[Timer]:
        below = self.parent.timers(limit + len(self._timers))
        kept = [timer for timer in below if timer.id not in self._timers]
        kept += [timer for timer in self._timers.values() if timer is not None]
        return sorted(kept, key=timer_order)[:limit]

    def due(self, at_ms: int, limit: int) -> list[Timer]:
        """Returns the first `limit` timers that are due at or before `at_ms`; remembers for the next call when there
        are none."""
        if at_ms <= self._nothing_before:
            return []
        first = self.timers(limit)
        due = [timer for timer in first if timer.due_ms <= at_ms]
        if not due:
            self._nothing_before = (first[0].due_ms if first else NEVER) - 1
        return due

    @property
    def next_due_ms(self) -> int:
        """Before this nothing is due, as far as `due` has looked."""
        return self._nothing_before + 1

    def absorb(self, child: Draft) -> None:
        """Takes over what a draft that lies over this one has written."""
        self.writes.update(child.writes)
        if child._timers:
            self._timers.update(child._timers)
            soonest = min(
                (timer.due_ms for timer in child._timers.values() if timer is not None), default=NEVER
            )
            self._nothing_before = min(self._nothing_before, soonest - 1)
        self.size = child.size
        self.at_ms = child.at_ms


class MemoryState:
    """The whole state in a dictionary: for tests, simulations, and whoever wants to play with the rules."""

    def __init__(self) -> None:
        self.size = 0
        self.at_ms = 0
        self.records: dict[Key, Record] = {}

    def get(self, kind: type[R], id: str) -> R | None:
        return cast("R | None", self.records.get((kind, id)))

    def timers(self, limit: int) -> list[Timer]:
        timers = [record for record in self.records.values() if isinstance(record, Timer)]
        return sorted(timers, key=timer_order)[:limit]

    def put_all(self, records: Iterable[Record]) -> None:
        """Stores records that folding does not make: the nodes of a pool that is about to be sealed."""
        self.records.update({(type(record), record.id): record for record in records})

    def absorb(self, child: Draft) -> None:
        """Takes over what a draft has written."""
        for key, record in child.writes.items():
            if record is None:
                self.records.pop(key, None)
            else:
                self.records[key] = record
        self.size = child.size
        self.at_ms = child.at_ms
