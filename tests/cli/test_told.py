"""What a person is told: that a service is waited for, that a key is another log's, what a key looks like."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.served import serving
from tests.client.services import Log, answer
from tests.factories import log_signer, seed, statement
from tests.services.statements import ORIGIN
from trust.audit.auditing import audit
from trust.audit.database_source import DatabaseSource
from trust.cli import GROUPS, run, wait_notice
from trust.cli.failures import CANNOT_CHECK, FALSE, GOOD, USAGE
from trust.client.exchanges import Retry
from trust.client.wire import Request, Response
from trust.log.note import Signer

VKEY = str(log_signer().verifier)
NOBODY = "http://127.0.0.1:9"


class Reads:
    """A service whose log has one entry, and whose every document is the same."""

    def __init__(self) -> None:
        self.log = Log()
        self.log.append(statement("task.cancel"))
        self.asked: list[str] = []
        self.slow_s = 0.0

    def handle(self, request: Request) -> Response:
        self.asked.append(request.path)
        if request.path == "/log/checkpoint":
            return Response(200, self.log.checkpoint(), {"Content-Type": "text/plain"})
        time.sleep(self.slow_s)
        return answer(200, {"state": "settled"})


@pytest.fixture
def reads() -> Reads:
    return Reads()


def test_a_key_of_another_log_is_caught_before_an_answer_is_shown(
    reads: Reads, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(reads.handle) as url:
        assert run(["task", "show", "t", "--url", url, "--vkey", VKEY]) == GOOD
        assert "settled" in capsys.readouterr().out
        for other in (log_signer(3).verifier, Signer("elsewhere.example/log", seed(3)).verifier):
            assert run(["task", "show", "t", "--url", url, "--vkey", str(other)]) == FALSE
            shown = capsys.readouterr()
            assert (shown.out, "checkpoint" in shown.err) == ("", True)


def test_a_service_that_does_not_answer_is_waited_for_aloud(
    reads: Reads, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_notice, "WAIT_S", 0.5)
    reads.slow_s = 1.0
    with serving(reads.handle) as url:
        assert run(["task", "show", "t", "--url", url, "--vkey", VKEY]) == GOOD
        told = capsys.readouterr().err
        assert told.count("waiting for it") == 1
        assert url.removeprefix("http://") in told
        reads.slow_s = 0.0
        assert run(["task", "show", "t", "--url", url, "--vkey", VKEY]) == GOOD
    assert capsys.readouterr().err == ""


def test_a_service_that_is_not_there_is_waited_for_aloud_by_every_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(wait_notice, "WAIT_S", 0.05)
    monkeypatch.setattr(Retry, "wait_ms", lambda *asked: 100 if asked[1] < 2 else None)
    monkeypatch.setattr("trust.audit.fetching.TRIES", 2)
    monkeypatch.chdir(tmp_path)
    for command in (
        ["task", "show", "t", "--url", NOBODY, "--vkey", VKEY],
        ["audit", NOBODY, "--key", VKEY],
        ["log", "export", "out", "--url", NOBODY, "--vkey", VKEY],
        ["log", "watch", NOBODY, "--key", VKEY, "--state", "state", "--once"],
    ):
        assert run(command) == CANNOT_CHECK
        assert "waiting for it" in capsys.readouterr().err, command


@pytest.mark.parametrize(
    "command",
    [
        ["audit", "nowhere", "--key", "nonsense"],
        ["audit", "nowhere", "--key", "a+b+c"],
        ["task", "show", "t", "--url", NOBODY, "--vkey", "nonsense"],
        ["log", "watch", NOBODY, "--state", "x", "--key", "nonsense"],
        ["receipt", "verify", "nowhere", "--key", "nonsense"],
    ],
)
def test_what_is_no_key_is_told_what_one_looks_like(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if command[0] == "receipt":
        command = [command[0], command[1], __file__, *command[3:]]
    assert run(command) == USAGE
    told = capsys.readouterr().err
    assert "no verifier key" in told
    assert "trust.example.org/main+" in told


def test_a_key_file_that_is_not_there_is_made_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["task", "cancel", "t", "--key", "nonsense", "--url", NOBODY, "--vkey", VKEY]) == USAGE
    assert "trust keys new nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cut", "what"), [(0, "empty"), (1, "cut off"), (40, "cut off"), (-2, "cut off"), (-3, "cut off")]
)
def test_a_receipt_that_is_cut_off_is_called_that(
    cut: int, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Log()
    log.append(statement("task.cancel"))
    file = tmp_path / "receipt.json"
    file.write_bytes(log.receipt(0).encode()[:cut])
    assert run(["receipt", "verify", str(file), "--key", VKEY]) == FALSE
    assert what in capsys.readouterr().err


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("init") / "data"
    assert run(["init", "--data", str(data), "--network", ORIGIN, "--policy", "sandbox"]) == GOOD
    return data


def test_a_log_is_checked_by_its_directory_as_it_is_audited(made: Path) -> None:
    assert run(["log", "check", str(made)]) == GOOD
    assert run(["log", "check", str(made.parent)]) != GOOD


def test_an_audit_under_a_foreign_key_ends_at_the_signature(made: Path) -> None:
    foreign = str(Signer(ORIGIN, seed(3)).verifier)
    found = audit(DatabaseSource(f"sqlite:///{made / 'trust.db'}"), foreign)
    assert (found.ok, found.checked, found.replayed) == (False, 0, 0)
    assert "no known key signed" in str(found.findings[0])


SHELLS = pytest.mark.parametrize("shell", ["zsh", "fish"])


@SHELLS
def test_a_shell_completes_groups_with_their_commands_and_options(
    shell: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few of the groups: a script of all takes seconds."""
    few = ("completion", "init", "stake", "witness")
    monkeypatch.setattr("trust.cli.GROUPS", {name: GROUPS[name] for name in few})
    _completes(shell, capsys)


@pytest.mark.slow
@SHELLS
def test_a_shell_completes_every_group(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    script = _completes(shell, capsys)
    assert all(name in script for name in GROUPS)


def _completes(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(["completion", shell, "--json"]) == GOOD
    told = json.loads(capsys.readouterr().out)
    assert told["shell"] == shell
    assert all(word in told["script"] for word in ("deposit", "--network", "witness"))
    return str(told["script"])


def test_bash_completes_every_group_by_a_script_that_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "bash"]) == GOOD
    script = capsys.readouterr().out
    assert all(word in script for word in ("deposit", "--network", *GROUPS))
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
