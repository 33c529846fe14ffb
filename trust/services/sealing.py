"""Seals that are due: computed outside the head's lock, put to the rulebook like any command (docs/architecture.md 4).

What a seal commits to is stored before the seal is on the log, so that a draw or a proof finds it at once: the nodes of
a pool's tree, the rows of scores. Stored twice, or for a seal that another replica made first, it is the same.
"""

from __future__ import annotations

from trust.core.entry import Seal, decode_entry
from trust.core.records import Pool, SealedPool
from trust.core.scorebook import POOL
from trust.storage import scorebook
from trust.storage.engine import Database
from trust.storage.reading import Reader, reading
from trust.storage.sealing import Sealing, store
from trust.storage.unit import StoredEntry, aside


def due_seals(database: Database) -> list[Seal]:
    """The seal of all whose epoch has begun and is not sealed; what they commit to is stored when this returns."""
    with reading(database) as reader:
        due = reader.awaiting_seal()
        sealing = Sealing()
        made = [sealing.seal(reader, pool) for pool in due if pool.id != POOL]
        scores = next((pool for pool in due if pool.id == POOL), None)
        rows = [] if scores is None else scorebook.changed(reader, scores, reader.head().size)
    if made or rows:
        with aside(database) as connection:
            for _, nodes in made:
                store(connection, nodes)
            if scores is not None:
                scorebook.store(connection, scores, rows)
    seals = [seal for seal, _ in made]
    return seals if scores is None else [*seals, _of_scores(database, scores)]


def entry_of(reader: Reader, sealed: SealedPool) -> StoredEntry:
    """The entry of a seal, one of the first seals after its epoch began."""
    start, size = sealed.as_of, reader.head().size
    while stored_seals := reader.of_kind("seal", start, size):
        for stored in stored_seals:
            seal = decode_entry(stored.data).command.seal
            if seal is not None and (seal.of, seal.epoch) == (sealed.pool, sealed.epoch):
                return stored
        start = stored_seals[-1].index + 1
    raise LookupError(f"the log has no seal {sealed.id}")


def _of_scores(database: Database, pool: Pool) -> Seal:
    with reading(database) as reader:
        return scorebook.seal(reader, pool)
