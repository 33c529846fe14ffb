"""Replays a log without a store: decided again byte for byte, and folded, to the same state."""

from __future__ import annotations

from collections.abc import Sequence

from tests.golden.releases import HERE, SEALED, entries_of, manifest_of
from trust.core import rulebook
from trust.core.entry import Entry, decode_entry
from trust.core.events import PoolWeight
from trust.core.records import Node
from trust.core.sampling import sumtree
from trust.core.scorebook import POOL
from trust.core.state import Draft, MemoryState


def replayed(entries: Sequence[bytes]) -> int:
    """Replays these entries and returns how many there are; `Lie` or AssertionError where they differ."""
    replayed, folded = MemoryState(), MemoryState()
    weights: list[tuple[int, PoolWeight]] = []
    for index, data in enumerate(entries):
        entry = decode_entry(data)
        weights += [(index, event) for event in entry.events if isinstance(event, PoolWeight)]
        nodes = sealed_nodes(entry, weights)
        replayed.put_all(nodes)
        folded.put_all(nodes)
        if entry.command.clock is None:
            rulebook.verify(rulebook.incoming_of(entry.command))
        again, plain = Draft(replayed), Draft(folded)
        rulebook.replay(again, entry, data)
        rulebook.fold(plain, entry)
        replayed.absorb(again)
        folded.absorb(plain)
    assert replayed.records == folded.records
    return replayed.size


def replay_all() -> None:
    """Replays the golden logs of every release."""
    for folder in map(HERE.joinpath, SEALED):
        for name, golden in manifest_of(folder).logs.items():
            assert replayed(entries_of(folder / name)) == golden.entries


def sealed_nodes(entry: Entry, weights: Sequence[tuple[int, PoolWeight]]) -> list[Node]:
    """The tree over a pool's slots as they stood when the sealed epoch began; its root must be the seal's."""
    seal = entry.command.seal
    if seal is None or seal.of == POOL:
        return []
    slots = {
        event.slot: sumtree.Slot(event.agent, event.house, event.weight)
        for index, event in weights
        if event.pool == seal.of and index < seal.as_of
    }
    nodes: dict[bytes, bytes] = {}
    root = sumtree.build([slots[number] for number in range(len(slots))], nodes.__setitem__)
    assert root.digest.hex() == seal.root
    return [Node(id=made.hex(), data=data) for made, data in nodes.items()]
