"""A whole service in this process, on a database of either kind, and a small town that uses it over HTTP."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from tests.asgi import client_of
from tests.services.statements import ORIGIN, Party, Town, created
from tests.tables import make_tables
from trust import app
from trust.core import envelope, payloads, strict, uploads
from trust.core.commands import Spoken
from trust.core.records import Pool, SealedPool
from trust.core.rules import votes
from trust.services import genesis
from trust.services.graph_renewal import Graph
from trust.services.notifying import Notifier
from trust.settings import Settings, shipped
from trust.storage.engine import Database
from trust.storage.reading import reading

KIND = "code-review"
WORK = b'["findings"]'


PAUSE_S = 0.05

TERMS = {
    "lease_ms": 10_000,
    "draw_ms": 10_000,
    "open_ms": 5_000,
    "commit_ms": 3_000,
    "reveal_ms": 3_000,
    "challenge_ms": 1_000,
    "evidence_ms": 2_000,
    "unbonding_ms": 200_000,
    "epoch_ms": 200,
    "score_epoch_ms": 300,
}
"""The tests' windows; the sandbox policy's own may change."""


def policy_text(**values: object) -> str:
    """The sandbox policy's TOML with the tests' numbers, some of them replaced."""
    text = (shipped("policies") / "sandbox.toml").read_text(encoding="utf-8")
    for key, value in {**TERMS, **values}.items():
        text, count = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        assert count == 1, key
    return text


def settings_for(directory: Path, database_url: str, **changes: Any) -> Settings:
    """Settings with the town's keys, so that a log is the same wherever it is made."""
    return replace(
        Settings(data_dir=directory, database_url=database_url),
        log_key=Party("log").seed,
        draw_key=Party("draw").seed,
        **changes,
    )


def found(settings: Settings, origin: str = ORIGIN, **policy: object) -> str:
    """Makes the log under the sandbox policy, with some of its values replaced; returns its verifier key."""
    if settings.data_dir.is_dir():
        make_tables(settings.database_url)
    return genesis.found(settings, origin, policy_text(**policy), Party("operator").seed)


class House(Town):
    """The town's people as they talk to the service; times are the machine's."""

    def __init__(self, client: Any, vkey: str, database: Database, origin: str = ORIGIN) -> None:
        super().__init__(workers=2, policy="sandbox", start_ms=_now_ms(), origin=origin)
        self.client = client
        self.vkey = vkey
        self.database = database
        self.verifiers: list[Party] = []
        self.graph = Graph()
        self.notifier = Notifier()

    def say(self, *args: Any, **fields: Any) -> Spoken:
        self.now_ms = _now_ms()
        return super().say(*args, **fields)

    def post_to(self, path: str, spoken: Spoken) -> httpx.Response:
        answer: httpx.Response = self.client.post(path, content=body_of(spoken), headers=JSON)
        return answer

    def done(self, path: str, spoken: Spoken) -> dict[str, Any]:
        """The answer to a statement that must be taken."""
        answer = self.post_to(path, spoken)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def all_done(self, spoken: Iterable[Spoken]) -> list[bytes]:
        """The entries of statements that are sent as one batch and must all be taken."""
        content = b"[" + b",".join(map(body_of, spoken)) + b"]"
        answer = self.client.post("/v1/statements", content=content, headers=JSON)
        results = answer.json()["results"]
        assert {result["status"] for result in results} == {201}, answer.text
        return [strict.b64(result["entry"]) for result in results]

    def store(self, data: Any, party: Party, digest: str = "") -> httpx.Response:
        """The answer to bytes, or pieces of them, that a party signs for."""
        digest = digest or sha256(data).hexdigest()
        signed = uploads.upload(self.origin, party.did, party.seed, digest, _now_ms() + 60_000)
        headers = {uploads.HEADER: signed}
        answer: httpx.Response = self.client.put(f"/v1/blobs/{digest}", content=data, headers=headers)
        return answer

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.client.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    # -- what the town does

    def capable(self, count: int, deposit_units: int = 10_000) -> list[Party]:
        """Agents that offer the kind of work, once the pool from which they are drawn is sealed."""
        crew = [Party(f"hand {number}") for number in range(count)]
        said = []
        for hand in crew:
            said += [self.register(hand, capabilities=(KIND,)), self.deposit(hand.did, deposit_units)]
        self.all_done(said)
        self.wait(lambda: self._members(f"workers/{KIND}") == count)
        return crew

    def _members(self, pool: str) -> int:
        """How many slots the last seal of a pool counted."""
        with reading(self.database) as reader:
            last = reader.record(Pool, pool)
            sealed = reader.record(SealedPool, last.sealed) if last else None
        return sealed.members if sealed else 0

    def settle_in(self, verifiers: int = 3) -> None:
        """Registers everybody, pays in, and enrols verifiers in a pool that is sealed."""
        said = [*self.founding()]
        founded = len(said)
        for number in range(verifiers):
            verifier = Party(f"verifier {number}")
            self.verifiers.append(verifier)
            enrolled = {"task_kinds": (KIND,), "stake_units": 2_000}
            said += [
                self.register(verifier),
                self.deposit(verifier.did, 10_000),
                self.say(payloads.VerifierEnroll, verifier, **enrolled),
            ]
        self.relay = created(self.all_done(said)[founded - 1], "relay.registered", "relay")
        if verifiers:
            self.wait(lambda: self._members(f"verifiers/{KIND}") == verifiers)

    def task_post(self, task: str, **fields: Any) -> Spoken:
        said = {
            "task": task,
            "task_kind": KIND,
            "spec_sha256": sha256(task.encode()).hexdigest(),
            "price_units": 100,
            "deadline_ms": _now_ms() + 600_000,
        }
        return self.say(payloads.TaskPost, self.requester, **{**said, **fields})

    def claimed(self, task: str) -> str:
        """Posts a task, and lets the first worker claim it."""
        index = self.done("/v1/tasks", self.task_post(task))["receipt"]["index"]
        return str(self.done("/v1/claims", self.claim(task, index, self.workers[0]))["result"]["claim"])

    def delivered(self, task: str, data: bytes = WORK) -> str:
        """The same, and delivers its output with its blob."""
        claim = self.claimed(task)
        digest = sha256(data).hexdigest()
        assert self.store(data, self.workers[0]).status_code in (200, 201)
        artifact = payloads.Artifact(name="findings.json", sha256=digest, size_bytes=len(data))
        said = self.say(payloads.OutputSubmit, self.workers[0], claim=claim, artifacts=(artifact,))
        self.done("/v1/outputs", said)
        return claim

    def seated(self, claim: str, phase: str) -> list[tuple[Party, dict[str, Any]]]:
        """The verifiers with an open seat on a claim that is in this phase."""
        rounds = self.get(f"/v1/claims/{claim}")["rounds"]
        if not rounds or rounds[-1]["phase"] != phase:
            return []
        return [
            (party, seat)
            for party in self.verifiers
            for seat in self.get(f"/v1/agents/{party.did}/seats", state="open")["seats"]
            if seat["claim"] == claim and seat["phase"] == phase
        ]

    def vote(self, claim: str, *verdicts: str) -> None:
        """Every seat commits to a verdict and reveals it; "" keeps silent. The last counts for the seats after it."""
        revealed = []
        for number, (party, seat) in enumerate(self.wait(lambda: self.seated(claim, "commit"))):
            verdict = verdicts[min(number, len(verdicts) - 1)]
            salt = strict.base64_of(sha256(seat["seat"].encode()).digest())
            reveal = {"seat": seat["seat"], "verdict": verdict or "pass", "salt": salt}
            spoken = self.say(payloads.VoteReveal, party, **reveal)
            assert isinstance(spoken.payload, payloads.VoteReveal)
            commitment = votes.commitment(self.origin, seat["seat"], party.did, spoken.payload)
            said = self.say(payloads.VoteCommit, party, seat=seat["seat"], commitment=commitment)
            self.done("/v1/votes", said)
            revealed += [spoken] if verdict else []
        for spoken in revealed:
            self.done("/v1/votes", spoken)

    def checked(self, task: str, verdict: str) -> str:
        """A claim that a panel gave this verdict on, and that ended."""
        claim = self.delivered(task)
        self.wait(lambda: self.get(f"/v1/claims/{claim}")["rounds"])
        self.done("/v1/outputs", self.say(payloads.OutputOpen, self.workers[0], claim=claim))
        self.vote(claim, verdict)
        self.wait(lambda: self.get(f"/v1/claims/{claim}")["ended_ms"])
        return claim

    def wait(self, found: Any, timeout_s: float = 8.0) -> Any:
        """What `found` returns as soon as it is true; it is asked when the log has grown, and now and then besides."""
        end_s = time.monotonic() + timeout_s
        size = self.notifier.size
        while not (value := found()):
            assert time.monotonic() < end_s, "waited in vain"
            size = self.notifier.wait(size, PAUSE_S)
        return value


JSON = {"content-type": "application/json"}


def body_of(spoken: Spoken) -> bytes:
    """The bytes of an envelope."""
    return envelope.encode(spoken.signed.envelope)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@contextmanager
def house(
    directory: Path,
    database_url: str,
    changes: dict[str, Any] | None = None,
    origin: str = ORIGIN,
    **policy: object,
) -> Iterator[House]:
    """A service that runs, on an empty database."""
    settings = settings_for(directory, database_url, **(changes or {}))
    vkey = found(settings, origin, **policy)
    parts = app.build(settings)
    with client_of(parts) as client:
        running = House(client, vkey, parts.database, origin)
        running.graph, running.notifier = parts.service.graph, parts.service.notifier
        yield running


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps everybody from writing to a SQLite database."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
