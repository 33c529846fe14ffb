"""State is a fold over the log: folded again it is the same, row for row."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from tests.core.flows import Scene
from tests.core.network import Net
from tests.services.houses import House
from tests.storage.stores import Rows, SqlStore, all_rows
from trust.services import rebuilding
from trust.services.rebuilding import rebuild
from trust.storage.engine import Database
from trust.storage.unit import aside


def rows(database: Database) -> Rows:
    with database.snapshot() as connection:
        return all_rows(connection)


def lived(database: Database) -> None:
    """A log with every part of a claim's life, with seals and draws."""
    store = SqlStore(database)
    scene = Scene(Net(store=store))
    scene.ended("passes")
    scene.ended("fails", "fail")
    scene.claimed("runs-out")
    scene.net.tick(scene.net.policy.claims.lease_ms)
    scene.submitted("waits")
    store.close()


@pytest.mark.parametrize("chunk", [1, 7, 1_000])
def test_a_rebuild_makes_the_same_rows(
    database: Database, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "CHUNK", chunk)
    lived(database)
    before = rows(database)
    assert all(
        before[name]
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
    size = rebuild(database, lambda done, of: seen.append((done, of)))
    assert rows(database) == before
    assert seen[-1] == (size, size)
    assert seen == sorted(seen)


def test_a_rebuild_mends_tables_that_were_damaged_and_dropped(database: Database) -> None:
    lived(database)
    before = rows(database)
    with aside(database) as connection:
        connection.execute(text("UPDATE accounts SET balance_units = 7"))
        for table in ("claims", "nodes", "timers", "weights"):
            connection.execute(text(f"DELETE FROM {table}"))
    assert rows(database) != before
    rebuild(database)
    assert rows(database) == before


def test_a_rebuild_that_fails_leaves_everything_as_it_was(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived(database)
    before = rows(database)
    monkeypatch.setattr(rebuilding, "CHUNK", 10)

    def interrupted(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(database, interrupted)
    assert rows(database) == before


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
