"""A squad on the terminal: formed, dissolved, claimed and shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.house import House, house
from tests.cli.served import serving
from trust.cli import run
from trust.cli.failures import GOOD, USAGE
from trust.client.wire import Request, Response
from trust.core.payloads import Items
from trust.settings import write_seed


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "service", f"sqlite:///{tmp_path / 'trust.db'}", lease_ms=60_000) as running:
        running.settle_in(verifiers=5)
        yield running


def test_a_squad_is_formed_and_claims_by_commands(
    home: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def handle(request: Request) -> Response:
        headers = {"content-type": "application/json"}
        answer = home.client.request(request.method, request.path, content=request.body, headers=headers)
        return Response(answer.status_code, answer.content, dict(answer.headers))

    people = {
        "requester": home.requester,
        "bob": home.workers[0],
        "eve": home.workers[1],
        "relay": home.coordinator,
    }
    for name, party in people.items():
        write_seed(tmp_path / f"{name}.key", party.seed)
    home.done("/v1/tasks", home.task_post("batch", items=Items(count=10, parts=2)))

    with serving(handle) as url:

        def say(line: str, code: int = GOOD) -> str:
            capsys.readouterr()
            there = ["--url", url, "--vkey", home.vkey, "--data", str(tmp_path), "--json"]
            words = [word.replace("@", f"{tmp_path}/") for word in line.split()]
            assert run([*words, *there]) == code, capsys.readouterr().err
            return capsys.readouterr().out

        form = "squad form batch --key @bob.key --stake 200 --items 4 --until 5m --member @eve.key=300:6:50"
        first = json.loads(say(form))["squad"]
        say(f"squad dissolve {first} --key @eve.key")
        squad = json.loads(say(form))["squad"]
        say("squad form batch --key @bob.key --stake 200 --items 4 --member @eve.key", USAGE)
        say(f"squad claim {squad} --key @bob.key --relay {home.relay} --coordinator @relay.key")
        say("squad form batch --key @bob.key --stake 200 --items 4 --member @eve.key=1:2:3:4", USAGE)
        for asked, listed in (("", [first, squad]), ("--state claimed", [squad]), ("--task other", [])):
            found = json.loads(say(f"squad list {asked}"))["squads"]
            assert sorted(each["squad"] for each in found) == sorted(listed)
        shown = json.loads(say(f"squad show {squad}"))
        assert [(part["items_count"], part["price_units"]) for part in shown["parts"]] == [(4, 40), (6, 60)]
        assert [member.get("surety_units", 0) for member in shown["members"]] == [0, 50]
        assert (shown["state"], [len(part["claims"]) for part in shown["parts"]]) == ("claimed", [1, 1])
