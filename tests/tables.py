"""Databases with all tables and no rows, made by the migrations once in a process: a tenth of a second each time."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import delete, update

from trust.log.merkle import EMPTY_ROOT
from trust.storage.engine import Database, file_of
from trust.storage.migrations import upgrade
from trust.storage.tables import METADATA, Head
from trust.storage.unit import aside


def make_tables(url: str) -> None:
    """Brings a database to this release; a SQLite file that does not exist yet becomes a copy of one that was."""
    path = file_of(url)
    if path is not None and not path.exists():
        path.write_bytes(_sqlite_file())
    else:
        upgrade(url)


def empty(url: str) -> None:
    """Deletes every row, and sets the head back."""
    database = Database(url)
    with aside(database) as connection:
        for table in METADATA.tables.values():
            if table.name != Head.__tablename__:
                connection.execute(delete(table))
        connection.execute(update(Head).values(size=0, at_ms=0, root=EMPTY_ROOT, checkpoint=b""))
    database.close()


@lru_cache
def _sqlite_file() -> bytes:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "trust.db"
        upgrade(f"sqlite:///{path}")
        return path.read_bytes()
