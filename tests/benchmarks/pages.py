"""What each page of the explorer costs, with a thousand agents, tasks and claims and with a hundred thousand.

A small network is played for real; then rows are made up beside its own and lie in the tables as a log would leave
them: its requester has posted half of the tasks, its worker holds half of the claims. A page is made whole, from its
queries to its bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import NamedTuple

from tests.api.house import House, house
from tests.benchmarks.lists import KIND, insert
from tests.benchmarks.table import Row, at_most
from tests.storage.plans import plans_of, troubles
from trust.core.records import Account, Claim, Handle, Party, Record, Slot, Task, Timer
from trust.core.scoring import worker_pool
from trust.services.cosigning import QuorumState
from trust.storage.reading import Reader, reading
from trust.storage.unit import aside
from trust.web import agents, cases, network
from trust.web.rendering import Page, whole

SIZE, SMALL = 100_000, 1_000
ROUNDS = 9
MOST_TIMES = 2.0
LEAST_MS = 3.0
"""What is quicker counts as this: of less, the clock says nothing."""
MAX_BYTES = 100_000


class Cost(NamedTuple):
    """Of one page: the processor's time, the bytes, the queries, and those among them that read a whole table."""

    ms: float
    bytes: int
    queries: int
    scans: int


def run(quick: bool) -> list[Row]:
    """A row for each page."""
    size = SIZE // 10 if quick else SIZE
    with TemporaryDirectory() as folder:
        small, large = (_measured(Path(folder) / str(each), each) for each in (SMALL, size))
    return [_row(name, size, small[name], large[name]) for name in large]


def _row(name: str, size: int, small: Cost, large: Cost) -> Row:
    kilobytes = f"{large.bytes / 1_000:.0f} KB, {large.queries} queries"
    if large.bytes >= MAX_BYTES or large.scans:
        return Row(
            f"page {name}", f"{kilobytes}, {large.scans} scans", "100 KB, 0 scans", None, "<= 1", met=False
        )
    return at_most(
        f"page {name}, of {size:,} rows, own CPU, median of {ROUNDS}",
        f"{large.ms:.1f} ms, {kilobytes}",
        f"{small.ms:.1f} ms at {SMALL:,}",
        large.ms / max(small.ms, LEAST_MS),
        MOST_TIMES,
    )


def _measured(folder: Path, size: int) -> dict[str, Cost]:
    folder.mkdir()
    with house(folder, f"sqlite:///{folder / 'trust.db'}", score_epoch_ms=600_000) as town:
        town.settle_in()
        rejected = town.checked("task-fail", "fail")
        _fill(town, size)
        with reading(town.database) as reader:
            pages = _pages(reader, town, rejected)
            return {name: _cost(reader, page) for name, page in pages.items()}


def _fill(town: House, size: int) -> None:
    """Rows beside those of the network, so many of each kind."""
    requester, worker = town.requester.did, town.workers[0].did
    rows: dict[type[Record], dict[str, str]] = {
        Task: {
            "id": "'made-' || i",
            "requester": f"CASE i % 2 WHEN 0 THEN '{requester}' ELSE 'did:key:z' || i END",
            "task_kind": f"'{KIND}'",
            "state": "CASE i % 10 WHEN 0 THEN 'open' ELSE 'closed' END",
            "index": "20 + i % 10",
        },
        Claim: {
            "id": "'clm_' || i",
            "task": "'made-' || i",
            "worker": f"CASE i % 2 WHEN 0 THEN '{worker}' ELSE 'did:key:z' || i END",
            "task_kind": f"'{KIND}'",
            "state": "CASE WHEN i < 200 THEN 'checking' WHEN i % 10 = 1 THEN 'rejected' ELSE 'accepted' END",
            "index": "20 + i % 10",
            "ended_ms": "CASE WHEN i < 200 THEN 0 ELSE 1 END",
        },
        Party: {
            "id": "'did:key:z' || i",
            "handle": "'made-' || i",
            "capabilities": f"'[\"{KIND}\"]'",
            "index": "20 + i % 10",
        },
        Account: {"id": "'agent/did:key:z' || i || '/free'", "balance_units": "0"},
        Handle: {"id": "'made-' || i", "party": "'did:key:z' || i"},
        Slot: {
            "id": f"'workers/{KIND}/' || i",
            "pool": f"'{worker_pool(KIND)}'",
            "number": "i",
            "agent": "'did:key:z' || i",
        },
        Timer: {"id": "'clm_' || i", "due_ms": "99999999999999 - i", "kind": "'lease'"},
    }
    with aside(town.database) as connection:
        for kind, fields in rows.items():
            insert(connection, kind, size, **fields)


def _pages(reader: Reader, town: House, rejected: str) -> dict[str, Callable[[], Page]]:
    worker, requester = town.workers[0].did, town.requester.did
    return {
        "home": lambda: network.home_page(reader),
        "claim": lambda: cases.claim_page(reader, rejected, -1),
        "task": lambda: cases.task_page(reader, "task-fail", -1),
        "tasks": lambda: cases.tasks_page(reader, "", {}, ""),
        "tasks of a requester": lambda: cases.tasks_page(reader, "open", {"requester": requester}, ""),
        "claims": lambda: cases.claims_page(reader, "", {}, ""),
        "claims, open": lambda: cases.claims_page(reader, "open", {}, ""),
        "agent who works": lambda: agents.agent_page(reader, worker, -1, None),
        "agent who posts": lambda: agents.agent_page(reader, requester, -1, None),
        "agents": lambda: agents.agents_page(reader, "", "", ""),
        "agents of a kind": lambda: agents.agents_page(reader, KIND, "worker", ""),
        "relays": lambda: agents.relays_page(reader, ""),
        "relay": lambda: agents.relay_page(reader, town.relay),
        "log": lambda: network.entries_page(reader, "", None),
        "entry": lambda: network.entry_page(reader, "25"),
        "search": lambda: network.search(reader, "made-1", "")[0],
        "policy": lambda: network.policy_page(reader, None),
        "witnesses": lambda: network.witnesses_page(reader, QuorumState(0, ())),
        "statistics": lambda: network.stats_page(reader, "hour", None),
        "convictions": lambda: network.convictions_page(reader, None),
        "due": lambda: network.due_page(reader, ""),
    }


def _cost(reader: Reader, page: Callable[[], Page]) -> Cost:
    spent, body = [], b""
    for _ in range(ROUNDS):
        begun = process_time()
        body = whole(page(), reader, "/", "")
        spent.append((process_time() - begun) * 1_000)
    plans = plans_of(reader.connection, page)
    scans = [plan for plan in plans if any("B-TREE" not in line for line in troubles(plan))]
    return Cost(median(spent), len(body), len(plans), len(scans))
