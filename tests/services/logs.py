"""A whole log, verified again from what the database holds."""

from __future__ import annotations

from collections.abc import Iterable

from trust.core import rulebook, scorebook
from trust.core.entry import Entry, Seal, decode_entry
from trust.core.events import PoolWeight
from trust.core.records import Node
from trust.core.sampling import sumtree
from trust.core.state import Draft, MemoryState
from trust.log import merkle
from trust.log.checkpoint import Checkpoint, open_checkpoint
from trust.log.note import Verifier
from trust.log.proof import verify_proof
from trust.services.receipts import Receipt
from trust.storage.engine import Database
from trust.storage.reading import reading


def size_of(database: Database) -> int:
    with reading(database) as reader:
        return reader.head().size


def check_log(database: Database, key: Verifier) -> Checkpoint | None:
    """Replays every decision, builds every sealed pool again from the entries before it, and compares leaves, tiles,
    root and checkpoint; None where the log is empty."""
    with reading(database) as reader:
        head = reader.head()
        if head.size == 0:
            return None
        entries = reader.entries(0, head.size)
        assert [entry.index for entry in entries] == list(range(head.size))
        tree, draft, replayed = merkle.CompactRange(), Draft(MemoryState()), list[Entry]()
        for entry in entries:
            assert merkle.leaf_hash(entry.data) == entry.leaf_hash
            tree.append(entry.leaf_hash)
            logged = decode_entry(entry.data)
            if logged.command.clock is None:
                rulebook.verify(rulebook.incoming_of(logged.command))
            if logged.command.seal is not None and logged.command.seal.of != scorebook.POOL:
                _build(draft, logged.command.seal, replayed)
            rulebook.replay(draft, logged, entry.data)
            replayed.append(logged)
        checkpoint = open_checkpoint(head.checkpoint, key.name, key)
        assert (checkpoint.size, checkpoint.root) == (head.size, head.root)
        assert tree.root() == head.root
        assert merkle.root(head.size, reader.nodes(head.size)) == head.root
        assert entries[-1].at_ms == head.at_ms
        for start in range(0, head.size - 255, 256):
            assert reader.tile(0, start // 256) == b"".join(e.leaf_hash for e in entries[start : start + 256])
        return checkpoint


def _build(draft: Draft, seal: Seal, entries: list[Entry]) -> None:
    """Puts the tree of a sealed pool where the next draws look for it: a seal names its root only."""
    weights = (
        event for entry in entries[: seal.as_of] for event in entry.events if isinstance(event, PoolWeight)
    )
    slots = {
        each.slot: sumtree.Slot(each.agent, each.house, each.weight)
        for each in weights
        if each.pool == seal.of
    }
    nodes: dict[bytes, bytes] = {}
    root = sumtree.build([slots[number] for number in range(len(slots))], nodes.__setitem__)
    assert (root.digest.hex(), root.count, root.total) == (seal.root, seal.count, seal.total)
    for digest, data in nodes.items():
        draft.put(Node(id=digest.hex(), data=data))


def check_receipt(database: Database, key: Verifier, receipt: Receipt) -> None:
    """The receipt verifies alone, and its checkpoint is one of this log's own past."""
    check_receipts(database, key, [receipt])


def check_receipts(database: Database, key: Verifier, receipts: Iterable[Receipt]) -> None:
    """The same for many."""
    with reading(database) as reader:
        nodes = reader.nodes(reader.head().size)
        roots: dict[int, bytes] = {}
        for receipt in receipts:
            checkpoint = verify_proof(
                merkle.leaf_hash(receipt.entry), receipt.proof, key, index=receipt.index
            )
            stored = reader.entry(receipt.index)
            assert stored is not None
            assert stored.data == receipt.entry
            if checkpoint.size not in roots:
                roots[checkpoint.size] = merkle.root(checkpoint.size, nodes)
            assert roots[checkpoint.size] == checkpoint.root
