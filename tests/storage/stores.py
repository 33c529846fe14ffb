"""Databases for tests, and the rulebook's test network over one of them."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, text

from tests.core.flows import Scene
from tests.core.network import Net, Records
from tests.tables import make_tables
from trust.core.entry import decode_entry
from trust.core.records import RECORDS, Node, Record
from trust.core.rulebook import Decided, incoming_of
from trust.core.state import Draft
from trust.log.merkle import leaf_hash
from trust.services.batch import entry_kind
from trust.settings import shipped
from trust.storage.engine import Database, file_of
from trust.storage.projections import TABLES, Projections, actor_and_subjects
from trust.storage.reading import reading
from trust.storage.rows import CODECS
from trust.storage.state import SqlView
from trust.storage.tables import METADATA
from trust.storage.unit import Head as LogHead
from trust.storage.unit import StoredEntry, aside, unit

Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and no rows, to copy."""
    path = tmp_path_factory.mktemp("template") / "trust.db"
    make_tables(f"sqlite:///{path}")
    return path


@pytest.fixture
def migrated_url(database_url: str) -> str:
    """An empty log with its tables; the test runs on each kind of database."""
    return _with_tables(database_url)


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    """The same, opened."""
    opened = Database(migrated_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def shared_database(shared_database_url: str) -> Iterator[Database]:
    """An empty log with its tables, one for all tests of a file, which run on each kind of database."""
    opened = Database(_with_tables(shared_database_url))
    yield opened
    opened.close()


def _with_tables(url: str) -> str:
    """A database that is lent by PostgreSQL has them."""
    if file_of(url) is not None:
        make_tables(url)
    return url


@contextmanager
def changed(database: Database, *statements: str) -> Iterator[None]:
    """Has each statement change one row beside the log; at the end the tables are put back as they were."""
    found = [
        METADATA.tables[next(word for word in each.split() if word in METADATA.tables)] for each in statements
    ]
    with aside(database) as connection:
        rows = {table: connection.execute(select(table)).mappings().all() for table in found}
        for each in statements:
            values = {"rot": b"rot"} if ":rot" in each else {}
            assert connection.execute(text(each), values).rowcount == 1, each
    yield
    with aside(database) as connection:
        for table, before in rows.items():
            connection.execute(delete(table))
            if before:
                connection.execute(insert(table), [dict(row) for row in before])


def without_lists(execute: Callable[[str], object]) -> None:
    """Takes back what the migrations from that of the lists on made, so that an older one can be made again."""
    execute("DROP TABLE tallies")
    execute("DROP INDEX ix_convictions_listed")
    execute("DROP INDEX ix_claims_held")
    execute("DROP TABLE squads")
    execute("ALTER TABLE allocations DROP COLUMN squad")
    for column in ("parts", "most_parts", "parent", "part", "first_item", "squad"):
        execute(f"ALTER TABLE tasks DROP COLUMN {column}")
    made = runpy.run_path(str(shipped("alembic") / "versions" / "0004_lists.py"))
    for name, *_ in made["NEW"]:
        execute(f"DROP INDEX {name}")
    for table, column in made["REPLACED"]:
        execute(f"CREATE INDEX ix_{table}_{column} ON {table} ({column})")
    execute('ALTER TABLE tasks DROP COLUMN "references"')
    execute("ALTER TABLE claims DROP COLUMN task_kind")


def all_rows(connection: Connection) -> Rows:
    """Every row of state and projections, in the order of their keys."""
    tables = [*(CODECS[kind].table for kind in RECORDS), *TABLES]
    return {
        table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
        for table in tables
    }


def founded(database: Database, verifiers: int = 12) -> tuple[SqlStore, Scene]:
    """A scene in a database; its founding is one transaction."""
    store = SqlStore(database)
    net = Net(store=store)
    net.autoflush = False
    scene = Scene(net, verifiers)
    net.autoflush = True
    net.flush()
    return store, scene


def _kind_of(data: bytes) -> str:
    """The kind of an entry, as the service stores it."""
    command = decode_entry(data).command
    return "clock" if command.clock is not None else entry_kind(incoming_of(command))


class SqlStore:
    """State in a database, each flush one transaction. The log has entries and no tree: nobody asks for proofs."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._view = SqlView()
        self._connection: Connection | None = None

    def view(self) -> SqlView:
        self.close()
        self._connection = self.database.readers.connect()
        with reading(self.database) as reader:
            self._view.open(self._connection, reader.head())
        return self._view

    def absorb(self, draft: Draft, entries: Sequence[Decided]) -> None:
        rows = [StoredEntry(e.index, e.at_ms, _kind_of(e.data), e.data, leaf_hash(e.data)) for e in entries]
        projections = Projections()
        for entry in entries:
            actor, digests = actor_and_subjects(decode_entry(entry.data))
            projections.add(entry.index, entry.at_ms, actor, entry.events, digests)
        self.close()
        with unit(self.database) as u:
            u.append(rows, [], LogHead(draft.size, draft.at_ms, b"", b""))
            u.write_state(draft.writes, projections)
        self._view.absorb(draft)

    def put_nodes(self, nodes: Sequence[Node]) -> None:
        with unit(self.database) as u:
            u.write_state({(Node, node.id): node for node in nodes}, Projections())
        self._view.forget()

    def records(self, *kinds: type[Record]) -> Records:
        found: Records = {}
        with self.database.snapshot() as connection:
            for kind in kinds or CODECS:
                codec = CODECS[kind]
                for row in connection.execute(select(codec.table)):
                    record = codec.to_record(row)
                    found[kind, record.id] = record
        return found

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
