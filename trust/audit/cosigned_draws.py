"""The checkpoints that draws carry and witnesses cosigned, against the log (docs/rules.md 2 and 6.1).

The rulebook checks who signed the checkpoint that a draw carries, not what tree it is of: only who holds the tree
can. Of each such checkpoint the root must be this log's at that size; else the operator showed its witnesses another
log than this one. And the log's time must be theirs, give or take half a minute: an entry's time decides deadlines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from trust.audit.report import Finding, Step
from trust.core.entry import Draw
from trust.core.rules.draws import claimed_root, cosigned_times_s
from trust.log import merkle
from trust.log.merkle import HASH_BYTES
from trust.log.note import Signature
from trust.log.tiles import TILE_WIDTH, FullTile, TileNodes, TreeEdge

APART_MS = 30_000


class CosignedDraw(NamedTuple):
    """The checkpoint that a draw at entry `entry` carries: its size and root, and when each witness cosigned it."""

    entry: int
    at_ms: int
    size: int
    root: bytes
    times_s: dict[str, int]


def cosigned_draw_of(index: int, at_ms: int, draw: Draw) -> CosignedDraw:
    """Returns the checkpoint of a draw that was decided again."""
    return CosignedDraw(index, at_ms, *claimed_root(draw.checkpoint), cosigned_times_s(draw.checkpoint))


class Tree:
    """The log's tree up to an edge, out of the tiles that are stored and those that are not yet."""

    def __init__(
        self, stored: Callable[[int, int], bytes], fresh: Sequence[FullTile], edge: TreeEdge
    ) -> None:
        self._stored = stored
        self._fresh = {(tile.level, tile.n): tile.data for tile in fresh}
        self._tail = edge.partial(0)

    def root(self, size: int) -> bytes:
        """The root of the first `size` leaves."""
        return merkle.root(size, TileNodes(self._tile, self._hashes, size))

    def _tile(self, level: int, n: int) -> bytes:
        return self._fresh.get((level, n)) or self._stored(level, n)

    def _hashes(self, start: int, end: int) -> list[bytes]:
        tile = self._tile(0, start // TILE_WIDTH) or self._tail
        first = start % TILE_WIDTH
        return merkle.hashes(tile[first * HASH_BYTES :][: (end - start) * HASH_BYTES])


def false_cosigned_draw(cosigned_draws: Iterable[CosignedDraw], tree: Tree) -> Finding | None:
    """The first draw whose checkpoint is not of this log, or was cosigned long after the draw."""
    roots: dict[int, bytes] = {}
    for draw in cosigned_draws:
        if draw.size not in roots:
            roots[draw.size] = tree.root(draw.size)
        if draw.root != roots[draw.size]:
            return Finding(
                draw.entry,
                f"its checkpoint has the root {draw.root.hex()}, the first {draw.size} entries lead to "
                f"{roots[draw.size].hex()}: the witnesses were shown another log",
                Step.DRAWS,
            )
        for name, time_s in draw.times_s.items():
            if time_s * 1_000 > draw.at_ms + APART_MS:
                reason = f"{name} cosigned at {time_s} s, this draw is of {draw.at_ms} ms"
                return Finding(draw.entry, reason, Step.DRAWS)
    return None


def false_time(at_ms: int, cosigned: Iterable[Signature]) -> Finding | None:
    """Where the last entry under a checkpoint has a time long after a witness cosigned it."""
    for line in cosigned:
        if line.time_s is not None and line.time_s * 1_000 < at_ms - APART_MS:
            return Finding(
                None,
                f"{line.name} cosigned the checkpoint at {line.time_s} s, its last entry is of {at_ms} ms",
                Step.WITNESSES,
            )
    return None
