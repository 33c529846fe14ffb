"""The table of codes is whole, well formed, and what the docstring prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trust import errors
from trust.errors import CODES, TrustError

PROTOCOL = {
    "bad-signature": 401, "insufficient-funds": 402, "insufficient-stake": 402, "jailed": 403,
    "threshold-not-met": 403, "not-allocated": 403, "relay-suspended": 403, "task-exists": 409,
    "already-claimed": 409, "no-panel": 409, "not-yet": 409, "expired": 410, "too-late": 410,
    "stake-cannot-deter": 422, "overloaded": 503, "shutting-down": 503, "log-frozen": 503, "invalid-key": 400,
}  # fmt: skip


def test_the_docstring_prints_every_code_once_with_its_status_and_hint() -> None:
    rows = re.findall(r"^(\d{3})  (\S+) +(.+)$", errors.__doc__ or "", re.MULTILINE)
    assert [(code, int(status), hint) for status, code, hint in rows] == [
        (code, kind.status, kind.hint) for code, kind in CODES.items()
    ]


def test_the_codes_that_the_protocol_names_have_its_statuses() -> None:
    assert {code: CODES[code].status for code in PROTOCOL} == PROTOCOL


def test_codes_stand_in_the_order_of_their_statuses() -> None:
    statuses = [kind.status for kind in CODES.values()]
    assert statuses == sorted(statuses)


def test_a_code_is_lower_case_words_and_says_what_to_do() -> None:
    assert [code for code in CODES if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)] == []
    assert [code for code, kind in CODES.items() if not kind.hint] == []


def test_every_code_that_the_source_raises_is_in_the_table() -> None:
    said = re.compile(r"\b(?:(?:Refused|TrustError)\(\s*|code(?:: \w+)? = )\"([a-z0-9-]+)\"")
    source = Path(errors.__file__).parent
    raised = {
        code for path in source.rglob("*.py") for code in said.findall(path.read_text(encoding="utf-8"))
    }
    assert raised <= CODES.keys()


def test_a_problem_document_has_the_members_of_the_protocol_and_the_extra_ones() -> None:
    error = TrustError(
        "already-claimed", "won by @bob", reasons=["entry 7"], extra={"winner": "did:key:z6Mk"}
    )
    assert error.problem() == {
        "type": "urn:ants:trust:already-claimed",
        "title": "Already claimed",
        "status": 409,
        "detail": "won by @bob",
        "code": "already-claimed",
        "reasons": ["entry 7"],
        "hint": CODES["already-claimed"].hint,
        "winner": "did:key:z6Mk",
    }
    assert str(error) == "already-claimed: won by @bob"


def test_only_an_error_that_may_pass_says_when_to_come_back() -> None:
    assert TrustError("overloaded", retry_after_s=3).retry_after_s == 3
    assert TrustError("jailed").retry_after_s is None


def test_a_code_that_is_not_in_the_table_can_not_be_raised() -> None:
    with pytest.raises(KeyError):
        TrustError("no-such-code")


NAMED_BY_RECORDS = {
    "unknown-agent",
    "unknown-claim",
    "unknown-relay",
    "unknown-seat",
    "unknown-squad",
    "unknown-task",
    "unknown-withdrawal",
}
"""What `Decision.find` raises, by the name of the record that is not there."""
CLIENTS_OWN = {"unknown-kind"}
"""What a relay's client says of a statement that it does not sign for others."""


def test_every_code_is_raised_somewhere() -> None:
    package = Path(errors.__file__).parent
    sources = "".join(path.read_text() for path in package.rglob("*.py") if path.name != "errors.py")
    raised = set(re.findall(r"\"([a-z0-9-]+)\"", sources))
    assert set(CODES) - raised <= NAMED_BY_RECORDS | CLIENTS_OWN
