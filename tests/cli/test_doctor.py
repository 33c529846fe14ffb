"""`trust doctor`: each thing that can be wrong is said with what to do, and nothing is changed."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cli.served import serving
from trust import clock
from trust.cli import run
from trust.cli.failures import FALSE, GOOD
from trust.client.wire import Request, Response
from trust.services import diagnosis
from trust.settings import write_seed
from trust.storage.engine import NotDurable

ORIGIN = "trust.example.org/doctor"
Found = dict[tuple[str, str], str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("made") / "data"
    assert run(["init", "--data", str(directory), "--network", ORIGIN, "--policy", "standard"]) == GOOD
    return directory


@pytest.fixture
def data(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new data directory."""
    monkeypatch.setenv("TRUST_PORT", "1")  # nobody listens there
    return shutil.copytree(made, tmp_path / "data")


def _looked(data: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, Found]:
    capsys.readouterr()
    code = run(["doctor", "--data", str(data), "--json", *more])
    answer = json.loads(capsys.readouterr().out)
    assert answer["good"] == (code == GOOD)
    found = answer["findings"]
    assert all(each["level"] == "ok" or each["advice"] for each in found)
    return code, {(each["subject"], each["level"]): each["detail"] for each in found}


def test_a_stopped_service_that_is_whole_is_well_and_stays_byte_for_byte(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    code, found = _looked(data, capsys)
    assert code == GOOD
    assert {"database", "schema", "keys", "head file", "clock", "disk"} <= {
        subject for subject, level in found if level == "ok"
    }
    assert ("service", "warn") in found
    assert {path.name: path.read_bytes() for path in data.iterdir()} == before


def test_lines_for_people_begin_with_the_level(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["doctor", "--data", str(data)]) == GOOD
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == {"ok", "warn"}


def test_without_a_directory_a_database_or_a_head_file_it_fails(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ("data directory", "fail") in _looked(tmp_path / "none", capsys)[1]
    (data / "head").unlink()
    assert ("head file", "fail") in _looked(data, capsys)[1]
    (data / "head").write_text("nonsense", encoding="utf-8")
    assert ("head file", "fail") in _looked(data, capsys)[1]
    (data / "trust.db").unlink()
    code, found = _looked(data, capsys)
    assert (code, ("database", "fail") in found) == (FALSE, True)


def test_keys_of_another_network_and_keys_that_others_can_read_are_failures(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "draw.key").unlink()
    write_seed(data / "draw.key", bytes(32))
    assert "draw" in _looked(data, capsys)[1]["keys", "fail"]
    (data / "draw-2.key").write_text("00" * 32, encoding="ascii")
    (data / "draw-2.key").chmod(0o644)
    assert "chmod 600" in _looked(data, capsys)[1]["keys", "fail"]


def test_a_directory_that_others_can_enter_and_one_that_is_a_copy_are_told(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data.chmod(0o755)
    assert ("data directory", "warn") in _looked(data, capsys)[1]
    assert run(["backup", str(tmp_path / "copy"), "--data", str(data)]) == GOOD
    assert ("data directory", "fail") in _looked(tmp_path / "copy", capsys)[1]


def test_a_full_disk_a_wrong_clock_and_a_server_that_loses_commits_are_failures(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "free_bytes", lambda _: 1)
    monkeypatch.setattr(diagnosis, "clock_skew_ms", lambda *_: 5_000)
    found = _looked(data, capsys)[1]
    assert {("disk", "fail"), ("clock", "fail")} <= found.keys()
    monkeypatch.setattr(diagnosis, "free_bytes", lambda _: 128 * 1024 * 1024)

    def lossy(*_: object) -> None:
        raise NotDurable("the database has fsync = off")

    monkeypatch.setattr(diagnosis, "clock_skew_ms", lossy)
    found = _looked(data, capsys)[1]
    assert found["database", "fail"] == "the database has fsync = off"
    assert ("disk", "warn") in found


def test_a_newer_releases_tables_are_a_failure(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(data / "trust.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "newer release" in _looked(data, capsys)[1]["database", "fail"]


def test_dangers_and_warnings_of_the_policy_are_told(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = SimpleNamespace(
        dangers=lambda _: ["money from nothing"], warnings=lambda *_: ["unwise"], Policy=object
    )
    monkeypatch.setattr(diagnosis, "policy", stand_in)
    found = _looked(data, capsys)[1]
    assert found["policy", "fail"] == "money from nothing"
    assert found["policy", "warn"] == "unwise"


def test_a_witness_that_is_silent_is_told_and_one_that_answers_is_well(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(lambda _: Response(200, b"", {})) as url:
        (data / "trust.toml").write_text(f'witnesses = ["{url}", "http://127.0.0.1:1"]\n', encoding="utf-8")
        found = _looked(data, capsys)[1]
    assert found["witnesses", "ok"] == f"{url} answers"
    assert "127.0.0.1:1 does not answer" in found["witnesses", "warn"]


def _service(vkey: str, ready: dict[str, Any], status: int = 200) -> Any:
    def handle(request: Request) -> Response:
        body = {"vkey": vkey} if request.path == "/version" else ready
        return Response(200 if request.path == "/version" else status, json.dumps(body).encode(), {})

    return handle


def test_a_running_service_is_asked_whether_it_is_ours_and_ready(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(vkey: str, ready: dict[str, Any], status: int = 200) -> Found:
        with serving(_service(vkey, ready, status)) as url:
            monkeypatch.setenv("TRUST_PORT", url.rpartition(":")[2])
            return _looked(data, capsys)[1]

    ours = (data / "log.vkey").read_text(encoding="utf-8").strip()
    found = look(ours, {"status": "ready", "warnings": ["a job is late"]})
    assert "its key is ours" in found["service", "ok"]
    assert found["service", "warn"] == "a job is late"
    assert look(ours, {"detail": "frozen", "hint": "see the log"}, 503)["service", "fail"] == "frozen"
    assert run(["init", "--data", str(tmp_path / "b"), "--network", ORIGIN, "--policy", "standard"]) == GOOD
    theirs = (tmp_path / "b" / "log.vkey").read_text(encoding="utf-8").strip()
    assert "another key" in look(theirs, {})["service", "fail"]


@pytest.mark.postgres
def test_it_reads_postgresql_too(
    postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUST_PORT", "1")
    data = tmp_path / "data"
    at = ["--database", postgres_url]
    made = ["init", "--data", str(data), "--network", ORIGIN, "--policy", "standard", *at]
    assert run(made) == GOOD
    code, found = _looked(data, capsys, *at)
    assert code == GOOD
    assert "fsync" in found["database", "ok"]


def test_a_directory_that_cannot_be_written_and_an_operators_key_beside_the_service_are_told(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everything
    found = _looked(data, capsys)[1]
    assert "may not write" in found["data directory", "fail"]
    assert "operator.key" in found["keys", "warn"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = = 1\n", "trust.toml"),
        ("colour = 'red'\n", "there is no such setting"),
        ("port = 'many'\n", "port"),
        ("\x00", "trust.toml"),
    ],
)
def test_settings_that_cannot_be_read_are_a_finding_with_the_place(
    data: Path, text: str, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRUST_PORT")
    (data / "trust.toml").write_text(text, encoding="utf-8")
    code, found = _looked(data, capsys)
    assert code == FALSE
    assert words in found["settings", "fail"]


def test_a_service_that_all_may_reach_without_a_named_proxy_is_told(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "trust.toml").write_text('host = "0.0.0.0"\n', encoding="utf-8")
    assert "no proxy is named" in _looked(data, capsys)[1]["settings", "warn"]


def test_a_key_that_is_no_key_or_is_lost_is_a_failure(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "log.key").write_text("not a key", encoding="ascii")
    (data / "log.key").chmod(0o600)
    assert "log.key: a key is 64 hex digits" in _looked(data, capsys)[1]["settings", "fail"]
    (data / "log.key").unlink()
    assert "the log key that the log names is not here" in _looked(data, capsys)[1]["keys", "fail"]
    (data / "log.key").mkdir()
    assert "log.key" in _looked(data, capsys)[1]["settings", "fail"]


def test_a_database_without_a_log_and_one_that_is_none_are_told(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = data / "trust.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE alembic_version")
    assert _looked(data, capsys)[1].keys() & {("schema", "fail"), ("database", "fail")}
    path.write_bytes(b"SQLite format 3\x00" + bytes(4_000))
    assert ("database", "fail") in _looked(data, capsys)[1]
    path.write_bytes(b"what is this")
    assert ("database", "fail") in _looked(data, capsys)[1]


def test_a_head_file_of_a_longer_log_and_entries_of_tomorrow_are_failures(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    head = (data / "head").read_bytes()
    (data / "head").write_bytes(head.replace(b"\n1\n", b"\n9\n", 1))
    assert "9 entries and the database has 1" in _looked(data, capsys)[1]["head file", "fail"]
    (data / "head").write_bytes(head)
    now_ms = clock.now_ms()
    monkeypatch.setattr(clock, "now_ms", lambda: now_ms - 86_400_000)
    assert "in the future" in _looked(data, capsys)[1]["clock", "fail"]


def test_a_head_that_lies_in_one_place_is_told_and_a_witness_with_a_false_address_too(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "one place only" in _looked(data, capsys)[1]["witnesses", "warn"]
    (data / "trust.toml").write_text('witnesses = ["http://[::1:x/"]\n', encoding="utf-8")
    found = _looked(data, capsys)[1]
    assert "[::1:x" in found.get(("witnesses", "warn"), "") + found.get(("settings", "fail"), "")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'"x"', b'{"vkey": 7}', b'{"vkey": "no key"}', b"\xff"])
def test_what_is_no_service_at_its_address_is_told(
    data: Path, body: bytes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(lambda _: Response(200, body, {})) as url:
        monkeypatch.setenv("TRUST_PORT", url.rpartition(":")[2])
        code, found = _looked(data, capsys)
    assert (code, ("service", "fail") in found) == (FALSE, True)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", "refused"),
        ("postgresql://nobody@no-such-host.invalid/none", "no-such-host"),
        ("mysql://somewhere/none", "what is given is not postgresql"),
        ("nonsense", "what is given is not postgresql"),
    ],
)
def test_a_database_that_is_not_there_is_told(
    data: Path, at: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = _looked(data, capsys, "--database", at)
    assert code == FALSE
    assert words in found.get(("database", "fail"), "") + found.get(("settings", "fail"), "")
