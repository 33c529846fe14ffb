"""Whoever looks at a database changes no byte of it, and makes no file beside it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from tests.services.statements import ORIGIN
from trust.cli import run
from trust.cli.failures import CANNOT_CHECK, GOOD
from trust.errors import Unusable
from trust.storage import readonly
from trust.storage.migrations import Age, age, upgrade
from trust.storage.reading import reading
from trust.storage.readonly import read_only

Make = Callable[[Path, Path], None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("init") / "data"
    assert run(["init", "--data", str(data), "--network", ORIGIN, "--policy", "sandbox"]) == GOOD
    return data


def _backup(made: Path, copy: Path) -> None:
    assert run(["backup", str(copy), "--data", str(made)]) == GOOD


def _as_it_lies(made: Path, copy: Path) -> None:
    shutil.copytree(made, copy)


def _after_a_crash(made: Path, copy: Path) -> None:
    """The database with a write-ahead log that nobody has checkpointed, as a power cut leaves it."""
    shutil.copytree(made, copy)
    held = copy.with_name("held")
    shutil.copytree(made, held)
    with closing(sqlite3.connect(held / "trust.db")) as database, database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA wal_autocheckpoint=0")
        database.execute("CREATE TABLE left_behind (x)")
        database.commit()
        for suffix in ("", "-wal"):
            shutil.copyfile(held / f"trust.db{suffix}", copy / f"trust.db{suffix}")
    assert (copy / "trust.db-wal").stat().st_size


def _contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file but SQLite's locks: where those lie there, somebody may have the database open."""
    files = [each for each in folder.iterdir() if not each.name.endswith("-shm")]
    return {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in files}


@pytest.mark.parametrize("copied", [_backup, _as_it_lies, _after_a_crash])
@pytest.mark.parametrize(
    "command",
    [
        ["audit", "{data}", "--key", "{data}/log.vkey"],
        ["log", "check", "--data", "{data}"],
        ["log", "graph", "--data", "{data}"],
        ["log", "export", "{out}", "--data", "{data}"],
        ["log", "copy", "{data}", "--data", "{out}", "--vkey", "{data}/log.vkey"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_command_that_judges_a_copy_leaves_it_as_it_was(
    made: Path, tmp_path: Path, copied: Make, command: list[str]
) -> None:
    data = tmp_path / "data"
    copied(made, data)
    before = _contents(data)
    assert run([part.format(data=data, out=tmp_path / "out") for part in command]) == GOOD
    assert _contents(data) == before


def test_nothing_can_be_written_through_it(made: Path) -> None:
    with (
        read_only(f"sqlite:///{made / 'trust.db'}") as database,
        database.writers.connect() as connection,
        pytest.raises(OperationalError, match="readonly"),
    ):
        connection.exec_driver_sql("DELETE FROM entries")


def test_tables_of_an_older_release_are_migrated_in_a_copy(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    _as_it_lies(made, data)
    before, found = _contents(data), iter([Age.OLDER, Age.SAME])
    monkeypatch.setattr(readonly, "age", lambda connection: next(found))
    with read_only(f"sqlite:///{data / 'trust.db'}") as database, reading(database) as reader:
        assert reader.head().size == 1
        assert database.url != f"sqlite:///{data / 'trust.db'}"
    assert _contents(data) == before


def test_the_database_of_a_newer_release_is_named_and_left_alone(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    _backup(made, data)
    with closing(sqlite3.connect(data / "trust.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    before, own = _contents(data), ["--data", str(data)]
    for command in (["audit", str(data), "--key", str(data / "log.vkey")], ["log", "check", *own]):
        assert run(command) == CANNOT_CHECK
        assert "newer release" in capsys.readouterr().err
    assert _contents(data) == before
    for command in (["log", "rebuild", *own], ["serve", "--port", "0", *own]):
        assert run(command) == CANNOT_CHECK
        assert "newer release" in capsys.readouterr().err


def test_what_is_no_database_of_ours_is_named(tmp_path: Path) -> None:
    text, other, empty = (tmp_path / name for name in ("text.db", "other.db", "empty.db"))
    text.write_text("hello " * 100)
    with closing(sqlite3.connect(other)) as database, database:
        database.execute("CREATE TABLE recipes (x)")
    empty.touch()
    for path, what in ((text, "no SQLite database"), (other, "another program"), (empty, "no log")):
        before = path.read_bytes()
        with pytest.raises(Unusable, match=what), read_only(f"sqlite:///{path}"):
            pass
        assert path.read_bytes() == before
    for path in (text, other):
        with pytest.raises(Unusable):
            upgrade(f"sqlite:///{path}")


def test_a_file_that_is_written_to_while_it_is_read_proves_nothing(made: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    _backup(made, data)

    def look() -> None:
        with read_only(f"sqlite:///{data / 'trust.db'}") as database, database.snapshot() as connection:
            assert age(connection) is Age.SAME
            with closing(sqlite3.connect(data / "trust.db")) as other, other:
                other.execute("UPDATE head SET at_ms = at_ms + 1")

    with pytest.raises(Unusable, match="written to"):
        look()
