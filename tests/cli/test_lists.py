"""Lists and the search on the terminal: a line an item, over as many pages as there are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api.house import House, house
from tests.cli.served import serving
from trust.cli import run
from trust.cli.failures import GOOD, USAGE
from trust.client import TrustClient
from trust.client.wire import Request, Response
from trust.core.payloads import Reference

Say = Callable[..., list[str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service with a task that is done with, one that is held, and one that is open."""
    directory = tmp_path_factory.mktemp("listed")
    with house(directory, f"sqlite:///{directory / 'trust.db'}", lease_ms=60_000) as running:
        running.settle_in()
        running.checked("done", "pass")
        running.claimed("held")
        reference = Reference(scheme="nostr-event", value="note1abc")
        running.done("/v1/tasks", running.task_post("waits", references=(reference,)))
        yield running


@pytest.fixture(scope="module")
def url(home: House) -> Iterator[str]:
    """The same service at an address."""

    def handle(request: Request) -> Response:
        answer = home.client.request(request.method, request.path, content=request.body)
        return Response(answer.status_code, answer.content, dict(answer.headers))

    with serving(handle) as address:
        yield address


@pytest.fixture
def say(home: House, url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Say:
    """Runs a command; returns the lines that it prints."""

    def said(*arguments: str) -> list[str]:
        capsys.readouterr()
        there = ["--url", url, "--vkey", home.vkey, "--data", str(tmp_path)]
        assert run([*arguments, *there]) == GOOD
        return capsys.readouterr().out.splitlines()

    return said


def test_tasks_are_listed_those_that_are_open_unless_told_otherwise(say: Say, home: House) -> None:
    (line,) = say("task", "list")
    assert line.startswith("waits  code-review, price 100, open, ")
    assert [each.split()[0] for each in say("task", "list", "--state", "all")] == ["waits", "held", "done"]
    assert say("task", "list", "--kind", "nothing") == ["no task is like that"]
    told = json.loads(
        "\n".join(say("task", "list", "--state", "closed", "--requester", home.requester.did, "--json"))
    )
    assert [each["task"] for each in told["tasks"]] == ["done"]


def test_claims_and_agents_are_listed(say: Say, home: House) -> None:
    (line,) = say("claim", "list", "--worker", home.workers[0].did)
    assert ", claimed, stake " in line
    assert len(say("claim", "list", "--state", "all", "--most", "1")) == 1
    verifiers = say("agent", "list", "--role", "verifier", "--capability", "code-review", "--sort", "weight")
    assert {each.split()[0] for each in verifiers} == {each.did for each in home.verifiers}


def test_a_search_says_what_was_found_and_where_it_is_read(say: Say) -> None:
    assert say("search", "wai") == ["task  waits  (id)  /v1/tasks/waits"]
    assert say("search", "note1abc") == ["task  waits  (reference)  /v1/tasks/waits"]
    assert say("search", "nothing-like-it") == ["nothing has that name"]


def test_a_list_is_of_one_item_at_least(home: House, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["task", "list", "--most", "0", "--url", url, "--vkey", home.vkey]) == USAGE


def test_the_sdk_reads_every_list(home: House, url: str) -> None:
    with TrustClient(url, home.vkey) as client:
        assert [each["task"] for each in client.tasks("open", task_kind="code-review")["tasks"]] == ["waits"]
        first = client.tasks(limit=2)
        assert [each["task"] for each in client.tasks(after=first["after"])["tasks"]] == ["done"]
        assert [each["task"] for each in client.claims("open")["claims"]] == ["held"]
        assert client.relays()["relays"][0]["relay"] == home.relay
        assert client.open_seats()["seats"] == []
        assert client.agents(limit=1)["after"]
        assert client.entries("task.post", limit=1)["entries"][0]["events"][0]["task"] == "waits"
        assert client.search("note1abc")["found"][0]["id"] == "waits"
