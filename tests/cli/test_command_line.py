"""The command line as a whole: quick help, stable exit codes, errors in words, JSON wherever something is read."""

from __future__ import annotations

import inspect
import json
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.client.services import Log
from tests.factories import NETWORK, did, log_signer, seed, statement
from trust.cli import GROUPS, run
from trust.cli.connection import Output, Service, read_vkey
from trust.cli.failures import CANNOT_CHECK, FALSE, GOOD, USAGE, Usage, report
from trust.cli.values import duration_ms
from trust.errors import CODES
from trust.settings import write_seed

NOBODY = "http://127.0.0.1:9"
VKEY = str(log_signer().verifier)


def test_help_names_every_group_and_imports_none() -> None:
    code = "import sys, trust.cli as c; c.run(['--help']); print(sorted(m for m in sys.modules if m.count('.') < 3))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text, _, modules = done.stdout.rpartition("[")
    assert all(name in text for name in GROUPS)
    for heavy in ("trust.cli.agent", "trust.client", "trust.core", "httpx", "litestar", "sqlalchemy", "nacl"):
        assert f"'{heavy}'" not in modules


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_explains_itself(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([group, "--help"]) == GOOD
    assert "Usage: trust" in capsys.readouterr().out


def _commands() -> list[tuple[str, Any]]:
    found = []
    for group in GROUPS:
        app = import_module(f"trust.cli.{group}").app
        handlers = {"": app.default_command} if app.default_command else {}
        handlers |= {name: app[name].default_command for name in app if not name.startswith("-")}
        found += [(f"{group} {name}".strip(), handler) for name, handler in handlers.items()]
    return found


def test_every_command_that_answers_can_answer_in_json() -> None:
    commands = [each for each in _commands() if each[0] != "serve"]
    assert len(commands) > 50
    for name, handler in commands:
        defaults = [parameter.default for parameter in inspect.signature(handler).parameters.values()]
        has_flag = "json" in inspect.signature(handler).parameters
        assert has_flag or any(isinstance(default, Output) for default in defaults), name


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["task", "nonsense"],
        ["task", "post"],
        ["task", "show", "task-1", "--nonsense"],
        ["task", "show", "task-1", "--url", "localhost"],
        ["task", "show", "task-1", "--url", NOBODY, "--vkey", "a+b+c"],
        ["stake", "deposit", "@bob", "much", "--reference", "r", "--key", "x"],
        ["policy", "check", "nonsense"],
        ["check", "list"],
        ["init", "--network", "https://trust.example.org"],
    ],
)
def test_wrong_usage_exits_2_without_a_traceback(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUST_VKEY", VKEY)
    assert run(arguments) == USAGE
    told = capsys.readouterr().err
    assert told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


def test_a_command_without_a_key_to_verify_with_says_where_one_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRUST_VKEY", raising=False)
    assert run(["task", "show", "t", "--url", NOBODY]) == USAGE
    assert "--vkey" in capsys.readouterr().err


def test_the_log_key_of_a_data_directory_is_used_unless_another_is_given(tmp_path: Path) -> None:
    (tmp_path / "log.vkey").write_text(VKEY + "\n", encoding="utf-8")
    other = str(log_signer(7).verifier)
    assert str(Service(data=tmp_path).key()) == VKEY
    assert str(Service(data=tmp_path, vkey=other).key()) == other
    assert str(read_vkey(str(tmp_path / "log.vkey"))) == VKEY


def test_the_address_is_that_of_the_data_directory_unless_another_is_given(tmp_path: Path) -> None:
    (tmp_path / "trust.toml").write_text("port = 8123\n", encoding="utf-8")
    assert Service(data=tmp_path).addresses() == ["http://127.0.0.1:8123"]
    assert Service(data=tmp_path, url=f"{NOBODY}, {NOBODY}").addresses() == [NOBODY, NOBODY]


def test_a_port_that_somebody_listens_on_is_not_shared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other:
        port = str(other.getsockname()[1])
        assert run(["serve", "--data", str(tmp_path), "--port", port]) == CANNOT_CHECK
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


def test_one_fact_can_be_asked_for_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "sandbox", "--field", "adoptable"]) == GOOD
    assert capsys.readouterr().out == "yes\n"
    assert run(["policy", "check", "sandbox", "--field", "nonsense"]) == USAGE


def test_a_receipt_file_is_good_false_or_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log()
    log.append(statement("task.cancel"))
    path = tmp_path / "receipt.json"
    path.write_bytes(log.receipt(0).encode())
    assert run(["receipt", "verify", str(path), "--key", VKEY, "--json"]) == GOOD
    told = json.loads(capsys.readouterr().out)
    assert (told["network"], told["index"], told["kind"], told["actor"]) == (
        NETWORK,
        0,
        "task.cancel",
        did(0),
    )
    assert run(["receipt", "verify", str(path), "--key", str(log_signer(3).verifier)]) == FALSE
    path.write_bytes(path.read_bytes().replace(b'"index":0', b'"index":1'))
    assert run(["receipt", "verify", str(path), "--key", VKEY]) == FALSE
    assert run(["receipt", "verify", str(tmp_path / "none.json"), "--key", VKEY]) == CANNOT_CHECK
    assert "Traceback" not in capsys.readouterr().err


def test_a_refusal_file_says_what_was_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log()
    path = tmp_path / "refusal"
    path.write_text(log.refusal("sha256:" + "ab" * 32, "jailed"), encoding="utf-8")
    assert run(["receipt", "verify", str(path), "--key", VKEY]) == GOOD
    assert "jailed" in capsys.readouterr().out


@pytest.mark.parametrize("source", [NOBODY, "nowhere"])
def test_a_log_that_cannot_be_read_exits_3(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trust.audit.fetching.PAUSE_S", 0.0)
    assert run(["audit", source, "--key", VKEY]) == CANNOT_CHECK


def test_a_service_that_is_not_there_exits_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert run(["task", "show", "t", "--url", NOBODY, "--vkey", VKEY]) == CANNOT_CHECK
    assert "unreachable" in capsys.readouterr().err


def test_keys_are_made_once_shown_by_their_did_and_never_wider_than_0600(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bob.key"
    assert run(["keys", "new", str(path)]) == GOOD
    made = capsys.readouterr().out.strip()
    assert made.startswith("did:key:z6Mk")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text(encoding="ascii").strip() not in made
    assert run(["keys", "new", str(path)]) == USAGE
    assert run(["keys", "show", str(path), "--json"]) == GOOD
    assert json.loads(capsys.readouterr().out)["did"] == made
    path.chmod(0o640)
    assert run(["keys", "show", str(path)]) == USAGE
    known = tmp_path / "known.key"
    write_seed(known, seed(4))
    run(["keys", "show", str(known)])
    assert capsys.readouterr().out.strip() == did(4)


@pytest.mark.parametrize("policy", ["sandbox", "fast", "standard"])
def test_the_policies_that_are_shipped_may_be_adopted(
    policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["policy", "check", policy, "--json"]) == GOOD
    assert json.loads(capsys.readouterr().out)["adoptable"] is True


def test_a_dangerous_policy_is_false_and_its_danger_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from trust.cli.policy import read_policy

    path = tmp_path / "mine.toml"
    for old, new in (
        ("challenge_burn_ppm = 500_000", "challenge_burn_ppm = 100_000"),
        ("pow_bits = 4", "pow_bits = 99"),
    ):
        text = read_policy("sandbox")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        assert run(["policy", "check", str(path)]) == FALSE
    told = capsys.readouterr().out
    assert "pow_bits" in told
    assert "invalid-policy" in told


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("verdict_milli = 4_000", "verdict_milli = -1", "invalid-policy"),
        ("floor_ppm = 50_000", "floor_ppm = 1_000_001", "invalid-policy"),
        ("notice_ms", "notice_hours", "invalid-policy"),
        ("[money]", "[money]\nhalf_life_ms = 0", "invalid-policy"),
        ("challenge_burn_ppm = 500_000", "challenge_burn_ppm = 0", "dangerous-policy"),
    ],
)
def test_a_policy_that_is_refused_has_a_code_and_a_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, code: str
) -> None:
    from trust.cli.policy import read_policy

    path = tmp_path / "mine.toml"
    path.write_text(read_policy("standard").replace(old, new, 1), encoding="utf-8")
    assert run(["policy", "check", str(path), "--json"]) == FALSE
    told = json.loads(capsys.readouterr().out)
    assert (told["code"], told["hint"]) == (code, CODES[code].hint)
    assert told["dangers"]


def test_a_policy_is_checked_for_how_often_its_agents_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "standard", "--every", "30d", "--json"]) == GOOD
    assert any("14 days" in warning for warning in json.loads(capsys.readouterr().out)["warnings"])


@pytest.mark.parametrize(
    ("text", "ms"), [("90s", 90_000), ("15m", 900_000), ("2h", 7_200_000), ("3d", 259_200_000), ("5ms", 5)]
)
def test_durations_are_a_number_and_a_unit(text: str, ms: int) -> None:
    assert duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "90", "1.5h", "-1s", "1w", "1h30m", "٣s"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(Usage):
        duration_ms(text)


def test_an_error_that_nobody_foresaw_is_a_sentence_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(ZeroDivisionError("division by zero")) == CANNOT_CHECK
    assert capsys.readouterr().err.startswith("trust: ZeroDivisionError: division by zero\n")
