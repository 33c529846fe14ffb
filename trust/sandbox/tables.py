"""Two databases of one log, compared table by table: what a service kept up to date, and what its entries fold to."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

DATABASE = "trust.db"
BESIDE = frozenset({"alembic_version", "blobs", "cosigned", "elsewhere"})
"""What a service keeps that does not follow from entries."""
_FILES = ("log.vkey", "trust.toml")


def copy(source: Path, target: Path) -> None:
    """Copies a data directory's database as of one moment, while its service runs."""
    target.mkdir(parents=True, exist_ok=True)
    with (
        closing(sqlite3.connect(source / DATABASE)) as before,
        closing(sqlite3.connect(target / DATABASE)) as after,
    ):
        before.backup(after)
    for name in _FILES:
        if (source / name).exists():
            shutil.copy(source / name, target / name)


def differences(one: Path, other: Path) -> list[str]:
    """The tables that differ."""
    with (
        closing(sqlite3.connect(one / DATABASE)) as first,
        closing(sqlite3.connect(other / DATABASE)) as second,
    ):
        names = _names(first) | _names(second)
        return sorted(name for name in names - BESIDE if _rows(first, name) != _rows(second, name))


def _names(database: sqlite3.Connection) -> set[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    return {name for (name,) in database.execute(query)}


def _rows(database: sqlite3.Connection, name: str) -> list[str]:
    """A table's rows in an order of their own, without row ids."""
    return sorted(map(repr, database.execute(f'SELECT * FROM "{name}"').fetchall()))
