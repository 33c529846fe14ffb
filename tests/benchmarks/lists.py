"""What a page of each list costs, at ten thousand rows of each kind and at a million.

The rows are made up and lie in the tables of state as a log would leave them: a tenth of the tasks is open, one
requester has half of them, one kind of task nine tenths; claims likewise. A page has 100 items, encoded as its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, get_type_hints

import msgspec
from sqlalchemy import Connection, update

from tests.benchmarks.table import Row, at_most
from trust.api.views import lists
from trust.core.events import NETWORK
from trust.core.records import Claim, Handle, Network, Party, Record, Relay, Said, Slot, Task
from trust.core.scoring import worker_pool
from trust.storage import tables
from trust.storage.engine import Database
from trust.storage.migrations import upgrade
from trust.storage.reading import Reader, reading
from trust.storage.rows import CODECS
from trust.storage.unit import aside

SIZE, SMALL = 1_000_000, 10_000
ROUNDS = 15
PAGE = 100
GOAL_MS = 20.0
RELAY = "rly_" + "a" * 26
KIND, RARE = "review", "extract"
MAIN, OTHER = (f"did:key:z6Mk{letter * 44}" for letter in "ab")
List = Callable[[Reader, str], Any]


def run(quick: bool) -> list[Row]:
    """A row for each list."""
    size = SIZE // 10 if quick else SIZE
    small = _measured(SMALL)
    large = _measured(size)
    return [
        at_most(
            f"{what}, {PAGE} of {size:,} rows, own CPU, median of {ROUNDS}",
            f"{large[what]:.1f} ms ({small[what]:.1f} at {SMALL:,})",
            f"{GOAL_MS:g} ms",
            large[what] / GOAL_MS,
        )
        for what in large
    ]


def _measured(size: int) -> dict[str, float]:
    """The milliseconds of each list at this size."""
    with TemporaryDirectory() as folder:
        database = filled(f"sqlite:///{Path(folder) / 'trust.db'}", size)
        with reading(database) as reader:
            measured = {what: _median_ms(reader, listed, size) for what, listed in LISTS.items()}
        database.close()
    return measured


def filled(url: str, size: int) -> Database:
    """A database with so many tasks, claims, agents, places in a pool and statements."""
    upgrade(url)
    database = Database(url)
    with aside(database) as connection:
        named: list[tuple[type[Record], str]] = [
            (Network, NETWORK),
            (Relay, RELAY),
            (Party, MAIN),
            (Party, OTHER),
        ]
        for kind, id in named:
            insert(connection, kind, 1, id=f"'{id}'")
        for kind, fields in ROWS.items():
            insert(connection, kind, size, **fields)
        connection.execute(update(tables.Head).values(size=size))
    return database


ROWS: dict[type[Record], dict[str, str]] = {
    Task: {
        "id": "'task-' || i",
        "requester": f"CASE i % 2 WHEN 0 THEN '{MAIN}' ELSE '{OTHER}' END",
        "task_kind": f"CASE i % 10 WHEN 4 THEN '{RARE}' ELSE '{KIND}' END",
        "state": "CASE i % 10 WHEN 0 THEN 'open' ELSE 'closed' END",
        "relay": f"CASE i % 3 WHEN 0 THEN '' ELSE '{RELAY}' END",
        "index": "i",
    },
    Claim: {
        "id": "'clm_' || i",
        "task": "'task-' || i",
        "worker": f"CASE i % 2 WHEN 0 THEN '{MAIN}' ELSE '{OTHER}' END",
        "task_kind": f"'{KIND}'",
        "state": "CASE i % 10 WHEN 0 THEN 'checking' ELSE 'accepted' END",
        "index": "i",
    },
    Party: {
        "id": "'did:key:z' || i",
        "handle": "'agent-' || i",
        "capabilities": f"'[\"{KIND}\"]'",
        "index": "i",
    },
    Handle: {"id": "'agent-' || i", "party": "'did:key:z' || i"},
    Slot: {
        "id": f"'workers/{KIND}/' || i",
        "pool": f"'{worker_pool(KIND)}'",
        "number": "i",
        "agent": "'did:key:z' || i",
        "weight": "i % 977",
    },
    Said: {"id": "'00000000000000/sha256:' || i", "index": "i"},
}
"""The columns of the rows that are made, in SQL, by their number i; the others are empty."""


def insert(connection: Connection, kind: type[Record], end: int, first: int = 0, /, **fields: str) -> None:
    """Inserts rows of a kind with these columns, in SQL, by their numbers i before `end`; the others are empty."""
    hints, table = get_type_hints(kind), CODECS[kind].table
    empty = {str: "''", int: "0", bool: "false"}
    values = [fields.get(name, empty.get(hints[name], "'[]'")) for name in kind.__struct_fields__]
    numbers = f"WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {end})"
    plain = connection.execution_options(no_parameters=True)
    plain.exec_driver_sql(f"INSERT INTO {table.name} {numbers} SELECT {', '.join(values)} FROM n")


def _tasks(state: str = "", **filters: str) -> List:
    return lambda reader, after: lists.tasks(reader, state, filters, after, PAGE)


def _claims(state: str = "", **filters: str) -> List:
    return lambda reader, after: lists.claims(reader, state, filters, after, PAGE)


def _agents(capability: str = "", role: str = "", sort: str = "registered") -> List:
    return lambda reader, after: lists.agents(reader, capability, role, sort, after, PAGE)


def _search(word: Callable[[int], str]) -> List:
    return lambda reader, _: lists.search(reader, word(reader.head().size), "", PAGE)


LISTS: dict[str, List] = {
    "tasks": _tasks(),
    "tasks, open": _tasks("open"),
    "tasks, open, of a kind": _tasks("open", task_kind=KIND),
    "tasks, open, of a relay": _tasks("open", relay=RELAY),
    "tasks of a requester": _tasks(requester=MAIN),
    "tasks, open, of a requester and a rare kind": _tasks("open", requester=MAIN, task_kind=RARE),
    "claims": _claims(),
    "claims, not ended, of a worker": _claims("open", worker=MAIN),
    "claims of a kind": _claims(task_kind=KIND),
    "agents": _agents(),
    "agents by capability": _agents(KIND, "worker"),
    "agents by weight": _agents(KIND, "worker", "weight"),
    "search: a handle's beginning": _search(lambda _: "@agent-1"),
    "search: a task's beginning": _search(lambda _: "task-1"),
}


def _median_ms(reader: Reader, listed: List, size: int) -> float:
    """The processor time of a page, typically: the first, and the one after each."""
    spent, after = [], ""
    for _ in range(ROUNDS):
        begun = process_time()
        page = listed(reader, after)
        msgspec.json.encode(page)
        spent.append((process_time() - begun) * 1_000)
        after = page["after"] or ""
    return median(spent)
