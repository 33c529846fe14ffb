"""A challenge as an agent says it: by the SDK, and by `trust check challenge`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.client.services import Log
from tests.client.test_roles import CLAIM, Service
from tests.factories import derived_id, did, seed
from trust.cli import connection, run
from trust.cli.failures import GOOD, USAGE
from trust.client import Agent
from trust.client.clients import Client
from trust.client.transports import Transport
from trust.core.commands import Spoken
from trust.core.payloads import VerdictChallenge
from trust.settings import write_seed

CHALLENGE = derived_id("chl_")


def events(spoken: Spoken) -> list[dict[str, Any]]:
    return [{"kind": "verdict.challenged", "challenge": CHALLENGE}]


@pytest.fixture
def service() -> Service:
    made = Service()
    made.log.events = events
    return made


def said(service: Service) -> VerdictChallenge:
    [spoken] = service.said
    assert isinstance(spoken.payload, VerdictChallenge)
    return spoken.payload


def test_a_challenge_stores_its_report_first_and_names_it(service: Service) -> None:
    accepted = Agent(service.client, seed(1)).challenge(CLAIM, "line 7 is wrong", b"a report")
    assert isinstance(service.log, Log)
    assert service.log.blobs == {sha256(b"a report").hexdigest(): b"a report"}
    payload = said(service)
    assert (payload.claim, payload.reason, payload.actor) == (CLAIM, "line 7 is wrong", did(1))
    assert payload.report_sha256 == sha256(b"a report").hexdigest()
    assert accepted.created == {"challenge": CHALLENGE}


@pytest.fixture
def key(tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key file; the command line talks to the service of this test."""

    @contextmanager
    def client(_: object, *__: object) -> Iterator[Client[Transport]]:
        yield service.client

    monkeypatch.setattr(connection.Service, "client", client)
    path = tmp_path / "me.key"
    write_seed(path, seed(1))
    return path


def test_a_challenge_is_said_on_the_command_line(key: Path, service: Service, tmp_path: Path) -> None:
    report = tmp_path / "report.txt"
    report.write_bytes(b"why")
    receipt = tmp_path / "receipt.json"
    arguments = ["check", "challenge", CLAIM, "--key", str(key), "--reason", "wrong", "--report", str(report)]
    assert run([*arguments, "--receipt", str(receipt)]) == GOOD
    assert (said(service).claim, said(service).reason) == (CLAIM, "wrong")
    assert service.log.blobs.values()
    assert receipt.exists()


def test_a_challenge_says_why(key: Path, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "challenge", CLAIM, "--key", str(key)]) == USAGE
    assert "reason" in capsys.readouterr().err
    assert service.said == []
