"""What one checked claim leaves behind, from its posting to the end of its evidence window: bytes of log and of
database. A panel of three votes pass; statements are signed, and the database keeps the log too."""

from __future__ import annotations

import gc
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.table import Row, at_most, figure
from tests.core.flows import Scene
from tests.core.network import Net
from tests.core.terms import policy_of
from tests.storage.stores import SqlStore
from trust.storage.engine import Database
from trust.storage.migrations import upgrade

BEFORE_BYTES = 21_000
"""Of log, under rules 1."""
GOAL = 0.5
WARM_UP = 3


def run(quick: bool) -> list[Row]:
    """A claim of a worker nobody knows: always checked, one at a time."""
    count = 10 if quick else 100
    with TemporaryDirectory() as folder:
        upgrade(url := f"sqlite:///{Path(folder) / 'trust.db'}")
        database = Database(url)
        town = Scene(Net(policy_of(trusted_streak=10_000), SqlStore(database)))
        town.net.deposit(town.requester.did, 10**6)
        for number in range(WARM_UP):
            _claim(town, f"warm-{number}")
        logged, held = len(town.net.entries), _held(database)
        for number in range(count):
            _claim(town, f"t{number}")
        written = town.net.entries[logged:]
        log_bytes = sum(len(entry.data) for entry in written) / count
        database_bytes = (_held(database) - held) / count
        database.close()
        gc.collect()
    entries = f"{log_bytes:,.0f} bytes in {len(written) / count:.1f} entries"
    return [
        at_most("log of a checked claim", entries, f"{BEFORE_BYTES:,} bytes", log_bytes / BEFORE_BYTES, GOAL),
        figure(
            "database of a checked claim, its log included",
            f"{database_bytes:,.0f} bytes",
            "its log",
            database_bytes / log_bytes,
        ),
    ]


def _claim(town: Scene, task: str) -> None:
    town.ended(task)
    town.net.tick(town.net.policy.windows.evidence_ms)


def _held(database: Database) -> int:
    """Returns the bytes of the pages that a SQLite database uses."""
    with database.snapshot() as connection:
        pages, free, size = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)
