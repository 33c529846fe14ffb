"""What each page of the explorer costs a service of a thousand agents, tasks and claims, and one of a hundred thousand.

A small network is played for real; then rows are made up beside its own and lie in the tables as a log would leave
them: its requester has posted half of the tasks, its worker holds half of the claims. The log itself is lengthened by
copies of an entry of its own. A page is made whole, from its queries to its bytes; then Chromium opens it, at a service
over the same database (`paint.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import NamedTuple

from tests.api.house import House, house
from tests.benchmarks import paint
from tests.benchmarks.lists import KIND, insert
from tests.benchmarks.table import Row, at_most
from tests.services.statements import Party as Key
from tests.storage.plans import plans_of, troubles
from trust.core.records import Account, Claim, Handle, Party, Record, Slot, Task, Timer
from trust.core.scoring import worker_pool
from trust.log.checkpoint import Checkpoint
from trust.log.note import Signer, sign_note
from trust.log.tiles import TreeEdge
from trust.services.cosigning import QuorumState
from trust.services.genesis import HEAD_FILE
from trust.storage.engine import Database
from trust.storage.reading import Reader, reading
from trust.storage.unit import Head, StoredEntry, aside, unit
from trust.web import agents, cases, network
from trust.web.rendering import Page, whole

SIZE, SMALL = 100_000, 1_000
ENTRIES = 1_000_000
CHUNK = 5_000
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


class Shown(NamedTuple):
    """Where a service has a page, and what makes it."""

    path: str
    made: Callable[[Reader], Page]


def run(quick: bool, url: str = "") -> list[Row]:
    """Rows for each page: its own cost, and its first paint. `url` names an empty PostgreSQL; SQLite unless given."""
    size, entries = (SIZE // 10, ENTRIES // 10) if quick else (SIZE, ENTRIES)
    with TemporaryDirectory() as name:
        folder = Path(name)
        url = url or f"sqlite:///{folder / 'trust.db'}"
        with house(folder, url, score_epoch_ms=600_000) as town:
            town.settle_in()
            rejected = town.checked("task-fail", "fail")
            _fill(town, 0, SMALL)
            pages = _pages(town, rejected)
            small = _measured(town, pages)
            _fill(town, SMALL, size)
            large = _measured(town, pages)
        _lengthen(folder, town, url, entries)
        paths = {name: page.path for name, page in pages.items()}
        rows = [_row(each, size, small[each], large[each]) for each in large]
        return rows + paint.rows(folder, url, town.vkey, paths, f"{size:,} rows, {entries:,} entries")


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


def _measured(town: House, pages: Mapping[str, Shown]) -> dict[str, Cost]:
    with reading(town.database) as reader:
        return {name: _cost(reader, page.made) for name, page in pages.items()}


def _fill(town: House, first: int, end: int) -> None:
    """Rows beside those of the network, of each kind those with the numbers from `first` to before `end`."""
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
            insert(connection, kind, end, first, **fields)


def _lengthen(folder: Path, town: House, url: str, entries: int) -> None:
    """Puts copies of the log's last entry behind it up to so many entries, and signs the head of that."""
    database = Database(url)
    with reading(database) as reader:
        head = reader.head()
        edge = TreeEdge.load(head.size, reader.leaf_hashes, reader.tile)
        last = reader.entry(head.size - 1)
    assert last is not None
    signer = Signer(town.origin, Key("log").seed)
    for start in range(head.size, entries, CHUNK):
        end = min(start + CHUNK, entries)
        copies = [
            StoredEntry(at, head.at_ms, last.kind, last.data, last.leaf_hash) for at in range(start, end)
        ]
        tiles = edge.append_many([last.leaf_hash] * len(copies))
        note = sign_note(Checkpoint(town.origin, end, edge.root()).body(), signer)
        with unit(database) as writing:
            writing.append(copies, tiles, Head(end, head.at_ms, edge.root(), note))
    (folder / HEAD_FILE).write_bytes(note)
    database.close()


def _pages(town: House, rejected: str) -> dict[str, Shown]:
    worker, requester = town.workers[0].did, town.requester.did
    asked, offered = {"requester": requester}, f"/agents?capability={KIND}&role=worker"
    return {
        "home": Shown("/", network.home_page),
        "claim": Shown(f"/claims/{rejected}", lambda reader: cases.claim_page(reader, rejected, -1)),
        "task": Shown("/tasks/task-fail", lambda reader: cases.task_page(reader, "task-fail", -1)),
        "tasks": Shown("/tasks", lambda reader: cases.tasks_page(reader, "", {}, "")),
        "tasks of a requester": Shown(
            f"/tasks?state=open&requester={requester}",
            lambda reader: cases.tasks_page(reader, "open", asked, ""),
        ),
        "claims": Shown("/claims", lambda reader: cases.claims_page(reader, "", {}, "")),
        "claims, open": Shown("/claims?state=open", lambda reader: cases.claims_page(reader, "open", {}, "")),
        "agent who works": Shown(
            f"/agents/{worker}", lambda reader: agents.agent_page(reader, worker, -1, None)
        ),
        "agent who posts": Shown(
            f"/agents/{requester}", lambda reader: agents.agent_page(reader, requester, -1, None)
        ),
        "agents": Shown("/agents", lambda reader: agents.agents_page(reader, "", "", "")),
        "agents of a kind": Shown(offered, lambda reader: agents.agents_page(reader, KIND, "worker", "")),
        "relays": Shown("/relays", lambda reader: agents.relays_page(reader, "")),
        "relay": Shown(f"/relays/{town.relay}", lambda reader: agents.relay_page(reader, town.relay)),
        "log": Shown("/entries", lambda reader: network.entries_page(reader, "", None)),
        "log of a kind": Shown(
            "/entries?kind=draw", lambda reader: network.entries_page(reader, "draw", None)
        ),
        "entry": Shown("/entries/25", lambda reader: network.entry_page(reader, "25")),
        "search": Shown("/search?q=made-1", lambda reader: network.search(reader, "made-1", "")[0]),
        "policy": Shown("/policy", lambda reader: network.policy_page(reader, None)),
        "witnesses": Shown("/witnesses", lambda reader: network.witnesses_page(reader, QuorumState(0, ()))),
        "statistics": Shown("/stats", lambda reader: network.stats_page(reader, "hour", None)),
        "convictions": Shown("/convictions", lambda reader: network.convictions_page(reader, None)),
        "due": Shown("/due", lambda reader: network.due_page(reader, "")),
    }


def _cost(reader: Reader, page: Callable[[Reader], Page]) -> Cost:
    spent, body = [], b""
    for _ in range(ROUNDS):
        begun = process_time()
        body = whole(page(reader), reader, "/", "")
        spent.append((process_time() - begun) * 1_000)
    plans = plans_of(reader.connection, lambda: page(reader))
    scans = [plan for plan in plans if any("B-TREE" not in line for line in troubles(plan))]
    return Cost(median(spent), len(body), len(plans), len(scans))
