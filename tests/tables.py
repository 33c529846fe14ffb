"""Databases with all tables and no rows, made by the migrations once in a process: a tenth of a second each time."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from trust.log.merkle import EMPTY_ROOT
from trust.storage.engine import file_of
from trust.storage.migrations import upgrade
from trust.storage.tables import METADATA, Head


def make_tables(url: str) -> None:
    """Brings a database to this release; a SQLite file that does not exist yet becomes a copy of one that was."""
    path = file_of(url)
    if path is not None and not path.exists():
        path.write_bytes(_sqlite_file())
    else:
        upgrade(url)


def empty(url: str) -> None:
    """Deletes every row of a PostgreSQL database, and sets the head back, in one turn."""
    import psycopg  # late: SQLite does without

    deletes = [f"DELETE FROM {name}" for name in METADATA.tables if name != Head.__tablename__]
    root = EMPTY_ROOT.hex()
    head = f"UPDATE {Head.__tablename__} SET size = 0, at_ms = 0, root = '\\x{root}', checkpoint = ''"
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute(";".join([*deletes, head]).encode())


@lru_cache
def _sqlite_file() -> bytes:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "trust.db"
        upgrade(f"sqlite:///{path}")
        return path.read_bytes()
