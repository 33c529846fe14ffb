"""Commands that are made from a payload type."""

from __future__ import annotations

from typing import Any

import pytest
from cyclopts import App

from trust import clock
from trust.cli import statements
from trust.cli.connection import Me, Service
from trust.client import Agent
from trust.core import payloads as p


class Heard:
    """A service that notes what an agent sends."""

    def __init__(self) -> None:
        self.sent: list[tuple[type[p.Payload], dict[str, Any]]] = []
        self.within: list[str] = []

    def send(self, kind: type[p.Payload], **fields: Any) -> None:
        self.sent.append((kind, fields))


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    heard = Heard()

    class Acting:
        def __enter__(self) -> Heard:
            return heard

        def __exit__(self, *_: object) -> None:
            pass

    def acting(self: Service, role: type, me: Me, within: str = "") -> Acting:
        assert role is Agent
        heard.within.append(within)
        return Acting()

    monkeypatch.setattr(Service, "acting", acting)
    monkeypatch.setattr(Service, "accepted", lambda self, done: None)
    monkeypatch.setattr(clock, "now_ms", lambda: 1_000_000)
    return heard


def run(kind: type[p.Payload], words: dict[str, str], *arguments: str) -> None:
    app = App(name="test", result_action="return_value")
    statements.statement(app, "say", kind, "Say it.", words)
    app(["say", *arguments, "--key", "k.key"], exit_on_error=False, print_error=False)


def test_what_a_statement_must_have_is_an_argument_and_the_rest_are_options(heard: Heard) -> None:
    run(p.VerdictChallenge, {"claim": "", "reason": "", "report_sha256": ""}, "clm_a", "late")
    run(
        p.VerdictChallenge,
        {"claim": "", "reason": "", "report_sha256": ""},
        "c",
        "r",
        "--report-sha256",
        "ab",
    )
    assert heard.sent == [
        (p.VerdictChallenge, {"claim": "clm_a", "reason": "late"}),
        (p.VerdictChallenge, {"claim": "c", "reason": "r", "report_sha256": "ab"}),
    ]


def test_units_are_numbers_without_their_unit_and_times_are_from_now(heard: Heard) -> None:
    run(p.StakeWithdraw, {"amount_units": "", "reference": ""}, "--amount", "12")
    run(p.RulesAdopt, {"rules": "", "effective_ms": ""}, "3", "2s")
    assert heard.sent == [
        (p.StakeWithdraw, {"amount_units": 12}),
        (p.RulesAdopt, {"rules": 3, "effective_ms": 1_002_000}),
    ]
    assert heard.within == ["", "2s"]
