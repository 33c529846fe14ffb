"""A process leaves behind what the next one should know of the clock, and hears clocks that are not its own."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.services.houses import House
from tests.services.witnesses import honest, witnessed_town
from trust import clock
from trust.clock import Clock, InDoubt
from trust.services import timekeeping
from trust.services.cosigning import Cosigning
from trust.services.notifying import Notifier
from trust.services.timekeeping import Timekeeping
from trust.storage.engine import Database

DAY_MS = 86_400_000


@pytest.fixture
def database(sqlite_template: Path, tmp_path: Path) -> Database:
    shutil.copy(sqlite_template, tmp_path / "trust.db")
    return Database(f"sqlite:///{tmp_path / 'trust.db'}")


class Machine:
    """A machine whose clocks a test moves by hand."""

    def __init__(self) -> None:
        self.wall = clock.now_ms()
        self.elapsed = 1_000_000

    def process(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.elapsed)

    def passes(self, ms: int, *, jump: int = 0) -> None:
        self.wall += ms + jump
        self.elapsed += ms


def test_a_clock_that_jumped_between_two_processes_is_in_doubt_and_the_operators_word_ends_that(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timekeeping, "_boot", lambda: "this boot")
    machine, path = Machine(), tmp_path / "clock"
    first = Timekeeping(path, database, of=machine.process())
    first.start()
    first.keep()
    machine.passes(5_000, jump=DAY_MS)
    second = machine.process()
    keeping = Timekeeping(path, database, of=second)
    keeping.start()
    with pytest.raises(InDoubt):
        second.sure_ms()
    kept = path.read_bytes()
    keeping.keep()
    assert path.read_bytes() == kept  # nothing is learned from a clock that is in doubt
    third = machine.process()
    Timekeeping(path, database, accept=True, of=third).start()
    assert third.sure_ms() == machine.wall
    monkeypatch.setattr(timekeeping, "_boot", lambda: "another boot")
    fourth = machine.process()
    Timekeeping(path, database, of=fourth).start()
    assert fourth.sure_ms() == machine.wall
    database.close()


@pytest.mark.parametrize("left", [b"", b"{", b'{"boot":1}', b"\xff"])
def test_a_memory_that_is_damaged_is_none(database: Database, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "clock").write_bytes(left)
    of = Machine().process()
    Timekeeping(tmp_path / "clock", database, of=of).start()
    assert of.doubt() == ""
    database.close()


def test_a_witness_that_is_asked_again_bears_out_a_clock_that_jumped_to_the_right_time(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine()
    machine.wall -= DAY_MS  # a virtual machine that stood still for a day
    process = machine.process()
    monkeypatch.setattr(clock, "process", process)
    house = House(database, tmp_path, witnessed_town()).found()
    process.sure_ms()
    machine.passes(10, jump=DAY_MS)
    with pytest.raises(InDoubt):
        process.sure_ms()
    machine.passes(1_000)
    assert "no other clock bears that out" in process.doubt()
    monkeypatch.setattr("trust.witness.witness.clock", SimpleNamespace(now_ms=lambda: machine.wall))
    with honest(tmp_path, "w1", house.town.log.verifier) as url:
        cosigning = Cosigning(database, Notifier(), [url])
        cosigning.round()
        cosigning.close()
    assert process.sure_ms() == machine.wall
    database.close()
