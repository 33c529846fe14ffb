"""One transaction that changes something; the only commit in this project.

`unit` locks the head first, so everything inside it happens in log order. `aside` is for rows that no
decision depends on until the log names them (blobs, nodes of a pool's tree) and for migrations.

An error at COMMIT is not a rollback. It comes out as `CommitUnknown`, and only what the database says after
that counts (docs/architecture.md 4, step 12).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
from msgspec.structs import asdict, astuple
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import col

from trust.core.records import Record
from trust.core.state import Writes
from trust.log.tiles import FullTile
from trust.storage import bulk, tables
from trust.storage.bulk import Existing
from trust.storage.engine import Database
from trust.storage.projections import Projections
from trust.storage.rows import CODECS, table_of

_ENTRIES = table_of(tables.Entries)
_TILES = table_of(tables.Tiles)
_READ = select(
    col(tables.Head.size), col(tables.Head.at_ms), col(tables.Head.root), col(tables.Head.checkpoint)
)
_READ_LOCKED = _READ.with_for_update()
_MOVE = update(tables.Head)


class CommitUnknown(RuntimeError):
    """The database did not say whether it committed: read the head before anything else."""


class Head(msgspec.Struct, frozen=True):
    """The log's last state: its size, the time of its last entry, its root, and the signed note over it."""

    size: int
    at_ms: int
    root: bytes
    checkpoint: bytes


class StoredEntry(msgspec.Struct, frozen=True):
    """An entry as it lies in the log, in the order of the table's columns."""

    index: int
    at_ms: int
    kind: str
    data: bytes
    leaf_hash: bytes


class Unit:
    """A transaction that holds the head's lock. `head` is what it was when the lock was taken."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.head = read_head(connection, lock=True)
        self.written = False

    def append(self, entries: Sequence[StoredEntry], tiles: Sequence[FullTile], head: Head) -> None:
        """Writes the entries that lead to a new head."""
        self.written = True
        bulk.insert(self.connection, _ENTRIES, list(map(astuple, entries)))
        bulk.insert(self.connection, _TILES, tiles)
        self.connection.execute(_MOVE, asdict(head))

    def write_state(self, writes: Writes, projections: Projections) -> None:
        """Writes what folding entries changed."""
        self.written = True
        changed: dict[type[Record], list[Record]] = {}
        dropped: dict[type[Record], list[str]] = {}
        for (kind, id), record in writes.items():
            if record is None:
                dropped.setdefault(kind, []).append(id)
            else:
                changed.setdefault(kind, []).append(record)
        for kind, records in changed.items():
            codec = CODECS[kind]
            rows = list(map(codec.to_row, records))
            bulk.insert(self.connection, codec.table, rows, Existing.REPLACE)
        for kind, ids in dropped.items():
            bulk.delete(self.connection, CODECS[kind].table, ids)
        projections.write(self.connection, writes)


@contextmanager
def unit(database: Database) -> Iterator[Unit]:
    """A transaction under the head's lock: commits at the end what was written, or rolls all of it back."""
    with database.writers.connect() as connection:
        current = Unit(connection)
        yield current
        if current.written:
            _commit(connection)


@contextmanager
def aside(database: Database) -> Iterator[Connection]:
    """A transaction beside the log; it commits at the end."""
    with database.writers.connect() as connection:
        yield connection
        _commit(connection)


def read_head(connection: Connection, *, lock: bool = False) -> Head:
    """The head; with `lock` nobody else moves it until this transaction ends."""
    return Head(*connection.execute(_READ_LOCKED if lock else _READ).one())


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    except DBAPIError as error:
        raise CommitUnknown(str(error.orig)) from error
