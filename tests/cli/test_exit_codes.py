"""One table of exit codes, in docs/exit-codes.md: it is what the commands do; hints speak their language."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.served import serving
from tests.client.services import problem
from tests.factories import log_signer
from trust.cli import failures, run
from trust.cli.failures import (
    CANNOT_CHECK,
    FALSE,
    GOOD,
    HINTS,
    INTERRUPTED,
    TERMINATED,
    USAGE,
    Usage,
    hint_for,
    report,
    worded,
)
from trust.client.problems import ServiceError, Unreachable
from trust.core import payloads
from trust.errors import CODES, ClientError, Unusable
from trust.settings import SettingsError
from trust.verify.failures import NotProven, TooNew

TABLE = Path(__file__).resolve().parents[2] / "docs" / "exit-codes.md"
VKEY = str(log_signer().verifier)
OF_HTTP = re.compile(r"\b(GET|POST|PUT|HEAD) |/v1/|/log/|/schema|Retry-After|application/|HTTP")
OF_REGEX = re.compile(r"\[a-z|\(\?|\{\d+,?\d*\}|\\d|regex")


def test_the_table_names_every_code_that_the_commands_have() -> None:
    rows = re.findall(r"^\| (\d+) +\| ([a-z-]+)", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    named = {
        name: value for name, value in vars(failures).items() if name.isupper() and isinstance(value, int)
    }
    assert {int(code): name for code, name in rows} == {
        GOOD: "good", FALSE: "false", USAGE: "usage", CANNOT_CHECK: "cannot-check", INTERRUPTED: "interrupted",
        TERMINATED: "terminated"
    }  # fmt: skip
    assert set(named.values()) == {int(code) for code, _ in rows}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotProven("x"), FALSE),
        (ServiceError("unknown-task", status=404), FALSE),
        (ServiceError("jailed", status=403), FALSE),
        (ClientError("malformed", "x"), USAGE),
        (Usage("x"), USAGE),
        (SettingsError("x"), USAGE),
        (FileExistsError(17, "x", "y"), USAGE),
        (TooNew("x"), CANNOT_CHECK),
        (Unreachable("x"), CANNOT_CHECK),
        (Unusable("x"), CANNOT_CHECK),
        (ServiceError("overloaded", status=503), CANNOT_CHECK),
        (ServiceError("rate-limited", status=429), CANNOT_CHECK),
        (ServiceError("http-403", status=403), CANNOT_CHECK),
        (ServiceError("internal", status=500), CANNOT_CHECK),
        (FileNotFoundError(2, "x", "y"), CANNOT_CHECK),
        (KeyboardInterrupt(), INTERRUPTED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_each_kind_of_error_has_its_code(error: BaseException, code: int) -> None:
    assert report(error) == code


def test_no_hint_of_a_command_speaks_http() -> None:
    hints = {code: hint_for(code, kind.hint) for code, kind in CODES.items()}
    assert {code: hint for code, hint in hints.items() if OF_HTTP.search(hint)} == {}


def test_every_hint_of_ours_is_for_a_code_that_there_is() -> None:
    ahead = {"storage-full", "clock-in-doubt"}
    assert HINTS.keys() - ahead <= CODES.keys()


@pytest.mark.parametrize(
    "shape", [payloads.Did, payloads.Name, payloads.Handle, payloads.Hex32, payloads.ShortText, payloads.Uri,
              payloads.Account, payloads.Id]
)  # fmt: skip
def test_what_a_text_looks_like_is_said_in_words(shape: object) -> None:
    import msgspec

    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"x": "\x00" * 52}, dict[str, shape])  # type: ignore[valid-type]
    said = worded(str(caught.value))
    assert "expected " in said
    assert not OF_REGEX.search(said)
    assert "another form" not in said


def test_a_command_shows_no_regular_expression(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "new", str(tmp_path / "a.key")]) == GOOD
    (tmp_path / "spec").write_text("x")
    post = ["task", "post", "NOT A NAME", "--kind", "k", "--price", "1", "--spec", str(tmp_path / "spec")]
    with serving(lambda request: problem(404, "unknown-path")) as url:
        assert run([*post, "--key", str(tmp_path / "a.key"), "--url", url, "--vkey", VKEY]) != GOOD
        assert (
            run(["claim", "renew", "x", "--key", str(tmp_path / "a.key"), "--url", url, "--vkey", VKEY])
            == USAGE
        )
    told = capsys.readouterr().err
    assert "an id, such as clm_" in told
    assert not OF_REGEX.search(told)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["nonsense", "--json"], USAGE), (["stake", "deposit", "@a", "1.5", "--key", "x", "--json"], USAGE),
     (["keys", "show", "none.key", "--json"], USAGE),
     (["audit", "nowhere", "--key", VKEY, "--json"], CANNOT_CHECK)],
)  # fmt: skip
def test_an_error_is_json_where_the_answer_would_be(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert json.loads(shown.err)["exit"] == code
