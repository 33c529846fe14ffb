"""Seals that are due: computed outside the head's lock, put to the rulebook like any command (design.md 4).

The nodes of the tree are stored before the seal is on the log, so a draw finds them at once. They are known by their
digests: stored twice, or for a seal that another replica made first, they do no harm.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from trust.core.entry import Seal
from trust.core.records import Node
from trust.storage import bulk
from trust.storage.bulk import Existing
from trust.storage.engine import Database
from trust.storage.reading import reading
from trust.storage.rows import CODECS
from trust.storage.sealing import Sealing
from trust.storage.unit import aside


def due_seals(database: Database) -> list[Seal]:
    """The seal of every pool whose epoch has begun and is not sealed; their nodes are stored when this returns."""
    with reading(database) as reader:
        sealing = Sealing()
        made = [sealing.seal(reader, pool) for pool in reader.awaiting_seal()]
    if made:
        with aside(database) as connection:
            for _, nodes in made:
                store(connection, nodes)
    return [seal for seal, _ in made]


def store(connection: Connection, nodes: Sequence[Node]) -> None:
    """Stores nodes; those that are there already are the same bytes."""
    codec = CODECS[Node]
    bulk.insert(connection, codec.table, list(map(codec.to_row, nodes)), Existing.KEEP)
