"""`trust work` and `trust verify` as their owner starts them: real processes, a real relay, killed in the middle."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.processes import ROOT, free_port
from tests.forking import MAIN, Forked
from tests.relay.networks import KIND, Coordinator, Network, named, network, standing
from tests.services.statements import Party
from tests.speaking import Speaking
from trust.client import TrustClient, Worker
from trust.client.statements import Speaker

TERMS = {
    "draw_ms": 30_000,
    "commit_ms": 20_000,
    "reveal_ms": 20_000,
    "challenge_ms": 300,
    "notice_ms": 600_000,
    "unbonding_ms": 20_000_000,
}

MAKE = """
import json, sys
from pathlib import Path
case = json.load(sys.stdin)
spec = Path("blobs", case["spec_sha256"]).read_text()
Path("output/answer.txt").write_text(spec.upper())
with open(sys.argv[1], "a") as book: book.write(case["task"] + "\\n")
"""
JUDGE = """
import json, sys
from pathlib import Path
case = json.load(sys.stdin)
spec = Path("blobs", case["spec_sha256"]).read_text()
found = [Path("blobs", each["sha256"]).read_text() for each in case["artifacts"]]
with open(sys.argv[1], "a") as book: book.write(case["seat"] + "\\n")
print(json.dumps({"verdict": "pass" if found == [spec.upper()] else "fail"}))
"""


@dataclass
class Place:
    """A network with three verifiers, its relay, and a directory for the programs' keys."""

    network: Network
    relay: Coordinator
    folder: Path

    def key(self, name: str) -> Path:
        path = self.folder / f"{name.replace(' ', '-')}.key"
        if not path.exists():
            path.write_text(Party(name).seed.hex() + "\n")
            path.chmod(0o600)
        return path

    def script(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return shlex.join([sys.executable, "-I", "-S", str(path), str(self.folder / f"{name}.book")])

    def booked(self, name: str) -> list[str]:
        path = self.folder / f"{name}.book"
        return path.read_text().splitlines() if path.exists() else []

    def client(self) -> TrustClient:
        return TrustClient(self.network.url, self.network.vkey)

    def post(self, text: bytes) -> str:
        """A task whose specification is stored; returns its name."""
        task = named()
        requester = self.network.requester
        with self.client() as client:
            Worker(client, requester.seed).transport.run(Worker(client, requester.seed).store(text))
            client.send(self.network.task_post(task, spec_sha256=sha256(text).hexdigest()))
        return task


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("programs")
    with network(folder, agents=4, verifiers=3, **TERMS) as running, standing(running) as relay:
        yield Place(running, relay, folder)


class Program:
    """One program as a process, and what it said."""

    def __init__(self, place: Place, *arguments: str) -> None:
        where = ("--url", place.network.url, "--vkey", place.network.vkey)
        self.process = Speaking([*arguments, *where], place.folder)
        self.said: list[dict[str, Any]] = []

    def says(self, did: str, **facts: Any) -> dict[str, Any]:
        """Reads on until it says that it did something."""
        while line := self.process.line():
            print(line)
            self.said.append(json.loads(line))
            if self.said[-1]["did"] == did and all(
                self.said[-1].get(name) == each for name, each in facts.items()
            ):
                return self.said[-1]
        self.kill()
        raise AssertionError(f"it did not say {did}: {self.said} {self.process.errors()}")

    def kill(self) -> None:
        self.process.kill()

    def stop(self) -> list[dict[str, Any]]:
        self.process.send_signal(signal.SIGTERM)
        out = self.process.output.read()
        assert self.process.wait(20) == 0, self.process.errors()
        return self.said + [json.loads(line) for line in out.splitlines()]


def working(place: Place, name: str, script: str, *more: str) -> Program:
    key = str(place.key(name))
    return Program(
        place, "work", "--key", key, "--relay", place.relay.url, "--kind", KIND, "--exec", script, *more
    )


def verifying(place: Place, number: int, script: str) -> Program:
    return Program(place, "verify", "--key", str(place.key(f"verifier {number}")), "--exec", script)


def until(found: Callable[[], Any], timeout_s: float = 40) -> Any:
    end = time.monotonic() + timeout_s
    while not (value := found()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return value


def test_a_worker_and_a_verifier_that_are_killed_go_on_and_no_seat_votes_twice(place: Place) -> None:
    make, judge = place.script("make.py", MAKE), place.script("judge.py", JUDGE)
    worker = working(place, "agent 0", make)
    task = place.post(b"say it louder")
    claim = worker.says("delivered")["claim"]
    worker.kill()

    verifiers = [verifying(place, number, judge) for number in range(3)]
    try:
        verifiers[0].says("commit", claim=claim)
        verifiers[0].kill()
        verifiers[0] = verifying(place, 0, judge)
        for each in verifiers:
            each.says("reveal", claim=claim)
        worker = working(place, "agent 0", make)
        with place.client() as client:
            settled = until(lambda: (found := client.claim(claim))["ended_ms"] and found)
        assert settled["state"] == "accepted"
        assert settled["verdict"] == "pass"
        assert [seat["outcome"] for seat in settled["rounds"][0]["seats"]] == ["right"] * 3
        assert len(place.booked("judge.py")) == 3
        assert place.booked("make.py") == [task]
        worker.says("ended", claim=claim)
        assert not list(place.key("agent 0").with_suffix(".work").iterdir())
        assert all(each.stop()[-1]["did"] == "stopped" for each in (worker, *verifiers))
        verifiers = []
    finally:
        for each in verifiers:
            each.kill()


def test_a_worker_that_is_killed_before_it_delivers_delivers_what_it_had_made(place: Place) -> None:
    make = place.script("make-once.py", MAKE)
    slow = place.script("slow.py", MAKE + "\nimport time\ntime.sleep(600)\n")
    worker = working(place, "agent 1", slow)
    task = place.post(b"once only")
    claim = worker.says("claimed", task=task)["claim"]
    until(lambda: task in place.booked("slow.py"))
    worker.kill()
    worker = working(place, "agent 1", make)
    entry = worker.says("delivered", claim=claim)["entry"]
    worker.stop()
    assert place.booked("make-once.py") == [task]
    with place.client() as client:
        assert client.claim(claim)["output"]["index"] == entry
        assert client.claim(claim)["output"]["opened"] is True


def test_a_command_that_fails_gives_the_claim_up(place: Place) -> None:
    worker = working(place, "agent 2", place.script("broken.py", "raise SystemExit('no idea')"))
    task = place.post(b"impossible")
    claim = worker.says("claimed", task=task)["claim"]
    assert "no idea" in worker.says("failed", claim=claim)["why"]
    worker.says("abandoned", claim=claim)
    worker.stop()
    with place.client() as client:
        assert client.claim(claim)["state"] == "abandoned"
        assert client.task(task)["state"] == "open"


def test_a_dry_run_says_what_it_would_claim_and_claims_nothing(place: Place) -> None:
    rules = place.folder / "rules.toml"
    rules.write_text(f'kinds = ["{KIND}"]\nleast_price_units = 1000\n')
    task = place.post(b"cheap")
    worker = working(place, "agent 3", "true", "--dry-run", "--rules", str(rules))
    assert "below 1000" in worker.says("passes", task=task)["why"]
    worker.stop()
    worker = working(place, "agent 3", "true", "--dry-run")
    worker.says("would-claim", task=task)
    told = worker.stop()
    assert told[-1]["change_units"] == 0
    with place.client() as client:
        assert client.task(task)["state"] == "open"


def test_the_balances_of_whoever_speaks_are_its_own(place: Place) -> None:
    with place.client() as client:
        held = client.agent(Speaker(client.network, Party("agent 3").seed).actor)["balances"]
    assert sum(held.values()) == 1_000_000


# -- the README's lines


def connecting() -> list[str]:
    """What the README says that each reader starts."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Connect in five minutes")[2]
    return re.findall(r"`(trust [^`]+ [A-Z][^`]+)`", section.partition("\n## ")[0])


MCP = """
import sys
sys.stdin, sys.stdout = open("asked"), open("answered", "w")
"""
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
}


def test_each_line_by_which_a_reader_connects_works_as_it_is_written(place: Place, tmp_path: Path) -> None:
    owner, port = tmp_path / "owner.toml", free_port()
    owner.write_text("most_stake_units = 300\n")
    os.mkfifo(tmp_path / "asked")
    asked = os.open(tmp_path / "asked", os.O_RDWR)
    os.write(asked, json.dumps(INITIALIZE).encode() + b"\n")
    names = {"RELAY": place.relay.url, "KIND": KIND, "OWNER.toml": owner, "RELAY-ID": place.network.solo}
    names |= {"URL": place.network.url, "VKEY": place.network.vkey, "KEY": place.key("coordinator")}
    commands = {"work": place.script("readme.py", MAKE), "verify": place.script("readme-judge.py", JUDGE)}
    keys = {"work": "agent 3", "verify": "verifier 2", "mcp": "agent 2"}
    started: dict[str, Forked] = {}
    for line in connecting():
        words = [str(names.get(word, word)) for word in line.split()[1:]]
        words += ["--port", str(port)] if words[0] == "relay" else []
        words = [commands[words[0]] if word == "COMMAND" else word for word in words]
        where = {"TRUST_URL": place.network.url, "TRUST_VKEY": place.network.vkey}
        key = {"TRUST_KEY": str(place.key(keys[words[0]]))} if words[0] in keys else {}
        code = MCP + MAIN if words[0] == "mcp" else MAIN
        started[words[0]] = Forked(code, words, tmp_path, dict(os.environ) | where | key)
    try:
        assert started.keys() == {"work", "verify", "mcp", "relay", "audit"}
        task = place.post(b"by the book")
        with place.client() as client:
            until(lambda: any(each["state"] != "claimed" for each in client.task(task)["claims"]))
        assert started["audit"].wait(60) == 0
        until(lambda: answers(f"http://127.0.0.1:{port}/health"))
        until(lambda: (tmp_path / "answered").exists() and (tmp_path / "answered").read_text().count("\n"))
        answer = json.loads((tmp_path / "answered").read_text().splitlines()[0])
        assert answer["result"]["serverInfo"]["name"] == "trust"
        assert started["verify"].poll() is None
    finally:
        os.close(asked)
        for each in started.values():
            with suppress(ProcessLookupError):
                os.killpg(each.pid, signal.SIGKILL)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False
