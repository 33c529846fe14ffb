"""A log with as many observations on it as a test wants, folded as they would be; what led to them is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.services.houses import House
from tests.services.statements import KIND, START_MS, Town
from trust.core.entry import encode_entry
from trust.core.events import Event, Observed
from trust.core.state import Draft
from trust.log.merkle import leaf_hash
from trust.storage.engine import Database
from trust.storage.projections import Projections
from trust.storage.state import SqlView
from trust.storage.unit import Head, StoredEntry, unit

DAY_MS = 86_400_000


def founded(database: Database, directory: Path, workers: int = 3) -> Town:
    """A network with its parties, and no work done yet."""
    return House(database, directory, Town(workers)).found().town


def seen(day: int, agent: str, **fields: Any) -> tuple[int, Observed]:
    """An observation of a worker on a day after the start."""
    said = {"role": "worker", "task_kind": KIND, "why": "verdict", **fields}
    return START_MS + day * DAY_MS, Observed(agent=agent, **said)


def observe(database: Database, *observations: tuple[int, Event]) -> int:
    """Puts each on the log, an entry of its own; the log's new size."""
    with unit(database) as u:
        draft, projections = Draft(SqlView(u.connection, u.head)), Projections()
        entries = []
        for at_ms, event in observations:
            draft.at_ms = at_ms
            event.fold(draft)
            projections.add(draft.size, at_ms, "", [event])
            data = encode_entry(at_ms, b'{"clock":[]}', [event])
            entries.append(StoredEntry(draft.size, at_ms, "test", data, leaf_hash(data)))
            draft.size += 1
        u.append(entries, [], Head(draft.size, draft.at_ms, b"", b""))
        u.write_state(draft.writes, projections)
    return draft.size
