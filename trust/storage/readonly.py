"""Databases as whoever judges them opens them: not a byte of theirs is changed, and no table is migrated.

- A SQLite file that nobody has open is read as immutable: no write-ahead log, no lock, no file beside it. What is
  read proves nothing (`Unusable`) where somebody begins to write to it meanwhile.
- One that a service has open is read beside it, read only: nothing changes but the locks in its -shm file.
- What a crash left behind (a log or a journal that nobody has open) is replayed in a copy, and so is a migration.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, event

from trust.errors import Unusable
from trust.log.tiles import TileCache
from trust.settings import sqlite_url
from trust.storage.engine import BUSY_TIMEOUT_MS, CACHE_KIB, Database, file_of
from trust.storage.migrations import Age, age, check_kind, newer, upgrade

THREADS = 4
_BESIDE = ("-wal", "-journal")


@contextmanager
def read_only(url: str) -> Iterator[Database]:
    """A database to look at, with the tables of this release. Raises `Unusable`, FileNotFoundError."""
    path = file_of(url)
    with ExitStack() as stack:
        database = stack.enter_context(_opened(url) if path is None else _opened_file(path))
        with database.snapshot() as connection:
            schema_age = age(connection)
        if schema_age is Age.NEWER:
            raise newer(url)
        if schema_age is Age.EMPTY:
            raise Unusable("there is no log in this database", hint="trust init makes one")
        if schema_age is Age.OLDER:
            if path is None:
                raise Unusable(
                    "the tables are those of an older release",
                    hint="start the service of this release once, or look with the older release",
                )
            database = stack.enter_context(_migrated(path))
        yield database


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(url, THREADS)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _opened_file(path: Path) -> Iterator[Database]:
    check_kind(path)
    with ExitStack() as stack:
        is_live = _with_suffix(path, "-shm").exists()
        if _left_behind(path) and not (is_live and _opens(path)):
            path = _copied(path, Path(stack.enter_context(TemporaryDirectory(prefix="trust-"))))
            is_live = True
        database = _File(path, is_immutable=not is_live)
        stack.callback(database.close)
        yield database


@contextmanager
def _migrated(path: Path) -> Iterator[Database]:
    """A copy whose tables are brought to this release."""
    with TemporaryDirectory(prefix="trust-") as folder, _opened_file(path) as source:
        copy = Path(folder) / path.name
        with source.snapshot() as connection, closing(sqlite3.connect(copy)) as written:
            connection.connection.driver_connection.backup(written)  # type: ignore[union-attr]
        upgrade(sqlite_url(copy))
        with _opened_file(copy) as database:
            yield database


def _opens(path: Path) -> bool:
    """Returns whether SQLite can read a file beside whoever writes it: on a medium that is read only it may not."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        return False
    return True


def _with_suffix(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _left_behind(path: Path) -> bool:
    beside = [_with_suffix(path, suffix) for suffix in _BESIDE]
    return any(each.exists() and each.stat().st_size for each in beside)


def _copied(path: Path, folder: Path) -> Path:
    for suffix in ("", *_BESIDE):
        if (each := _with_suffix(path, suffix)).exists():
            shutil.copyfile(each, folder / each.name)
    return folder / path.name


class _File(Database):
    """A SQLite file that is only read. The one engine serves both kinds of connection, and none can write."""

    def __init__(self, path: Path, *, is_immutable: bool) -> None:
        self.url = sqlite_url(path)
        self.tiles = TileCache()
        self.is_sqlite = True
        self._path = path
        self._is_immutable = is_immutable
        self._opened = self._state()
        self.readers = self.writers = self._reading()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection on which every read sees one state; `Unusable` where an immutable file was changed meanwhile."""
        with self.readers.connect() as connection:
            yield connection
        if self._is_immutable and self._state() != self._opened:
            raise Unusable(
                f"{self._path} was written to while it was read",
                hint="a service has started on it: run this again",
            )

    def _state(self) -> tuple[int, int, bool]:
        stat = self._path.stat()
        return stat.st_mtime_ns, stat.st_size, _left_behind(self._path)

    def _reading(self) -> Engine:
        uri = f"{self._path.resolve().as_uri()}?mode=ro{'&immutable=1' if self._is_immutable else ''}"
        engine = sqlalchemy.create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(uri, uri=True, check_same_thread=False),
            poolclass=sqlalchemy.QueuePool,
            pool_size=THREADS,
            max_overflow=0,
        )

        @event.listens_for(engine, "connect")
        def connected(connection: Any, _: object) -> None:
            connection.isolation_level = None
            for pragma in (
                f"busy_timeout={BUSY_TIMEOUT_MS}",
                f"cache_size=-{CACHE_KIB}",
                "temp_store=MEMORY",
                "query_only=1",
            ):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def began(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN")

        return engine
