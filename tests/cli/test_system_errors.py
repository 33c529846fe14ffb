"""What the system says no to is told as what it is, with what to do; and what was begun is finished by the next run."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from tests.services.statements import ORIGIN
from trust.cli import run
from trust.cli.failures import CANNOT_CHECK, GOOD, USAGE, report
from trust.cli.system_errors import fault_of
from trust.errors import Unusable
from trust.storage.unit import CommitUnknown

FAULTS = [errno.EIO, errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENOENT, errno.EMFILE]
SQLITE = ["database is locked", "disk I/O error", "database or disk is full", "attempt to write a readonly database",
          "unable to open database file", "database disk image is malformed", "file is not a database"]  # fmt: skip
INIT = ["init", "--network", ORIGIN, "--policy", "sandbox"]
STEPS = pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)])
"""Which of a command's calls fail, each in a run of its own: every third, or, where what is slow runs, each."""


def _is_told(error: BaseException, capsys: pytest.CaptureFixture[str]) -> str:
    assert report(error) == CANNOT_CHECK
    told = capsys.readouterr().err
    assert "hint: " in told
    assert "bug" not in told
    assert "Traceback" not in told
    return told


@pytest.mark.parametrize("number", FAULTS, ids=errno.errorcode.get)
def test_an_error_of_the_system_has_its_name_its_place_and_a_way_out(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    told = _is_told(OSError(number, os.strerror(number), "/srv/data/log.key"), capsys)
    assert os.strerror(number) in told
    assert "/srv/data/log.key" in told


@pytest.mark.parametrize("text", SQLITE)
@pytest.mark.parametrize("wrapped", [False, True])
def test_an_error_of_sqlite_too(text: str, wrapped: bool, capsys: pytest.CaptureFixture[str]) -> None:
    raised: BaseException = sqlite3.OperationalError(text)
    told = _is_told(OperationalError("SELECT secret", {}, raised) if wrapped else raised, capsys)
    assert text in told
    assert "SELECT" not in told


def test_a_commit_without_an_answer_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommitUnknown) as unknown:
        raise CommitUnknown from OperationalError(
            "COMMIT", {}, sqlite3.OperationalError("database or disk is full")
        )
    assert "database or disk is full" in _is_told(unknown.value, capsys)


@pytest.mark.parametrize(
    "text",
    ["connection failed: Connection refused", 'FATAL: password authentication failed for user "x"',
     'FATAL: database "x" does not exist', "FATAL: the database system is starting up",
     "server closed the connection unexpectedly", "FATAL: sorry, too many clients already"],
)  # fmt: skip
def test_an_error_of_postgresql_too(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    import psycopg

    assert text in _is_told(OperationalError("SELECT secret", {}, psycopg.OperationalError(text)), capsys)


def test_an_error_of_ours_is_still_called_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert fault_of(KeyError("x")) is None
    assert report(KeyError("x")) == CANNOT_CHECK
    assert "bug" in capsys.readouterr().err


def test_what_cannot_be_used_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(Unusable("it is no database", hint="name one")) == CANNOT_CHECK
    assert capsys.readouterr().err == "trust: it is no database\nhint:  name one\n"


@pytest.mark.parametrize(
    ("error", "code", "number"),
    [(OSError(28, "No space left on device", "/x"), "system", 3), (Unusable("x"), "cannot-check", 3),
     (KeyError("x"), "bug", 3), (KeyboardInterrupt(), "interrupted", 130)],
)  # fmt: skip
def test_errors_are_json_where_json_is_asked_for(
    error: BaseException, code: str, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(error, as_json=True) == number
    told = json.loads(capsys.readouterr().err)
    assert (told["code"], told["exit"]) == (code, number)
    assert set(told) == {"code", "detail", "reasons", "hint", "exit"}


class Counting:
    """Calls of the system that a command makes; the one that is its turn fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number, self.left, self.made = errno.EIO, -1, 0
        for name in ("open", "fsync", "link", "replace", "mkdir", "rename"):
            monkeypatch.setattr(os, name, self._failing(getattr(os, name)))

    def _failing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **named: Any) -> Any:
            if self.left >= 0:
                self.made += 1
                self.left -= 1
                if self.left < 0:
                    named_path = [] if isinstance(args[0], int) else [str(args[0])]
                    raise OSError(self.number, os.strerror(self.number), *named_path)
            return call(*args, **named)

        return called

    def run(self, arguments: list[str], turn: int, number: int) -> int:
        self.number, self.left = number, turn
        try:
            return run(arguments)
        finally:
            self.left = -1


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    with monkeypatch.context() as patched:
        yield Counting(patched)


@STEPS
def test_an_init_that_fails_anywhere_is_made_whole_by_the_next(
    step: int, counting: Counting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = 0
    for number, turn in enumerate(range(0, 200, step)):
        data = tmp_path / str(turn)
        code = counting.run([*INIT, "--data", str(data)], turn, FAULTS[number % len(FAULTS)])
        told = capsys.readouterr().err
        assert "bug" not in told, told
        if code == GOOD:
            break
        failed += 1
        assert code in (CANNOT_CHECK, USAGE), told
        assert run([*INIT, "--data", str(data)]) == GOOD, (turn, capsys.readouterr().err)
        assert run(["log", "check", "--data", str(data)]) == GOOD
        shutil.rmtree(data)
    assert failed * step > 10


@STEPS
def test_a_backup_that_fails_anywhere_leaves_nothing_that_looks_whole(
    step: int, counting: Counting, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    assert run([*INIT, "--data", str(data)]) == GOOD
    failed = 0
    for number, turn in enumerate(range(0, 200, step)):
        copy = tmp_path / f"copy-{turn}"
        code = counting.run(["backup", str(copy), "--data", str(data)], turn, FAULTS[number % len(FAULTS)])
        told = capsys.readouterr().err
        assert "bug" not in told
        if code == GOOD:
            break
        failed += 1
        assert code in (CANNOT_CHECK, USAGE), told
        if not copy.exists():
            assert run(["backup", str(copy), "--data", str(data)]) == GOOD
        assert run(["log", "check", "--data", str(copy)]) == GOOD
        shutil.rmtree(copy)
    assert failed * step > 4


@pytest.mark.parametrize("left", [b"", b"ab" * 10])
def test_a_key_is_written_whole_or_not_at_all(left: bytes, counting: Counting, tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    for turn in range(4):
        if counting.run(["keys", "new", str(path)], turn, errno.ENOSPC) == GOOD:
            break
        assert not path.exists() or len(path.read_bytes()) == 65
        path.unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(left)
    path.chmod(0o600)
    assert run(["keys", "show", str(path)]) == USAGE


def test_a_second_init_in_a_whole_directory_changes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run([*INIT, "--data", str(data)]) == GOOD
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    assert run([*INIT, "--data", str(data)]) == 1
    assert {name: (data / name).read_bytes() for name in before} == before


def test_an_init_that_was_cut_off_is_not_finished_under_another_name(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run([*INIT, "--data", str(data)]) == GOOD
    (data / "log.vkey").unlink()
    assert run(["init", "--network", "other.example/log", "--policy", "sandbox", "--data", str(data)]) == 1
    assert run([*INIT, "--data", str(data)]) == GOOD


def test_init_writes_down_where_the_database_is(tmp_path: Path) -> None:
    data, kept = tmp_path / "data", tmp_path / "elsewhere" / "log.db"
    kept.parent.mkdir()
    assert run([*INIT, "--data", str(data), "--database", f"sqlite:///{kept}"]) == GOOD
    assert run(["log", "check", "--data", str(data)]) == GOOD
    assert not (data / "trust.db").exists()
    assert (data / "trust.toml").stat().st_mode & 0o777 == 0o600


def test_a_forgotten_database_makes_no_stray_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    assert run([*INIT, "--data", str(data)]) == GOOD
    (data / "trust.db").unlink()
    for command in (["serve", "--port", "0"], ["log", "rebuild"], ["log", "check"]):
        assert run([*command, "--data", str(data)]) == CANNOT_CHECK
        assert "trust.db" in capsys.readouterr().err
    assert not (data / "trust.db").exists()


def test_a_receipt_that_is_written_to_a_pipe_goes_through_it(tmp_path: Path) -> None:
    from trust.files import write_whole

    pipe, target, link = tmp_path / "pipe", tmp_path / "target", tmp_path / "link"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    link.symlink_to(target)
    write_whole(link, b"whole")
    assert (link.is_symlink(), target.read_bytes()) == (True, b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "target", "link"}
