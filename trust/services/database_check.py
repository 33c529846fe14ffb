"""Compares a database with what its log leads to: `trust log check`, beyond the tree.

The entries are folded again into a database of their own in a temporary directory, and every table of state and of
projections is compared with that, row for row. What a seal commits to is stored ahead of it, so there may be more of
it than the log says: what the log says must be there, and rows of scores must lead to the root of the last seal of
scores. Blobs are hashed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec.structs import astuple
from sqlalchemy import Connection, Table, select

from trust.core import scorebook
from trust.core.records import RECORDS, Node, Pool, SealedPool
from trust.log.merkle import leaf_hash
from trust.services.rebuilding import refold
from trust.services.scrub import BLOB_BYTES, BLOBS, blobs_after, damaged_blob
from trust.storage import bulk, projections, tables
from trust.storage.engine import Database
from trust.storage.migrations import upgrade
from trust.storage.reading import Reader, reading
from trust.storage.rows import CODECS, table_of
from trust.storage.scorebook import tree_of
from trust.storage.unit import StoredEntry, Unit, unit

ROWS = 2_000
CHUNK = 1_000
Progress = Callable[[int, int], None]
Row = tuple[Any, ...]

_NODES = CODECS[Node].table
_COMPARED = (*projections.TABLES, *(CODECS[kind].table for kind in RECORDS if kind is not Node))


def differences(database: Database, progress: Progress = lambda _done, _of: None) -> Iterator[str]:
    """Returns the first row of each table that does not follow from the log, in words. The log itself must be whole."""
    with reading(database) as reader, TemporaryDirectory(prefix="trust-check-") as directory:
        if database.is_sqlite:
            yield from _broken_pages(reader.connection)
        url = f"sqlite:///{Path(directory) / 'refolded.db'}"
        upgrade(url)
        other = Database(url, 1)
        try:
            with unit(other) as u:
                _refold(reader, u, progress)
                for table in _COMPARED:
                    yield from _different(table, reader.connection, u.connection)
                yield from _missing_nodes(reader.connection, u.connection)
        finally:
            other.close()
        yield from _false_scores(reader)
        yield from _false_blobs(reader.connection)


def _broken_pages(connection: Connection) -> Iterator[str]:
    problems = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check(10)")]
    if problems != ["ok"]:
        yield f"the database file is damaged: {'; '.join(problems)}"


def _refold(reader: Reader, u: Unit, progress: Progress) -> None:
    """Folds the reader's log into an empty database; only the entries' times go along with it."""
    size = reader.head().size

    def entries() -> Iterator[StoredEntry]:
        for start in range(0, size, CHUNK):
            piece = reader.entries(start, min(start + CHUNK, size))
            bare = [StoredEntry(each.index, each.at_ms, each.kind, b"", each.leaf_hash) for each in piece]
            bulk.insert(u.connection, table_of(tables.Entries), list(map(astuple, bare)))
            yield from piece
            progress(start + len(piece), size)

    refold(u, entries())


def _different(table: Table, stored: Connection, expected: Connection) -> Iterator[str]:
    for mine, theirs in zip_longest(_rows(table, stored), _rows(table, expected)):
        if mine != theirs:
            yield f"{table.name} {_difference(table, mine, theirs)}"
            return


def _difference(table: Table, mine: Row | None, theirs: Row | None) -> str:
    """Returns the first difference between two tables in the order of their keys, in words."""
    key = None if mine is None else _key(table, mine)
    wanted = None if theirs is None else _key(table, theirs)
    if key == wanted:
        return f"{_shown(wanted)} is not what the log leads to"
    if wanted is None or (key is not None and key < wanted):
        return f"{_shown(key)} is of no entry"
    return f"{_shown(wanted)} is missing"


def _shown(key: Row | None) -> str:
    return "/".join(map(str, key or ()))


def _rows(table: Table, connection: Connection) -> Iterator[Row]:
    query = select(table).order_by(*table.primary_key)
    for row in connection.execute(query.execution_options(yield_per=ROWS)):
        yield tuple(row)


def _key(table: Table, row: Row) -> Row:
    return tuple(row[at] for at, column in enumerate(table.columns) if column.primary_key)


def _missing_nodes(stored: Connection, expected: Connection) -> Iterator[str]:
    for row in _rows(_NODES, expected):
        if bulk.select(stored, _NODES, [row[0]]) not in ([row], [list(row)]):
            yield f"{_NODES.name} {row[0]} is missing or is not what the log leads to"
            return


def _false_scores(reader: Reader) -> Iterator[str]:
    table = table_of(tables.SealedScores)
    for row in _rows(table, reader.connection):
        id, _, _, data, hashed = row
        if leaf_hash(data) != hashed:
            yield f"{table.name} {id} does not have its hash"
            return
    pool = reader.record(Pool, scorebook.POOL)
    seal = reader.record(SealedPool, pool.sealed) if pool is not None and pool.sealed else None
    if seal is not None and tree_of(reader, seal.epoch).root().hex() != seal.root:
        yield f"{table.name} {seal.id}: its rows do not lead to the root of the seal"


def _false_blobs(connection: Connection) -> Iterator[str]:
    after = ""
    while page := list(blobs_after(connection, after, BLOBS, BLOB_BYTES)):
        for digest, data in page:
            yield from (f"{each} does not have its hash" for each in damaged_blob(digest, data))
            after = digest
