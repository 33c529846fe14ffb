"""Two databases of one log, compared table by table: what a service kept up to date, and what its entries fold to."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

DATABASE = "trust.db"
BESIDE = frozenset({"alembic_version", "blobs", "cosigned", "elsewhere"})
"""What a service keeps that does not follow from entries."""
AHEAD = frozenset({"nodes"})
"""What is stored before an entry names it: what no entry came to name may lie there too."""
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
        return sorted(name for name in names - BESIDE if _differs(name, first, second))


def _differs(name: str, kept: sqlite3.Connection, folded: sqlite3.Connection) -> bool:
    have, need = _rows(kept, name), _rows(folded, name)
    return bool(need - have) if name in AHEAD else have != need


def _names(database: sqlite3.Connection) -> set[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    return {name for (name,) in database.execute(query)}


def _rows(database: sqlite3.Connection, name: str) -> Counter[str]:
    """A table's rows, in no order."""
    return Counter(map(repr, database.execute(f'SELECT * FROM "{name}"').fetchall()))
