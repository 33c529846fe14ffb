"""A test network's log in the database of a service."""

from __future__ import annotations

import json
from pathlib import Path

from tests.audit.networks import World
from tests.tables import make_tables
from trust.log.merkle import leaf_hash
from trust.log.tiles import TreeEdge
from trust.storage.engine import Database
from trust.storage.unit import Head, StoredEntry, unit


def store(world: World, folder: Path) -> str:
    """The URL of a database that holds the log, in a data directory."""
    url = f"sqlite:///{folder / 'trust.db'}"
    store_at(world, url)
    return url


def store_at(world: World, url: str) -> None:
    """Stores the log in an empty database of either kind."""
    make_tables(url)
    entries = [_stored(index, data) for index, data in enumerate(world.entries)]
    tiles = TreeEdge().append_many([entry.leaf_hash for entry in entries])
    head = Head(len(entries), entries[-1].at_ms, world.edge.root(), world.checkpoint())
    database = Database(url)
    with unit(database) as writing:
        writing.append(entries, tiles, head)
    database.close()


def _stored(index: int, data: bytes) -> StoredEntry:
    entry = json.loads(data)
    return StoredEntry(index, entry["at_ms"], next(iter(entry["command"])), data, leaf_hash(data))
