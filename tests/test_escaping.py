"""What strangers wrote is shown and does nothing: on the terminal, in errors, in lines of the log."""

from __future__ import annotations

import ast
import io
import sys
import unicodedata
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.served import serving
from tests.client.services import Log, answer, problem
from tests.factories import log_signer, statement
from trust import journal
from trust.cli import run
from trust.cli.failures import CANNOT_CHECK, FALSE, GOOD
from trust.client.wire import Request, Response
from trust.escaping import escaped

VKEY = str(log_signer().verifier)
EVIL = "\x1b[2J\x1b]0;settled\x07\u202eged\u2066\x9b1A\u200b\r\nstate: settled\ud800"
SEEN = ("\\x1b[2J", "\\x07", "\\u202e", "\\u2066", "\\x9b", "\\u200b", "\\r\\nstate")
CLI = Path(__file__).resolve().parents[1] / "trust" / "cli"


@given(st.text())
def test_what_is_shown_has_only_characters_that_are_read(text: str) -> None:
    shown = escaped(text)
    assert not {unicodedata.category(each) for each in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    shown.encode()


@pytest.mark.parametrize("text", ["", "plain", "Zoë 東京 שלום", "a\\b", "100 % ✓"])
def test_what_can_be_read_stays_as_it_is(text: str) -> None:
    assert escaped(text) == text


def _is_harmless(told: str) -> None:
    lines = told.splitlines()
    assert all(escaped(line) == line for line in lines)
    assert not any(line.lstrip().startswith("state: settled") for line in lines)


@pytest.mark.parametrize(
    "command",
    [
        ["task", "show", "t"],
        ["claim", "show", "c"],
        ["agent", "show", "@a"],
        ["policy", "show"],
        ["check", "list", "@a"],
        ["stake", "show", "@a"],
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_an_answer_cannot_paint_over_the_terminal(
    command: list[str], form: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    seat = {"seat": EVIL, "state": EVIL, "phase": EVIL, "claim": EVIL, "items": [], "until_ms": 1}
    posting = {"index": 1, "change_units": 1, "account": EVIL, "why": EVIL}
    shown: dict[str, object] = {
        EVIL: EVIL,
        "state": EVIL,
        "agent": EVIL,
        "seats": [seat],
        "postings": [posting],
    }
    shown |= {"balances": {EVIL: 1}, "withdrawals": [EVIL]}
    checkpoint, log = "/log/checkpoint", Log()
    log.append(statement("task.cancel"))

    def handle(request: Request) -> Response:
        return Response(200, log.checkpoint()) if request.path == checkpoint else answer(200, shown)

    with serving(handle) as url:
        assert run([*command, "--url", url, "--vkey", VKEY, *form]) == GOOD
    told = capsys.readouterr().out
    _is_harmless(told)
    assert form or all(part in told for part in SEEN)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_an_error_cannot_either(form: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    said = problem(404, "unknown-task", reasons=[EVIL], hint=EVIL, title=EVIL)
    with serving(lambda request: said) as url:
        assert run(["task", "show", "t", "--url", url, "--vkey", VKEY, *form]) == FALSE
    _is_harmless(capsys.readouterr().err)


def test_a_source_that_cannot_be_read_is_told_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "there\x1b[2Jis\u202enothing", "--key", VKEY]) == CANNOT_CHECK
    _is_harmless(capsys.readouterr().err)


def test_a_file_that_goes_to_a_terminal_is_escaped_and_one_that_is_kept_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from trust.cli import terminal

    class Stream(io.TextIOWrapper):
        is_terminal = True

        def isatty(self) -> bool:
            return self.is_terminal

    data = '{"name":"\u202eevil"}\n'.encode()
    for is_terminal, expected in ((True, b'{"name":"\\u202eevil"}\n'), (False, data)):
        kept = io.BytesIO()
        stream = Stream(kept, encoding="utf-8")
        stream.is_terminal = is_terminal
        monkeypatch.setattr(sys, "stdout", stream)
        terminal.give(data)
        stream.flush()
        assert kept.getvalue() == expected


def test_a_line_of_the_log_is_one_line_of_plain_text() -> None:
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    before = structlog.get_config()
    try:
        lines = journal.configure(stream)
        journal.logger("trust").error("refused", detail=EVIL, path=Path(EVIL), code=3)
        lines.flush()
    finally:
        structlog.configure(**before)
    told = stream.getvalue()
    assert "\u202e" not in told
    assert "\x1b[2J" not in told
    assert "\x1b]0;" not in told
    assert told.count("\n") == 1


def _writes(path: Path) -> list[str]:
    """The places where a module of the command line writes past trust/cli/terminal.py."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""
        if name == "print" or name.endswith(("stdout.write", "stderr.write", "buffer.write")):
            found.append(f"{path.name}:{node.lineno}")  # type: ignore[attr-defined]
    return found


def test_every_command_prints_through_the_one_place_that_escapes() -> None:
    assert _writes(CLI / "terminal.py")
    assert [each for path in CLI.glob("*.py") if path.name != "terminal.py" for each in _writes(path)] == []
