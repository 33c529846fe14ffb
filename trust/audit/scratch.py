"""The auditor's own state: the service's tables in a SQLite file of its own, refolded entry by entry.

One transaction a piece, so an audit that was interrupted goes on where it was. The file is worth nothing to anybody
else, hence synchronous=OFF; it keeps the log's tree and the last checkpoint whose signature held, so that the next
audit knows a log that was rolled back or forked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
import sqlalchemy
from msgspec.structs import astuple
from sqlalchemy import Connection, Integer, LargeBinary, MetaData, Table, event, func, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import Column, CreateIndex, CreateTable

from trust.audit.report import CannotCheck, Sums
from trust.core import ledger
from trust.core.identity import key_of
from trust.core.records import RECORDS, Account, Slot
from trust.core.state import Draft
from trust.log import merkle
from trust.log.merkle import HASH_BYTES
from trust.log.note import Verifier
from trust.log.succession import Succession
from trust.log.tiles import TILE_WIDTH, FullTile, TreeEdge
from trust.settings import sqlite_url
from trust.storage import bulk, tables
from trust.storage.bulk import Existing
from trust.storage.projections import Projections
from trust.storage.reading import Reader
from trust.storage.rows import CODECS, table_of
from trust.storage.state import SqlView
from trust.storage.tables import EMPTY_HEAD, STATE
from trust.storage.tallies import Tally
from trust.storage.unit import StoredEntry, Unit

FILE_NAME = "audit.db"
FORMAT = 4
CACHE_KIB = 32_768
SHOWN = 10
REMEMBERED = 60_000
"""Records in memory, about a kilobyte each: what an auditor may take is less than what a service may."""
_PRAGMAS = (
    "journal_mode=TRUNCATE",
    "synchronous=OFF",
    "locking_mode=EXCLUSIVE",
    f"cache_size=-{CACHE_KIB}",
    "temp_store=MEMORY",
)
_TILES, _HEAD, _WEIGHTS = table_of(tables.Tiles), table_of(tables.Head), table_of(tables.Weights)
_SCORES, _ENTRIES = table_of(tables.SealedScores), table_of(tables.Entries)
_TALLIES = table_of(tables.Tallies)
_STATE = [CODECS[kind].table for kind in RECORDS]
_NEEDED_INDEXES = frozenset({"ix_timers_due", "ix_weights_pool_index"})
_PROGRESS = Table(
    "progress",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
_FOLDED = [*_STATE, _TILES, _WEIGHTS, _SCORES, _ENTRIES, _TALLIES]
_EVERY = [*_FOLDED, _HEAD, _PROGRESS]


class Progress(msgspec.Struct):
    """Facts of an audit beside the state: whose log it is, its last signed checkpoint, what was counted.

    `tail` are the leaf hashes after the last full tile.
    """

    key: str = ""
    checkpoint: bytes = b""
    tail: bytes = b""
    commands: dict[str, int] = {}
    statements: dict[str, int] = {}
    signatures: int = 0
    postings: int = 0
    checkpoints: int = 0
    format: int = FORMAT

    def hashes(self, start: int, end: int) -> list[bytes]:
        """The leaf hashes [start, end), which lie in the tail."""
        first = start - start % TILE_WIDTH
        return merkle.hashes(self.tail[(start - first) * HASH_BYTES : (end - first) * HASH_BYTES])


class Scratch:
    """The state, the tree and the counts as of `view.size` entries. What is not committed is lost."""

    def __init__(self, connection: Connection) -> None:
        self.connection: Final = connection
        self.reader: Final = Reader(connection)
        self.progress = _load(connection)
        head = self.reader.head()
        self.view = SqlView(connection, head)
        self._remembered = 0
        self.edge = TreeEdge.load(head.size, self.progress.hashes, self.reader.tile)
        if self.edge.root() != head.root:
            raise CannotCheck("the state of the earlier audit is damaged: remove it and start anew")

    def leaf_tile(self, n: int) -> bytes:
        """The leaf hashes in tile `n`, 32 bytes each, as far as there are any."""
        return self.reader.tile(0, n) or self.progress.tail

    def write(self, draft: Draft, tally: Tally, kept: Sequence[StoredEntry]) -> None:
        """Writes what entries have changed and counted, and what each slot weighs as of the last of them; keeps those
        entries that answers quote."""
        Unit(self.connection).write_state(draft.writes, Projections())
        slots = [record for record in draft.writes.values() if type(record) is Slot]
        rows = [(slot.pool, slot.number, slot.index, slot.agent, slot.owner, slot.weight) for slot in slots]
        bulk.insert(self.connection, _WEIGHTS, rows, Existing.REPLACE)
        bulk.insert(self.connection, _ENTRIES, list(map(astuple, kept)))
        tally.add_legs(draft.writes)
        tally.write(self.connection)
        self.view.absorb(draft)
        self._remembered += len(draft.writes)

    def commit(self, edge: TreeEdge, tiles: list[FullTile]) -> None:
        """Keeps what was written since the last time, with the tree and the progress that belong to it."""
        self.edge = edge
        self.progress.tail = edge.partial(0)
        bulk.insert(self.connection, _TILES, tiles)
        head = {"size": self.view.size, "at_ms": self.view.at_ms, "root": edge.root()}
        self.connection.execute(update(_HEAD).values(head))
        self.save()

    def save(self) -> None:
        """Keeps the progress."""
        data = msgspec.json.encode(self.progress)
        self.connection.execute(update(_PROGRESS).values(data=data))
        self.connection.commit()
        if self._remembered > REMEMBERED:
            self._remembered = 0
            self.view.forget()

    def index(self) -> None:
        """Makes the other indexes of the state's tables, which only reads need, where they are not there yet."""
        for table in _STATE:
            for index in table.indexes:
                self.connection.execute(CreateIndex(index, if_not_exists=True))
        self.connection.commit()

    def start_anew(self) -> None:
        """Forgets everything but the checkpoint that was signed: what was folded turned out to be another log."""
        self.connection.rollback()
        for table in _FOLDED:
            self.connection.execute(table.delete())
        self.connection.execute(update(_HEAD).values(EMPTY_HEAD))
        self.progress = Progress(key=self.progress.key, checkpoint=self.progress.checkpoint)
        self.save()

    def keys(self, origin: str) -> Succession | None:
        """The log's keys as the entries so far name them; None before genesis."""
        keys = self.reader.service_keys("log")
        named = [(key.since_index, Verifier(origin, key_of(key.id.removeprefix("log/")))) for key in keys]
        return Succession.of(named[0][1], named[1:]) if named else None

    def sums(self) -> Sums:
        """The money as it stands."""
        accounts = STATE[Account].c
        account, units = accounts.id, accounts.balance_units
        count, total = self.connection.execute(select(func.count(account), _total(units))).one()
        named = select(_total(units)).where(account.in_([ledger.EXTERNAL]))
        burnt = select(_total(units)).where(account.in_([ledger.BURN]))
        below = select(account).where(units < 0, account != ledger.EXTERNAL).order_by(account).limit(SHOWN)
        return Sums(
            accounts=count,
            total=total,
            external=self.connection.execute(named).scalar_one(),
            burnt=self.connection.execute(burnt).scalar_one(),
            overdrawn=tuple(self.connection.execute(below).scalars()),
        )


def _total(units: Any) -> Any:
    return func.coalesce(func.sum(units), 0)


@contextmanager
def scratch(folder: Path | None) -> Iterator[Scratch]:
    """The state in a directory that stays, or in one that goes with the audit. CannotCheck where it cannot be used."""
    with TemporaryDirectory(prefix="trust-audit-") as temporary:
        file = (folder or Path(temporary)) / FILE_NAME
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            engine = _engine(file)
            with engine.connect() as connection:
                yield Scratch(connection)
            engine.dispose()
        except (SQLAlchemyError, OSError) as error:
            raise CannotCheck(f"the audit's own state in {file.parent} cannot be used: {error}") from error


def _engine(file: Path) -> sqlalchemy.Engine:
    engine = sqlalchemy.create_engine(sqlite_url(file), poolclass=sqlalchemy.NullPool)

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # no BEGIN of the driver's own
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@cache
def _schema() -> tuple[str, ...]:
    """Returns the statements that make the tables and the indexes which are needed from the beginning."""
    indexes = (index for table in _EVERY for index in table.indexes if index.name in _NEEDED_INDEXES)
    made: list[CreateTable | CreateIndex] = [
        *map(CreateTable, _EVERY),
        *map(CreateIndex, sorted(indexes, key=lambda index: str(index.name))),
    ]
    return tuple(str(each.compile(dialect=sqlite.dialect())) for each in made)


def _load(connection: Connection) -> Progress:
    """The progress of an earlier audit, or that of a new one in new tables."""
    if not sqlalchemy.inspect(connection).has_table(_PROGRESS.name):
        for statement in _schema():
            connection.exec_driver_sql(statement)
        connection.execute(_HEAD.insert().values(EMPTY_HEAD))
        connection.execute(_PROGRESS.insert().values(id=0, data=msgspec.json.encode(Progress())))
        connection.commit()
    data = connection.execute(select(_PROGRESS.c.data)).scalar_one()
    try:
        progress = msgspec.json.decode(data, type=Progress)
    except msgspec.MsgspecError as error:
        raise CannotCheck(f"the state of the earlier audit is damaged: {error}") from error
    if progress.format != FORMAT:
        raise CannotCheck("the state is of another release of trust: remove it and start anew")
    return progress
