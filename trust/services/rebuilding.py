"""Every table of state, folded again from the entries (docs/architecture.md 3): after a migration, or to see that they
agree.

One transaction under the head's lock: nobody sees half a rebuild, and a crash leaves the tables as they were.
Memory is that of one chunk, whatever the length of the log. What a seal commits to is not in its entry;
it is made again just before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import delete

from trust.core import rulebook
from trust.core.entry import Entry, decode_entry
from trust.core.records import RECORDS, Pool
from trust.core.state import Draft
from trust.storage import projections, tables
from trust.storage.engine import Database
from trust.storage.projections import Projections, actor_and_subjects
from trust.storage.reading import Reader
from trust.storage.rows import CODECS, table_of
from trust.storage.sealing import Sealing
from trust.storage.state import SqlView
from trust.storage.unit import Head, StoredEntry, Unit, unit

CHUNK = 1_000
_START = Head(0, 0, b"", b"")


def rebuild(database: Database, progress: Callable[[int, int], None] = lambda _done, _of: None) -> int:
    """Drops and refolds all state and projections; returns the number of entries. `progress` gets (done, of)."""
    with unit(database) as u:
        _clear(u)
        size = refold(u, _entries(u), lambda done: progress(done, u.head.size))
    progress(size, size)
    return size


def refold(
    u: Unit, entries: Iterable[StoredEntry], progress: Callable[[int], None] = lambda _done: None
) -> int:
    """Folds these entries, the first to the last, into tables that are empty; returns how many there were."""
    folding = _Refold(u)
    for stored in entries:
        folding.take(decode_entry(stored.data))
        if folding.size % CHUNK == 0:
            folding.flush()
            progress(folding.size)
    folding.flush()
    return folding.size


class _Refold:
    """The state that was folded, and what of it is not written yet."""

    def __init__(self, u: Unit) -> None:
        self._unit = u
        self._view = SqlView(u.connection, _START)
        self._sealing = Sealing()
        self._begin()

    @property
    def size(self) -> int:
        return self._draft.size

    def take(self, entry: Entry) -> None:
        """Folds one entry."""
        if entry.command.seal is not None:
            self.flush()
            self._prepare(entry.command.seal.of)
        index = self._draft.size
        rulebook.fold(self._draft, entry)
        actor, subjects = actor_and_subjects(entry)
        self._projections.add(index, entry.at_ms, actor, entry.events, subjects)

    def flush(self) -> None:
        """Writes what was folded since the last time."""
        self._unit.write_state(self._draft.writes, self._projections)
        self._view.absorb(self._draft)
        self._view.turn()
        self._begin()

    def _begin(self) -> None:
        self._draft = Draft(self._view)
        self._projections = Projections()

    def _prepare(self, pool_id: str) -> None:
        pool = self._view.get(Pool, pool_id)
        if pool is not None:
            self._sealing.prepare(Reader(self._unit.connection), pool, self.size)


def _clear(u: Unit) -> None:
    for table in (
        *projections.TABLES,
        table_of(tables.SealedScores),
        *(CODECS[kind].table for kind in RECORDS),
    ):
        u.connection.execute(delete(table))


def _entries(u: Unit) -> Iterator[StoredEntry]:
    reader = Reader(u.connection)
    for start in range(0, u.head.size, CHUNK):
        yield from reader.entries(start, start + CHUNK)
