"""State is a fold over the log: folded again it is the same, row for row."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import text

from tests.services.houses import House
from tests.storage.stores import Rows, all_rows, founded
from trust.services import rebuilding
from trust.services.rebuilding import rebuild
from trust.storage.engine import Database
from trust.storage.unit import aside


def rows(database: Database) -> Rows:
    with database.snapshot() as connection:
        return all_rows(connection)


class Lived(NamedTuple):
    """A log with every part of a claim's life, with seals and draws, and the rows that came of it."""

    database: Database
    rows: Rows


@pytest.fixture(scope="module")
def lived(shared_database: Database) -> Lived:
    store, scene = founded(shared_database)
    scene.ended("passes")
    scene.ended("fails", "fail")
    scene.claimed("runs-out")
    scene.net.tick(scene.net.policy.claims.lease_ms)
    scene.submitted("waits")
    store.close()
    return Lived(shared_database, rows(shared_database))


@pytest.mark.parametrize("chunk", [1, 7, 1_000])
def test_a_rebuild_makes_the_same_rows(lived: Lived, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "CHUNK", chunk)
    assert all(
        lived.rows[name]
        for name in (
            "nodes",
            "sealed_pools",
            "seats",
            "scores",
            "postings",
            "mentions",
            "weights",
            "observations",
        )
    )
    seen: list[tuple[int, int]] = []
    size = rebuild(lived.database, lambda done, of: seen.append((done, of)))
    assert rows(lived.database) == lived.rows
    assert seen[-1] == (size, size)
    assert seen == sorted(seen)


def test_a_rebuild_mends_tables_that_were_damaged_and_dropped(lived: Lived) -> None:
    with aside(lived.database) as connection:
        connection.execute(text("UPDATE accounts SET balance_units = 7"))
        for table in ("claims", "nodes", "timers", "weights"):
            connection.execute(text(f"DELETE FROM {table}"))
    assert rows(lived.database) != lived.rows
    rebuild(lived.database)
    assert rows(lived.database) == lived.rows


def test_a_rebuild_that_fails_leaves_everything_as_it_was(
    lived: Lived, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "CHUNK", 10)

    def interrupted(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(lived.database, interrupted)
    assert rows(lived.database) == lived.rows


def test_the_write_path_goes_on_after_a_rebuild(database: Database, tmp_path: Path) -> None:
    house = House(database, tmp_path).found()
    house.claimed("task", house.town.workers[0])
    before = rows(database)
    rebuild(database)
    assert rows(database) == before
    house.claimed("another", house.town.workers[1])


def test_a_log_without_entries_is_rebuilt_to_nothing(database: Database) -> None:
    assert rebuild(database) == 0
    assert not any(rows(database).values())
