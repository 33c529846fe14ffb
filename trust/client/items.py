"""A batch's items as a worker delivers them: the tree under `items_root`, openings, and the blobs that open them.

The leaf of an item is `SHA-256(0x00 || item)` (RFC 9162, 2.1.1; docs/protocol.md 2), so the bytes `0x00 || item`,
stored as a blob, have the leaf itself as their digest: whoever holds the leaf can fetch the item and check it at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from trust.core import strict
from trust.core.payloads import OpenedItem
from trust.log import merkle
from trust.verify.failures import NotProven

MAX_OPENED = 16
_PREFIX = b"\x00"


class ItemTree:
    """The tree over all items of an output, in memory: about 64 bytes an item beside the items themselves."""

    def __init__(self, items: Sequence[bytes]) -> None:
        if not items:
            raise ValueError("a batch has at least one item")
        self._items = items
        self._rows = [[merkle.leaf_hash(item) for item in items]]
        while len(self._rows[-1]) > 1:
            self._rows.append(merkle.parents(self._rows[-1]))

    def __len__(self) -> int:
        return len(self._items)

    def root(self) -> str:
        """`items_root`: 64 hex digits."""
        return merkle.root(len(self), self._node).hex()

    def leaf(self, index: int) -> bytes:
        """The 32-byte leaf of an item."""
        return self._rows[0][index]

    def blob(self, index: int) -> bytes:
        """The bytes whose SHA-256 is the item's leaf: upload them, and the opening can count."""
        return _PREFIX + self._items[index]

    def opening(self, index: int) -> OpenedItem:
        """The opening of one item for `items.open`."""
        path = merkle.inclusion_proof(index, len(self), self._node)
        return OpenedItem(
            index=index,
            leaf=strict.base64_of(self.leaf(index)),
            path=tuple(strict.base64_of(step) for step in path),
        )

    def openings(self, indices: Iterable[int]) -> list[tuple[OpenedItem, ...]]:
        """The openings of several items, cut into what one statement may hold."""
        opened = [self.opening(index) for index in indices]
        return [tuple(opened[at : at + MAX_OPENED]) for at in range(0, len(opened), MAX_OPENED)]

    def _node(self, level: int, index: int) -> bytes:
        return self._rows[level][index]


def item_of(blob: bytes, leaf: bytes) -> bytes:
    """The item that a blob opens; `NotProven` where its digest is not the leaf."""
    if sha256(blob).digest() != leaf or not blob.startswith(_PREFIX):
        raise NotProven(f"the blob does not open the leaf {leaf.hex()}")
    return blob[len(_PREFIX) :]
