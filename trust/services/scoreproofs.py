"""The file that shows another network what this one says about an agent (format: `core/scorebook.py`).

It is as of the last seal of scores, whose tree is built once an epoch and kept: 64 bytes a record.
"""

from __future__ import annotations

import threading

from trust.core import scorebook
from trust.core.receipt import Receipt
from trust.core.records import Party, Pool, SealedPool
from trust.core.scorebook import ProvenRow, ScoreFile
from trust.core.strict import base64_of
from trust.errors import TrustError
from trust.log import merkle
from trust.services.receipts import stored_receipt
from trust.services.sealing import entry_of
from trust.storage.reading import Reader
from trust.storage.scorebook import Tree, rows_about, tree_of
from trust.storage.unit import Head


class ScoreProofs:
    """Makes files of proof; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._root = ""
        self._tree = Tree.over([])

    def of(self, reader: Reader, party: Party) -> ScoreFile:
        """Returns an agent's scores under the last seal, with proofs; TrustError `not-yet` where there is no seal."""
        pool = reader.record(Pool, scorebook.POOL)
        sealed = reader.record(SealedPool, pool.sealed) if pool and pool.sealed else None
        if sealed is None:
            raise TrustError("not-yet", "no scores are sealed yet", hint="ask again after the next epoch")
        tree, head = self._tree_of(reader, sealed), reader.head()
        place, rows = rows_about(reader, sealed.epoch, party.id)
        return ScoreFile(
            scorebook.FORMAT,
            party.id,
            _receipt(reader, 0, head),
            _receipt(reader, entry_of(reader, sealed).index, head),
            tuple(_proven(tree, place + at, row) for at, row in enumerate(rows)),
        )

    def _tree_of(self, reader: Reader, sealed: SealedPool) -> Tree:
        with self._lock:
            if self._root != sealed.root:
                self._tree, self._root = tree_of(reader, sealed.epoch), sealed.root
            return self._tree


def _proven(tree: Tree, place: int, row: bytes) -> ProvenRow:
    path = merkle.inclusion_proof(place, tree.size, tree.node)
    return ProvenRow(place, base64_of(row), tuple(map(base64_of, path)))


def _receipt(reader: Reader, index: int, head: Head) -> Receipt:
    receipt = stored_receipt(reader, index, head)
    assert receipt is not None
    return Receipt(index, base64_of(receipt.entry), receipt.proof.decode())
