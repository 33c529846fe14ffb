"""What a relay waits for: `POST /v1/priorities` with 1,000 candidates among 100,000 agents, on SQLite."""

from __future__ import annotations

import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import msgspec

from tests.benchmarks.served import Served
from tests.benchmarks.table import Row, at_most
from tests.services.houses import House
from tests.services.statements import KIND, Town
from trust import clock, interpreter_tuning
from trust.core import ledger
from trust.core.events import NETWORK, Observed, PartyRegistered, WorkCounted
from trust.core.rawsums import accumulate
from trust.core.records import Account, Network, Score
from trust.core.state import Draft
from trust.services import scoring
from trust.storage.engine import Database
from trust.storage.migrations import upgrade
from trust.storage.projections import Projections
from trust.storage.reading import reading
from trust.storage.state import SqlView
from trust.storage.unit import unit

AGENTS, CANDIDATES = 100_000, 1_000
GOAL_MS = 20.0
GOAL_US = 8.0
ROUNDS = 40
EVENTS = 50_000
CHUNK = 10_000


def run(quick: bool) -> list[Row]:
    """At the service itself, and as a relay sees it."""
    agents = AGENTS // 10 if quick else AGENTS
    with TemporaryDirectory() as name:
        directory = Path(name)
        url = f"sqlite:///{directory / 'trust.db'}"
        upgrade(url)
        interpreter_tuning.tune()
        database = Database(url)
        town = Town(2, start_ms=clock.now_ms() - 3_600_000)
        House(database, directory, town).found()
        dids = _settle(database, agents)
        asked = [random.Random(number).sample(dids, CANDIDATES) for number in range(ROUNDS)]
        what = f"priorities of {CANDIDATES:,} among {agents:,} agents"
        rows = [_row(what, [_took_ms(_ranking(database, each)) for each in asked]), _folding(database)]
        database.close()
        with Served(town, directory, url, requests_per_s=0) as served:
            rows.insert(1, _row(f"{what}, over HTTP", _over_http(served, asked)))
        return rows


def _row(name: str, took_ms: list[float]) -> Row:
    middle = median(took_ms)
    return at_most(name, f"{middle:.1f} ms", f"{GOAL_MS:g} ms", middle / GOAL_MS)


def _settle(database: Database, agents: int) -> list[str]:
    """Registers agents with money, a liveness and a record, without statements or entries."""
    names = (sha256(str(number).encode()).hexdigest()[:44] for number in range(agents))
    dids = [f"did:key:z6Mk{name}".replace("0", "z") for name in names]
    rng = random.Random(7)
    for start in range(0, agents, CHUNK):
        with unit(database) as u:
            draft = Draft(SqlView(u.connection, u.head))
            for did in dids[start : start + CHUNK]:
                PartyRegistered(party=did, owner=did, capabilities=(KIND,)).fold(draft)
                draft.put(Account(id=ledger.free(did), balance_units=rng.randrange(20_000)))
                WorkCounted(agent=did, done=rng.random() < 0.95).fold(draft)
                milli = rng.randrange(1, 40_000)
                Observed(agent=did, role="worker", task_kind=KIND, why="verdict", good_milli=milli).fold(
                    draft
                )
                Observed(agent=did, role="worker", task_kind=KIND, why="expired", bad_milli=3_000).fold(draft)
            u.write_state(draft.writes, Projections())
    return dids


def _ranking(database: Database, candidates: list[str]) -> Callable[[], object]:
    def rank() -> bytes:
        with reading(database) as reader:
            return msgspec.json.encode(scoring.priorities(reader, KIND, candidates, ""))

    return rank


def _over_http(served: Served, asked: list[list[str]]) -> list[float]:
    connection = served.connect()
    took = []
    for candidates in asked:
        body = msgspec.json.encode({"task_kind": KIND, "candidates": candidates})

        def ask(body: bytes = body) -> None:
            connection.request("POST", "/v1/priorities", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise RuntimeError(f"priorities answered {answer.status}")
            answer.read()

        took.append(_took_ms(ask))
    return took


def _folding(database: Database) -> Row:
    """Microseconds for an event into a record as it is stored."""
    with reading(database) as reader:
        decay = reader.record(Network, NETWORK)
    assert decay is not None
    rng = random.Random(2)
    seen = Observed(agent="a", role="worker", task_kind=KIND, why="verdict", good_milli=3_600)
    events = [(f"{rng.randrange(5_000)}", decay.t0_ms + number * 1_000_000) for number in range(EVENTS)]

    def fold() -> None:
        records: dict[str, Score] = {}
        for agent, t_ms in events:
            record = records.get(agent) or Score(agent, agent, "worker", KIND, 0, 0)
            records[agent] = accumulate(record, seen, t_ms, decay)

    took_us = min(_took_ms(fold) for _ in range(3)) * 1_000 / EVENTS
    return at_most("an event into a stored record", f"{took_us:.1f} us", f"{GOAL_US:g} us", took_us / GOAL_US)


def _took_ms(call: Callable[[], object]) -> float:
    begun = perf_counter()
    call()
    return (perf_counter() - begun) * 1_000
