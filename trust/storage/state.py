"""The rulebook's state over SQL: a view that loads what it is asked for, and remembers it between batches.

What it remembers holds only as long as this process wrote the last entry; `open` forgets all of it when the
head has moved by another hand. Records that are not there are remembered too. Memory is bounded: records live
in two generations, and what was not asked for since the last turn goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, bindparam, select

from trust.core.records import Record, Timer
from trust.core.state import Draft, Key
from trust.storage import bulk
from trust.storage.rows import CODECS
from trust.storage.tables import STATE
from trust.storage.unit import Head

R = TypeVar("R", bound=Record)
REMEMBERED = 200_000
CHUNK = 5_000
_UNKNOWN = object()
_TIMER = STATE[Timer].c
_TIMERS = (
    select(_TIMER.id, _TIMER.due_ms, _TIMER.kind)
    .order_by(_TIMER.due_ms, _TIMER.kind, _TIMER.id)
    .limit(bindparam("most"))
)


class SqlView:
    """The state as of `size` entries. `misses` counts the records that nobody had loaded ahead."""

    def __init__(self, connection: Connection | None = None, head: Head | None = None) -> None:
        self.size = 0
        self.at_ms = 0
        self.misses = 0
        self._connection = connection
        self._recent: dict[Key, Record | None] = {}
        self._older: dict[Key, Record | None] = {}
        if head is not None:
            self.size, self.at_ms = head.size, head.at_ms

    def open(self, connection: Connection, head: Head) -> None:
        """Reads through this connection from here on; forgets what is older than the head."""
        if head.size != self.size:
            self.forget()
        self._connection = connection
        self.size, self.at_ms = head.size, head.at_ms

    def forget(self) -> None:
        """Forgets every record."""
        self._recent, self._older = {}, {}

    def get(self, kind: type[R], id: str) -> R | None:
        key: Key = (kind, id)
        known: Any = self._recent.get(key, _UNKNOWN)
        if known is not _UNKNOWN:
            return cast("R | None", known)
        if not self._recall(key):
            self.misses += 1
            self.load([key])
        return cast("R | None", self._recent[key])

    def peek(self, kind: type[R], id: str) -> R | None:
        """The record as far as it is in memory; never loads."""
        key: Key = (kind, id)
        return cast("R | None", self._recent.get(key) or self._older.get(key))

    def load(self, keys: Iterable[Key]) -> int:
        """Loads what is not in memory yet, one SELECT a table; returns how many records were found."""
        wanted: dict[type[Record], dict[str, None]] = {}
        for key in keys:
            if key not in self._recent and not self._recall(key):
                wanted.setdefault(key[0], {})[key[1]] = None
        return sum(
            self._select(kind, list(ids)[start : start + CHUNK])
            for kind, ids in wanted.items()
            for start in range(0, len(ids), CHUNK)
        )

    def timers(self, limit: int) -> list[Timer]:
        return [Timer(*row) for row in self._live.execute(_TIMERS, {"most": limit})]

    def absorb(self, draft: Draft) -> None:
        """Takes over what a draft has written, once it is committed."""
        self._recent.update(draft.writes)
        self.size, self.at_ms = draft.size, draft.at_ms

    def turn(self) -> None:
        """Between batches: lets go of what was not asked for lately, where there is too much."""
        if len(self._recent) > REMEMBERED // 2:
            self._older, self._recent = self._recent, {}

    @property
    def _live(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("the view is read before it is opened")
        return self._connection

    def _recall(self, key: Key) -> bool:
        """Returns whether the older generation has the key, which is recent from now on."""
        if key not in self._older:
            return False
        self._recent[key] = self._older[key]
        return True

    def _select(self, kind: type[Record], ids: list[str]) -> int:
        """Remembers what the database says, and only once it has said it: an id without a row is a record that is not
        there."""
        codec = CODECS[kind]
        records = {
            record.id: record for record in map(codec.to_record, bulk.select(self._live, codec.table, ids))
        }
        self._recent.update({(kind, id): records.get(id) for id in ids})
        return len(records)
