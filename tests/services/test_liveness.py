"""No exception ends a thread unsaid, and readiness knows of each that it lives and when it last did its work."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy.exc import DatabaseError

from tests.services.houses import House
from trust import clock
from trust.clock import Clock
from trust.errors import TrustError
from trust.jobs.schedule import Job
from trust.services.inbox import Submission
from trust.services.liveness import Sign, VitalSigns, keep_on
from trust.services.receipts import Receipt
from trust.services.signature_checks import Verifying
from trust.services.signature_process import SignatureProcess
from trust.storage.engine import Database
from trust.storage.reading import Reader

MALFORMED = DatabaseError("SELECT", None, Exception("database disk image is malformed"))


@pytest.fixture
def house(sqlite_template: Path, tmp_path: Path) -> House:
    shutil.copy(sqlite_template, tmp_path / "trust.db")
    return House(Database(f"sqlite:///{tmp_path / 'trust.db'}"), tmp_path).found()


def test_a_read_of_what_is_due_that_fails_does_not_end_the_writer(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[int] = []

    def fail(_: Reader) -> int:
        failed.append(1)
        raise MALFORMED

    monkeypatch.setattr(Reader, "next_due_ms", fail)
    house.sequencer.tick()
    house.sequencer.start()
    for task in ("one", "two"):
        (outcome,) = house.sequencer.submit([house.town.post(task)]).result(5)
        assert isinstance(outcome, Receipt)
        house.sequencer.tick()
    assert failed
    assert house.sequencer.sign.wrong == ""
    house.sequencer.stop()
    house.database.close()


def test_a_writer_that_breaks_answers_who_waits_and_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = house.sequencer.serve

    def broken(_: list[Submission]) -> bool:
        monkeypatch.setattr(house.sequencer, "serve", serve)
        raise MemoryError

    monkeypatch.setattr(house.sequencer, "serve", broken)
    house.sequencer.start()
    said = house.town.post("task")
    with pytest.raises(MemoryError):
        house.sequencer.submit([said]).result(5)
    (outcome,) = house.sequencer.submit([said]).result(5)
    assert isinstance(outcome, Receipt)
    house.sequencer.stop()
    house.database.close()


def test_a_thread_that_ends_or_does_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    signs = VitalSigns()
    sign = signs.add(Sign("writer", 1_000))
    assert signs.wrong() == ()
    turns: list[int] = []

    def turn() -> bool:
        turns.append(1)
        if len(turns) == 2:
            raise ZeroDivisionError
        return len(turns) < 3

    keep_on(sign, turn, lambda _: None)
    assert len(turns) == 3
    assert signs.wrong() == ("the writer has ended: it was stopped",)
    sign.begin()
    now_ms = clock.monotonic_ms()
    monkeypatch.setattr(clock, "monotonic_ms", lambda: now_ms + 5_000)
    sign.fail(OSError(28, "No space left on device"))
    (wrong,) = signs.wrong()
    assert wrong.startswith("the writer did nothing for 5 s (OSError")
    sign.beat()
    assert signs.wrong() == ()


def test_verifying_answers_what_breaks_it_and_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    verifying = Verifying()
    said = house.town.post("task")
    with monkeypatch.context() as patched:
        patched.setattr("trust.services.signature_checks.answer", lambda _: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            verifying.verify_many([said]).result(5)
    assert verifying.verify_many([said]).result(5) == [None]
    verifying.close()
    with pytest.raises(TrustError, match="shutting-down"):
        verifying.verify_many([said])
    house.database.close()


def test_a_process_beside_that_stands_still_is_replaced_and_nobody_waits_for_it(house: House) -> None:
    beside = SignatureProcess(patience_s=0.2)
    assert beside.ask([]) == b""
    assert beside._process is not None
    os.kill(beside._process.pid, signal.SIGSTOP)
    begun = time.monotonic()
    question = (bytes(32), b"message", bytes(64))
    assert beside.ask([question]) == b"\0"
    assert time.monotonic() - begun < 5
    beside.close()
    house.database.close()


class Silent(Exception):
    def __str__(self) -> str:
        return ""


def test_a_job_that_fails_without_a_word_ends_nothing() -> None:
    def fail() -> None:
        raise Silent

    def refuse() -> None:
        raise TrustError("overloaded")

    for call in (fail, refuse):
        job = Job("test", 10, call)
        job.run()
        assert job.sign.shown().wrong


def test_a_log_line_that_cannot_be_written_fails_no_write(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> str:
        raise BrokenPipeError

    before = structlog.get_config()
    structlog.configure(processors=[gone])
    try:
        said = house.town.post("task")
        monkeypatch.setattr("trust.services.sequencing.rulebook.needs", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            house.decide(said)
        monkeypatch.undo()
        house.receipts(said)
    finally:
        structlog.configure(**before)
    house.database.close()


def test_while_the_clock_is_in_doubt_nothing_is_settled_and_writes_are_refused(house: House) -> None:
    wall, elapsed = [house.town.now_ms], [0]
    guarded = Clock(lambda: wall[0], lambda: elapsed[0])
    house.sequencer._now_ms = guarded.sure_ms
    said = house.town.post("task", 100)
    day = 86_400_000
    wall[0] += day
    for _ in range(4):  # three seconds of it
        with pytest.raises(TrustError, match="clock-in-doubt: this machine's clock jumped by 86400 s"):
            house.decide(said)
        assert not house.sequencer.serve([])
        wall[0] += 1_000
        elapsed[0] += 1_000
    wall[0] -= day
    (receipt,) = house.receipts(said)
    assert not receipt.repeated
    house.database.close()


def test_a_log_that_is_ahead_of_the_clock_takes_no_statements_that_would_expire(house: House) -> None:
    house.receipts(house.town.post("task"))
    house.town.now_ms -= 61_000
    with pytest.raises(TrustError, match="clock-in-doubt: the log's last entry is 61 s ahead"):
        house.decide(house.town.post("another"))
    house.database.close()


def test_a_writer_whose_clock_is_off_the_databases_writes_nothing(house: House) -> None:
    skew_ms = [2_001]
    house.sequencer._skew_ms = lambda _connection, _now_ms: skew_ms[0]
    said = house.town.post("task")
    with pytest.raises(TrustError, match=r"clock-in-doubt: .* 2001 ms ahead of the database's"):
        house.decide(said)
    skew_ms[0] = -2_000
    house.receipts(said)
    house.database.close()
