"""Databases: how each kind is opened, so that what it says is committed is on the disk (docs/architecture.md 3 and 4).

- SQLite: WAL with synchronous=FULL; one connection writes, with BEGIN IMMEDIATE so that it waits for its
  turn, and it alone makes the WAL's checkpoints (older SQLites corrupt it where two do). Readers cannot write.
- PostgreSQL: fsync, full_page_writes and synchronous_commit are looked up on every new connection, because a
  server that lost them loses commits. Session and TCP timeouts of seconds: a replica that stops must not keep
  the head locked. Writers read what the last one committed (READ COMMITTED, under the head's lock), readers
  one snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy
from sqlalchemy import JSON, Connection, Engine, Select, Text, bindparam, cast, event, func, select
from sqlalchemy.engine import make_url

from trust.log.tiles import TileCache

BUSY_TIMEOUT_MS = 10_000
LOCK_TIMEOUT_MS = 10_000
IDLE_WRITER_MS = 5_000
IDLE_READER_MS = 60_000
POOL_TIMEOUT_S = 30
WRITERS = 4
CACHE_KIB = 65_536
WAL_PAGES = 16_000

_SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    f"cache_size=-{CACHE_KIB}",
    "temp_store=MEMORY",
    f"wal_autocheckpoint={WAL_PAGES}",
)
_POSTGRES_OPTIONS = f"-c lock_timeout={LOCK_TIMEOUT_MS} -c synchronous_commit=on -c timezone=UTC"
_POSTGRES_TCP = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 6_000,
}
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


class NotDurable(RuntimeError):
    """A database that may lose what it says is committed."""


class Database:
    """One database: a pool of connections that write, and one of connections that only read.

    `tiles` is what proofs of its log have in common.
    """

    def __init__(self, url: str, reader_threads: int = 4) -> None:
        self.url = url
        self.tiles = TileCache()
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        self.writers = self._engine(1 if self.is_sqlite else WRITERS, writes=True)
        self.readers = self._engine(reader_threads, writes=False)

    def close(self) -> None:
        """Closes every connection that is not in use."""
        self.readers.dispose()
        self.writers.dispose()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection on which every read sees one state of the database."""
        with self.readers.connect() as connection:
            yield connection

    def _engine(self, connections: int, *, writes: bool) -> Engine:
        pool = {"pool_size": connections, "max_overflow": 0, "pool_timeout": POOL_TIMEOUT_S}
        hidden = {"hide_parameters": True}  # no error shows what somebody sent
        if self.is_sqlite:
            engine = sqlalchemy.create_engine(
                self.url, connect_args={"check_same_thread": False}, **hidden, **pool
            )
            _prepare_sqlite(engine, writes=writes)
        else:
            isolation = "READ COMMITTED" if writes else "REPEATABLE READ"
            arguments = {"options": f"{_POSTGRES_OPTIONS} {_session(writes=writes)}", **_POSTGRES_TCP}
            engine = sqlalchemy.create_engine(
                self.url,
                connect_args=arguments,
                isolation_level=isolation,
                pool_pre_ping=True,
                **hidden,
                **pool,
            )
            event.listen(engine, "connect", _check_postgres)
        return engine


def file_of(url: str) -> Path | None:
    """The file of a SQLite database."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def _prepare_sqlite(engine: Engine, *, writes: bool) -> None:
    pragmas = (*_SQLITE_PRAGMAS, "query_only=0" if writes else "query_only=1")

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # no BEGIN of the driver's own: `began` says which
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        _expect(connection.execute("PRAGMA journal_mode").fetchone()[0], "wal", "journal_mode")
        _expect(connection.execute("PRAGMA synchronous").fetchone()[0], 2, "synchronous")

    @event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _session(*, writes: bool) -> str:
    """How long a session may hold a transaction without using it: a writer's holds the head's lock."""
    if writes:
        return f"-c idle_in_transaction_session_timeout={IDLE_WRITER_MS}"
    return f"-c idle_in_transaction_session_timeout={IDLE_READER_MS} -c default_transaction_read_only=on"


def _check_postgres(connection: Any, _: object) -> None:
    with connection.cursor() as cursor:
        for name, value in _DURABLE.items():
            _expect(cursor.execute(f"SHOW {name}").fetchone()[0], value, name)
    connection.rollback()


def _expect(value: object, wanted: object, name: str) -> None:
    if value != wanted:
        raise NotDurable(f"the database has {name} = {value}, it must be {wanted}: commits could be lost")


def listed(dialect: str) -> Select[tuple[str]]:
    """Ids as a query to be `in_`: the one parameter of `ids_of`, and one prepared statement for any number of them."""
    text = bindparam("ids", type_=Text)
    if dialect == "postgresql":
        return select(func.json_array_elements_text(cast(text, JSON)))
    return select(func.json_each(text).table_valued("value").c.value)


def ids_of(ids: Sequence[str]) -> dict[str, str]:
    """The parameter of a query that has ids `listed`."""
    return {"ids": msgspec.json.encode(ids).decode()}
