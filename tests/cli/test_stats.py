"""`trust stats overhead`: the service's times, and what coordinators counted, in lines, as JSON and as a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from tests.cli.served import serving
from tests.client.services import Log, answer
from tests.factories import log_signer, statement
from trust.cli import run
from trust.cli.failures import CANNOT_CHECK, GOOD
from trust.client.wire import Request, Response
from trust.core import overhead
from trust.core.overhead import DEFAULT, Legs
from trust.core.records import Overhead

VKEY = str(log_signer().verifier)
HOUR_MS = 3_600_000


def told(task_kind: str, relay: str, legs: Legs, claims: int = 30) -> dict[str, Any]:
    """What a service answers of as many claims with these legs."""
    record = Overhead(id=f"{task_kind}/{relay}", task_kind=task_kind, relay=relay)
    for number in range(claims):
        record = overhead.added(record, legs, HOUR_MS + number * 1_000)
    facts: dict[str, Any] = msgspec.to_builtins(overhead.figures(record, HOUR_MS, DEFAULT))
    return {"task_kind": task_kind, "relay": relay, **facts}


class Service:
    """A service with two pages of figures, and a coordinator of its relay."""

    def __init__(self) -> None:
        self.log = Log()
        self.log.append(statement("task.cancel"))

    def handle(self, request: Request) -> Response:
        if request.path == "/log/checkpoint":
            return Response(200, self.log.checkpoint(), {"Content-Type": "text/plain"})
        if request.path == "/stats":
            queue = {"waiting": 0, "most": 3_000, "bound": 4_096}
            traffic = {"sent": 200, "received": 100, "sent_bytes": 40_000, "received_bytes": 20_000}
            tasks = {"posted": 30, "claimed": 30, "delivered": 30}
            named = {"network": "n", "relay": "rly_a", "coordinator": "did:key:z6MkCoordinator"}
            return answer(200, {**named, "tasks": tasks, "traffic": traffic, "queues": {"requests": queue}})
        second = "after=" in request.path
        pair = (
            told("lint", "rly_b", Legs(500, 100, 0))
            if second
            else told("review", "rly_a", Legs(10, 4_000, 90))
        )
        return answer(
            200,
            {
                "as_of": {"size": 8, "at_ms": HOUR_MS},
                "thresholds": msgspec.to_builtins(DEFAULT),
                "network": told("", "", Legs(10, 4_000, 90)),
                "pairs": [pair],
                "after": None if second else "review/rly_a",
            },
        )


def test_times_and_a_coordinators_counts_stand_in_lines_with_advice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(Service().handle) as url:
        assert run(["stats", "overhead", "--relay", url, "--url", url, "--vkey", VKEY]) == GOOD
    said = capsys.readouterr().out
    assert (
        "review through rly_a: 30 claims, 0 without an output; 2.4 % of a task's life is coordination" in said
    )
    assert "  claim to output       median 3840 ms" in said
    assert "more agents are a net loss here" in said
    assert "rly_a, 1 coordinators asked: 30 posted, 30 claimed, 30 delivered" in said
    assert "  a task: 10.0 messages, 2.0 kB" in said
    assert "requests: its queue was 73 % full: add relays" in said


def test_all_pages_are_in_the_json_and_in_the_picture(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    chart = tmp_path / "overhead.svg"
    with serving(Service().handle) as url:
        assert (
            run(["stats", "overhead", "--chart", str(chart), "--url", url, "--vkey", VKEY, "--json"]) == GOOD
        )
    facts = json.loads(capsys.readouterr().out)
    assert [(pair["task_kind"], pair["relay"]) for pair in facts["pairs"]] == [
        ("review", "rly_a"),
        ("lint", "rly_b"),
    ]
    assert facts["relays"] == []
    bars = [each for each in ET.parse(chart).iter() if each.tag.endswith("rect")]
    assert len(bars) == 3 + 3 * 3  # a legend, and three legs of the network and of each pair


def test_an_address_that_is_no_coordinator_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Service().handle) as url:
        nobody = "http://127.0.0.1:9"
        assert run(["stats", "overhead", "--relay", nobody, "--url", url, "--vkey", VKEY]) == CANNOT_CHECK
    assert f"{nobody} does not say what it counts" in capsys.readouterr().err
