"""What an operator does to a data directory: make it, check it, rebuild it, copy it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from trust import app, settings
from trust.cli import backup, run
from trust.cli.failures import CANNOT_CHECK, FALSE, GOOD, USAGE
from trust.errors import TrustError
from trust.services.startup_checks import Word

ORIGIN = "trust.example.org/directory"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("init") / "data"
    assert run(["init", "--data", str(data), "--network", ORIGIN, "--policy", "sandbox"]) == GOOD
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A directory of its own, made by `trust backup`."""
    copy = tmp_path / "copy"
    assert run(["backup", str(copy), "--data", str(made)]) == GOOD
    return copy


def _change(data: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(data / "trust.db")) as database, database:
        database.execute(statement, values)


def test_init_leaves_keys_that_only_their_owner_can_read_and_the_key_to_verify_with(made: Path) -> None:
    for name in ("log.key", "draw.key", "operator.key"):
        assert stat.S_IMODE((made / name).stat().st_mode) == 0o600
    assert (made / "log.vkey").read_text(encoding="utf-8").startswith(ORIGIN + "+")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_init_never_makes_a_second_log_where_there_is_one(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = {path: path.read_bytes() for path in data.glob("*.key")}
    assert run(["init", "--data", str(data), "--network", ORIGIN, "--policy", "sandbox"]) == FALSE
    assert "already-done" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in data.glob("*.key")} == keys
    assert run(["log", "check", "--data", str(data)]) == GOOD


def test_init_refuses_a_policy_that_may_not_be_adopted_before_it_makes_anything(tmp_path: Path) -> None:
    policy = tmp_path / "bad.toml"
    policy.write_text('name = "bad"\n', encoding="utf-8")
    assert (
        run(["init", "--data", str(tmp_path / "new"), "--network", ORIGIN, "--policy", str(policy)]) == USAGE
    )
    assert not (tmp_path / "new").exists()


def test_a_backup_is_a_whole_directory_whose_log_audits(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {"trust.db", "head", "log.vkey", "log.key", "draw.key", "operator.key"} <= {
        p.name for p in data.iterdir()
    }
    assert not list(data.glob("trust.db-*"))
    capsys.readouterr()
    assert run(["audit", str(data), "--key", str(data / "log.vkey"), "--json"]) == GOOD
    assert json.loads(capsys.readouterr().out)["size"] == 1
    assert run(["backup", str(data), "--data", str(data)]) == USAGE


def test_a_backup_without_keys_holds_none(made: Path, tmp_path: Path) -> None:
    assert run(["backup", str(tmp_path / "public"), "--data", str(made), "--no-keys"]) == GOOD
    assert not list((tmp_path / "public").glob("*.key"))


def test_a_database_that_is_in_use_is_copied_as_it_was_at_one_moment(made: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(made / "trust.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM entries")
        assert run(["backup", str(tmp_path / "copy"), "--data", str(made)]) == GOOD
        writer.execute("ROLLBACK")
    assert run(["log", "check", "--data", str(tmp_path / "copy")]) == GOOD


def test_a_copy_says_so_and_starts_only_by_the_operators_word(data: Path) -> None:
    chosen = settings.load({"data": data})
    copy = app.build(chosen)
    with pytest.raises(TrustError, match="is a copy of") as refused:
        copy.start()
    assert "--take-over" in str(refused.value.hint)
    copy.stop()
    for word in (Word(take_over=True), Word()):
        parts = app.build(chosen, word)
        parts.start()
        parts.stop()


def test_what_the_operator_says_at_the_start_is_passed_on(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[object] = []
    monkeypatch.setattr(app, "serve", lambda chosen, word: said.extend([chosen.head_copy, word]))
    command = ["serve", "--data", str(data), "--port", "0"]
    assert run(command) == GOOD
    words = ["--take-over", "--seen", "a", "--seen", "b", "--trust-clock", "--head-copy", "/elsewhere/head"]
    assert run([*command, *words]) == GOOD
    assert said == ["", Word(), "/elsewhere/head", Word(True, (Path("a"), Path("b")), True)]


def test_a_copy_beside_writes_that_never_pause_comes_to_its_end(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source.db"
    shutil.copy(made / "trust.db", source)
    with closing(sqlite3.connect(source, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE filling (data BLOB)")
        writer.executemany("INSERT INTO filling VALUES (zeroblob(4000))", [()] * 200)
        steps: list[int] = []

        @contextmanager
        def progress(_: str) -> Iterator[Callable[[int, int], None]]:
            def report(done: int, _: int) -> None:
                steps.append(done)
                assert len(steps) < 1_000, "the copy starts over at every write"
                writer.execute("INSERT INTO filling VALUES (zeroblob(4000))")

            yield report

        monkeypatch.setattr(backup, "progress", progress)
        monkeypatch.setattr(backup, "PAGES", 10)
        assert backup.copy_database(source, tmp_path / "copy.db") == 1
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM filling").fetchone() == (200,)
    assert len(steps) > 10


def test_a_backup_that_fails_half_way_leaves_nothing_that_looks_like_one(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(backup, "copy_database", fail)
        assert run(["backup", str(tmp_path / "copy"), "--data", str(made)]) == CANNOT_CHECK
    assert not (tmp_path / "copy").exists()
    assert run(["backup", str(tmp_path / "copy"), "--data", str(made)]) == GOOD
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_there_is_nothing_to_copy_or_check_where_there_is_no_database(tmp_path: Path) -> None:
    assert run(["backup", str(tmp_path / "copy"), "--data", str(tmp_path)]) == CANNOT_CHECK
    assert not (tmp_path / "copy").exists()
    for command in ("check", "rebuild"):
        assert run(["log", command, "--data", str(tmp_path)]) == CANNOT_CHECK
    assert not (tmp_path / "trust.db").exists()


def _flip_entry(data: Path) -> None:
    _change(data, "UPDATE entries SET data = replace(data, CAST('sandbox' AS BLOB), CAST('sandbax' AS BLOB))")
    _change(data, "UPDATE entries SET data = CAST(data AS BLOB)")


def _flip_leaf(data: Path) -> None:
    _change(data, "UPDATE entries SET leaf_hash = ?", bytes(32))


def _forget_entry(data: Path) -> None:
    _change(data, "DELETE FROM entries")


def _other_key(data: Path) -> None:
    from tests.factories import seed
    from trust.log.note import Signer

    (data / "log.vkey").write_text(str(Signer(ORIGIN, seed(1)).verifier), encoding="utf-8")


def _newer_head(data: Path) -> None:
    lines = (data / "head").read_text(encoding="utf-8").split("\n")
    lines[1] = "9"
    (data / "head").write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize("lie", [_flip_entry, _flip_leaf, _forget_entry, _other_key, _newer_head])
def test_log_check_exits_1_at_a_lie(
    data: Path, lie: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    lie(data)
    capsys.readouterr()
    assert run(["log", "check", "--data", str(data), "--json"]) == FALSE
    assert json.loads(capsys.readouterr().out)["wrong"]


def test_tables_that_were_lost_are_folded_again_from_the_log(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def parties() -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(data / "trust.db")) as database:
            return database.execute("SELECT * FROM parties").fetchall()

    before = parties()
    _change(data, "DELETE FROM parties")
    capsys.readouterr()
    assert run(["log", "rebuild", "--data", str(data), "--json"]) == GOOD
    assert json.loads(capsys.readouterr().out) == {"entries": 1}
    assert parties() == before
    assert len(before) == 1


def test_the_graph_pass_is_made_from_the_log_as_of_any_of_its_sizes(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["log", "graph", "--data", str(data), "--size", "1", "--json"]) == GOOD
    made = json.loads(capsys.readouterr().out)
    assert (made["as_of"]["size"], made["ratings"]) == (1, 0)
    assert [each["owner"] for each in made["most_trusted"]] == ["panels"]
    stranger = "did:key:z6MkwMNZM3T7s1rJ7AkR9s3oRMqZ8dFmFYbJzUuzx3rVKAQb"
    assert run(["log", "graph", stranger, "--data", str(data), "--json"]) == GOOD
    assert json.loads(capsys.readouterr().out)["trust_q30"] == 0
    for size in ("0", "2000"):
        assert run(["log", "graph", "--data", str(data), "--size", size]) == USAGE
