"""Trees to hold the log against: the definitions of RFC 9162 word for word, and a whole tree in memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256

from trust.log import merkle
from trust.log.tiles import TILE_BYTES, TileCache, TileNodes, TreeEdge


def leaf_hashes(count: int) -> list[bytes]:
    """The leaf hashes of the entries b"0", b"1" and so on."""
    return [merkle.leaf_hash(b"%d" % index) for index in range(count)]


def split(count: int) -> int:
    """The largest power of two below a count of at least two."""
    return 1 << (count - 1).bit_length() - 1


def mth(hashes: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, over leaf hashes."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256().digest()
    k = split(len(hashes))
    return sha256(b"\x01" + mth(hashes[:k]) + mth(hashes[k:])).digest()


def path(index: int, hashes: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 9162, 2.1.3.1."""
    if len(hashes) < 2:
        return []
    k = split(len(hashes))
    if index < k:
        return [*path(index, hashes[:k]), mth(hashes[k:])]
    return [*path(index - k, hashes[k:]), mth(hashes[:k])]


def subproof(old: int, hashes: Sequence[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 9162, 2.1.4.1; PROOF is the same with `whole`."""
    if old == len(hashes):
        return [] if whole else [mth(hashes)]
    k = split(len(hashes))
    if old <= k:
        return [*subproof(old, hashes[:k], whole), mth(hashes[k:])]
    return [*subproof(old - k, hashes[k:], whole=False), mth(hashes[:k])]


class WholeTree:
    """Every complete subtree of a list of leaf hashes, and the full tiles that a store of it would have."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = list(leaves)

    @cached_property
    def rows(self) -> list[list[bytes]]:
        rows = [self.leaves]
        while len(rows[-1]) > 1:
            rows.append(merkle.parents(rows[-1]))
        return rows

    def node(self, level: int, index: int) -> bytes:
        return self.rows[level][index]

    def leaf_hashes(self, start: int, end: int) -> list[bytes]:
        return self.leaves[start:end]

    def tile(self, level: int, n: int) -> bytes:
        data = b"".join(self.rows[8 * level][256 * n : 256 * (n + 1)])
        assert len(data) == TILE_BYTES, "only full tiles are stored"
        return data

    def edge(self, size: int) -> TreeEdge:
        return TreeEdge.load(size, self.leaf_hashes, self.tile)

    def nodes(self, size: int, cached_tiles: int = 512) -> TileNodes:
        return TileNodes(self.tile, self.leaf_hashes, size, TileCache(cached_tiles))


def flipped(data: bytes, bit: int) -> bytes:
    """The bytes with one bit changed."""
    at = bit % (8 * len(data))
    return data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :]
