"""`/health/ready` says no where no write would be decided, and what an operator should look at before that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.house import House, house
from trust import clock
from trust.services.liveness import VitalSigns

DAY_MS = 86_400_000


@pytest.fixture
def home(tmp_path: Path, sqlite_url: str) -> Iterator[House]:
    with house(tmp_path, sqlite_url) as home:
        home.settle_in()
        yield home


def test_a_clock_that_jumped_a_day_ahead_decides_nothing_and_readiness_says_so(home: House) -> None:
    said = home.deposit(home.requester.did, 1)
    clock.process._offset_ms -= DAY_MS  # what a jump of the wall clock looks like
    assert home.client.get("/health/ready").status_code == 503
    size = home.get("/v1/stats")["size"]
    for answer in (home.client.get("/health/ready"), home.post_to("/v1/stakes", said)):
        assert (answer.status_code, answer.json()["code"]) == (503, "clock-in-doubt")
        assert "jumped by 86400 s" in answer.json()["detail"]
        assert answer.headers["retry-after"]
    assert home.get("/v1/stats")["size"] == size
    clock.process._offset_ms += DAY_MS
    assert home.get("/health/ready")["status"] == "ready"
    home.done("/v1/stakes", said)


def test_a_writer_that_has_ended_is_not_ready(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = ("the writer has ended: SystemExit", "the verifying did nothing for 99 s")
    monkeypatch.setattr(VitalSigns, "wrong", lambda _: wrong)
    answer = home.client.get("/health/ready")
    assert (answer.status_code, answer.json()["reasons"]) == (503, list(wrong))


def test_readiness_shows_the_last_scrub_and_what_it_found(home: House) -> None:
    home.wait(lambda: home.get("/health/ready")["scrub"]["ended_ms"] > 0)
    found = home.get("/health/ready")["scrub"]
    assert found["entries"] > 0
    assert found["damaged"] == []
    with home.database.writers.connect() as connection:
        connection.exec_driver_sql("UPDATE entries SET data = x'00' WHERE \"index\" = 1")
        connection.commit()
    home.wait(lambda: "damaged: entry 1: see trust log check" in home.get("/health/ready")["warnings"])
    answer = home.client.get("/log/tile/entries/000.p/2")
    assert answer.status_code == 503
