"""A disk that fills up: callers are told 507 and nothing is decided, readiness warns before, what must work works."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.services.houses import House
from tests.services.logs import check_log
from trust.errors import TrustError
from trust.services.blobs import Blobs
from trust.services.disk_space import Room
from trust.storage import faults
from trust.storage.engine import Database
from trust.storage.reading import reading

MIB = 1024 * 1024


@pytest.fixture
def database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    shutil.copy(sqlite_template, tmp_path / "trust.db")
    opened = Database(f"sqlite:///{tmp_path / 'trust.db'}")
    yield opened
    opened.close()


def left(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    class Found:
        f_bavail, f_frsize = free // 4_096, 4_096

    monkeypatch.setattr(os, "statvfs", lambda _: Found())


def test_readiness_warns_while_there_is_time_and_below_the_reserve_nothing_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room([tmp_path, tmp_path], 64 * MIB)
    left(monkeypatch, 1_025 * MIB)
    assert room.warnings() == ()
    room.check()
    left(monkeypatch, 100 * MIB)
    assert len(room.warnings()) == 1
    assert "almost full: 100 MiB are left" in room.warnings()[0]
    room.check()
    left(monkeypatch, 63 * MIB)
    with pytest.raises(TrustError, match="63 MiB are left, of which 64 are reserved") as refused:
        room.check()
    assert (refused.value.code, refused.value.status) == ("storage-full", 507)
    assert refused.value.retry_after_s == 30


def test_a_statement_that_there_is_no_room_for_is_not_decided_and_what_is_due_still_is(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(database, tmp_path).found()
    house.claimed("task", house.town.workers[0])
    house.sequencer._room = Room([tmp_path], 64 * MIB).check
    left(monkeypatch, MIB)
    said = house.town.post("another")
    with pytest.raises(TrustError, match="storage-full"):
        house.decide(said)
    with reading(database) as reader:
        before = reader.head().size
    house.town.now_ms += house.town.policy.claims.lease_ms + house.town.policy.windows.grace_ms
    assert house.sequencer.serve([])
    with reading(database) as reader:
        assert reader.head().size > before
    left(monkeypatch, 64 * MIB)
    house.receipts(house.town.post("later"))


def test_a_database_that_is_full_is_told_as_that_and_goes_on_when_there_is_room(
    database: Database, tmp_path: Path
) -> None:
    house = House(database, tmp_path).found()

    def bounded(connection: Any, pages: int) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    with database.writers.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        bounded(connection.connection, pages + 20)
    data = os.urandom(200_000)
    digest = sha256(data).hexdigest()
    with pytest.raises(Exception, match="full") as full:
        Blobs(database).put(digest, data, "somebody")
    refused = faults.refusal(full.value)
    assert refused is not None
    assert refused.status == 507
    tasks = (house.town.post(f"task-{number}") for number in range(2_000))
    with pytest.raises(TrustError, match="storage-full"):
        all(house.receipts(*twenty) for twenty in zip(*[tasks] * 20, strict=False))
    with database.writers.connect() as connection:
        bounded(connection.connection, 1_000_000)
    house.receipts(house.town.post("there-is-room-again"))
    assert Blobs(database).put(digest, data, "somebody")
    check_log(database, house.town.log.verifier)
