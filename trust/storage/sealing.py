"""The content of a pool's seal: the sum tree over its slots as they stood when its epoch began (docs/rules.md 6.2).

Both who seals and who audits come here, so that they cannot differ. Only what changed since the pool's last seal is
hashed again; the nodes below stay in their table, because claims refer to earlier seals. Scores are sealed by
`scorebook.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from trust.core.entry import Seal
from trust.core.records import Node, Pool, SealedPool, Slot
from trust.core.sampling import sumtree
from trust.core.sampling.sumtree import Root
from trust.core.scorebook import POOL
from trust.storage import bulk, scorebook
from trust.storage.bulk import Existing
from trust.storage.reading import Reader
from trust.storage.rows import CODECS

HEAVY_DIVISOR = 10


def heavy_owners(slots: Mapping[int, Slot], total: int) -> tuple[tuple[str, int], ...]:
    """The owners with more than a tenth of `total`, each with its weight, in the order of their ids."""
    owned: dict[str, int] = {}
    for slot in slots.values():
        if slot.weight:
            owned[slot.owner] = owned.get(slot.owner, 0) + slot.weight
    return tuple(sorted(pair for pair in owned.items() if pair[1] * HEAVY_DIVISOR > total))


def members(slots: Mapping[int, Slot]) -> tuple[int, int]:
    """How many slots weigh anything, and how many owners they belong to."""
    owners = [slot.owner for slot in slots.values() if slot.weight]
    return len(owners), len(set(owners))


class Sealing:
    """Builds seals one after the other; remembers each pool's slots as of its last one."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, dict[int, Slot]]] = {}

    def seal(self, reader: Reader, pool: Pool) -> tuple[Seal, list[Node]]:
        """The seal of the epoch that `pool` is in, and the nodes that are new with it.

        They are stored before the seal is put to the rulebook.
        """
        before = reader.record(SealedPool, pool.sealed) if pool.sealed else None
        since = before.as_of if before else 0
        changed = {slot.number: slot for slot in reader.slots(pool.id, since, pool.as_of)}
        slots = self._slots(reader, pool.id, since) | changed
        root, nodes = _tree(reader, sumtree.root_of(before), changed)
        self._known[pool.id] = pool.as_of, slots
        heavy = heavy_owners(slots, root.total)
        seal = Seal(
            pool.id,
            pool.epoch,
            pool.as_of,
            root.digest.hex(),
            root.count,
            root.total,
            heavy,
            *members(slots),
        )
        return seal, nodes

    def prepare(self, reader: Reader, pool: Pool, size: int) -> Seal:
        """Returns the seal of a pool or of the scores; what the seal commits to is stored, in the reader's transaction.

        `size` entries are folded into the state.
        """
        if pool.id == POOL:
            scorebook.store(reader.connection, pool, scorebook.changed(reader, pool, size))
            return scorebook.seal(reader, pool)
        seal, nodes = self.seal(reader, pool)
        store(reader.connection, nodes)
        return seal

    def _slots(self, reader: Reader, pool: str, as_of: int) -> dict[int, Slot]:
        known_as_of, slots = self._known.get(pool, (-1, {}))
        if known_as_of != as_of:
            return {slot.number: slot for slot in reader.slots(pool, 0, as_of)}
        return slots


def store(connection: Connection, nodes: Sequence[Node]) -> None:
    """Stores nodes; those that are there already are the same bytes."""
    codec = CODECS[Node]
    bulk.insert(connection, codec.table, list(map(codec.to_row, nodes)), Existing.KEEP)


def _tree(reader: Reader, root: Root, changed: Mapping[int, Slot]) -> tuple[Root, list[Node]]:
    made: dict[bytes, bytes] = {}

    def node(digest: bytes) -> bytes:
        if digest in made:
            return made[digest]
        stored = reader.record(Node, digest.hex())
        if stored is None:
            raise LookupError(f"node {digest.hex()} of a sealed pool is not stored")
        return stored.data

    slots = {number: sumtree.Slot(slot.agent, slot.owner, slot.weight) for number, slot in changed.items()}
    root = sumtree.update(root, slots, node, made.__setitem__)
    return root, [Node(digest.hex(), data) for digest, data in made.items()]
