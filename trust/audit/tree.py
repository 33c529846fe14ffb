"""The hash tiles that a log serves, against the tree that its entries make: which entry is false where roots differ.

Tiles are optional to an auditor who has all entries; where they are served they must be true, and they tell which
entry was changed when only the root tells that one was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trust.audit.fetching import Source
from trust.audit.report import Finding, Step
from trust.log import merkle
from trust.log.merkle import HASH_BYTES
from trust.log.tiles import TILE_HEIGHT, TILE_WIDTH, FullTile, TileError, TileNodes, TilePath, TreeEdge

Stored = Callable[[int], bytes]
"""The hashes of level 0 in tile `n`, as far as the auditor has them."""


def false_tile(source: Source, tiles: Sequence[FullTile]) -> Finding | None:
    """The first of the tiles above level 0 that is served with another hash in it."""
    for tile in tiles:
        if tile.level and (finding := _compared(source, tile.level, tile.n, tile.data)) is not None:
            return finding
    return None


def false_partial(source: Source, edge: TreeEdge) -> Finding | None:
    """The first of the partial tiles with another hash, at the right edge of the whole tree."""
    for level in range(1, edge.size.bit_length() // TILE_HEIGHT + 1):
        mine = edge.partial(level)
        n = (edge.size >> level * TILE_HEIGHT) // TILE_WIDTH
        if mine and (finding := _compared(source, level, n, mine)) is not None:
            return finding
    return None


def _compared(source: Source, level: int, n: int, mine: bytes) -> Finding | None:
    width = len(mine) // HASH_BYTES
    served = source.tile(level, n, width)
    if served is None or served == mine:
        return None
    at = _first_difference(served, mine)
    path = TilePath(level, n, width)
    first = (n * TILE_WIDTH + at) << level * TILE_HEIGHT
    return Finding(first, f"hash {at} of {path} is not that of the entries from here on")


def forked(source: Source, size: int, old: int, root: bytes, stored: Stored) -> Finding | None:
    """Where the first `old` of a log's `size` entries are not those that led to `root`, as its tiles tell.

    None where they are, and where the log serves no tiles.
    """

    def hashes(start: int, end: int) -> list[bytes]:
        tile = _served(source, start // TILE_WIDTH, size)
        return [
            tile[at * HASH_BYTES :][:HASH_BYTES]
            for at in range(start % TILE_WIDTH, (end - 1) % TILE_WIDTH + 1)
        ]

    def full(level: int, n: int) -> bytes:
        return source.tile(level, n, TILE_WIDTH) or b""

    try:
        if merkle.root(old, TileNodes(full, hashes, old)) == root:
            return None
    except TileError:
        return None
    for n in range(-(-old // TILE_WIDTH)):
        mine, served = stored(n), _served(source, n, size)
        if served[: len(mine)] != mine:
            index = n * TILE_WIDTH + _first_difference(served, mine)
            reason = "the log was forked: this is no longer the entry that an earlier audit saw"
            return Finding(index, reason, Step.CHECKPOINTS)
    reason = f"the log was forked: its first {old} entries had the root {root.hex()}"
    return Finding(None, reason, Step.CHECKPOINTS)


def _served(source: Source, n: int, size: int) -> bytes:
    tile = source.tile(0, n, min(TILE_WIDTH, size - n * TILE_WIDTH))
    if tile is None:
        raise TileError("the log serves no hash tiles")
    return tile


def _first_difference(one: bytes, other: bytes) -> int:
    places = range(0, max(len(one), len(other)), HASH_BYTES)
    return next(at // HASH_BYTES for at in places if one[at : at + HASH_BYTES] != other[at : at + HASH_BYTES])
