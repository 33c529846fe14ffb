"""C2SP tlog-tiles: paths, entry bundles, the right edge of the tree in memory, and nodes out of stored tiles.

- A tile of level L holds hashes of subtrees of 256^L leaves; 256 of them make it full (8,192 bytes), and only
  full tiles are stored. A partial tile is what the size leaves over: (size >> 8L) & 255 hashes.
- `TreeEdge` is what the sequencer keeps: it appends and proves a batch without reading storage.
- `TileNodes` is what readers use: any complete subtree out of full tiles and the leaf hashes at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Self

from trust.log import merkle

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
TILE_BYTES = TILE_WIDTH * merkle.HASH_BYTES
MAX_LEVEL = 63
CACHED_ROOTS = 65_536
MAX_ENTRY_BYTES = 2**16 - 1
_PATH = re.compile(r"tile/(entries|[0-9]|[1-9][0-9])/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")

LeafHashes = Callable[[int, int], Sequence[bytes]]
ReadTile = Callable[[int, int], bytes]


class TileError(ValueError):
    """A path, tile or bundle that is not one, or a subtree that the tree does not have."""


class FullTile(NamedTuple):
    """A tile that is full for ever: `data` is 8,192 bytes."""

    level: int
    n: int
    data: bytes


@dataclass(frozen=True, slots=True)
class TilePath:
    """Which tile: level 0 to 63, or None for the entry bundles; `width` hashes or entries (256 is full)."""

    level: int | None
    n: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if self.level is not None and not 0 <= self.level <= MAX_LEVEL:
            raise TileError(f"a tile's level is 0 to {MAX_LEVEL}, not {self.level}")
        if not 0 <= self.n <= merkle.MAX_SIZE or not 1 <= self.width <= TILE_WIDTH:
            raise TileError(f"there is no tile {self.n} of width {self.width}")

    def __str__(self) -> str:
        """The path, such as tile/0/x001/234.p/5."""
        groups = f"{self.n:,}".split(",")
        groups[0] = groups[0].zfill(3)
        kind = "entries" if self.level is None else self.level
        suffix = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{kind}/{'/'.join([*('x' + group for group in groups[:-1]), groups[-1]])}{suffix}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The tile that a path names; only the one canonical spelling of it."""
        match = _PATH.fullmatch(text)
        if not match:
            raise TileError(f"not a tile path: {text[:80]!r}")
        kind, n, width = match.groups()
        level = None if kind == "entries" else int(kind)
        path = cls(level, int(re.sub("[x/]", "", n)), int(width or TILE_WIDTH))
        if str(path) != text:
            raise TileError(f"not the canonical tile path: {text[:80]!r}, but {str(path)!r}")
        return path


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """1 to 256 entries of at most 65,535 bytes, each behind its length as two bytes, big-endian."""
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise TileError(f"a bundle has 1 to {TILE_WIDTH} entries, not {len(entries)}")
    if any(len(entry) > MAX_ENTRY_BYTES for entry in entries):
        raise TileError(f"an entry has at most {MAX_ENTRY_BYTES} bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """The `width` entries of a bundle, to the last byte."""
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) <= width:
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        entries.append(data[at + 2 : end])
        at = end
    if at != len(data) or len(entries) != width:
        raise TileError(f"the bundle is not {width} entries to its last byte")
    return entries


def partial_tile(level: int, n: int, width: int, node: merkle.Node) -> bytes:
    """The first `width` (1 to 255) hashes of tile `n` of a level, out of any source of nodes."""
    if not 1 <= width < TILE_WIDTH:
        raise TileError(f"a partial tile has 1 to {TILE_WIDTH - 1} hashes, not {width}")
    first = n * TILE_WIDTH
    return b"".join(node(level * TILE_HEIGHT, index) for index in range(first, first + width))


class TreeEdge:
    """The right edge of a tree: its partial tiles, its peaks, and the nodes that the last append made.

    Memory: under 8 KiB a tile level, and twice the last batch in hashes. Nothing in it is ever changed in
    place, so a copy costs nothing and a batch that is rolled back is dropped with its copy.
    """

    __slots__ = ("_partials", "_rows", "_size", "_start")

    def __init__(self) -> None:
        self._size = 0
        self._start = 0
        # For each level the nodes [(start >> level) & ~1, size >> level): what the last batch made, behind
        # the old peak where there was one. So every left sibling that a proof in the batch needs is here.
        self._rows: list[list[bytes]] = []
        self._partials: list[bytes] = []

    @classmethod
    def load(cls, size: int, leaf_hashes: LeafHashes, tile: ReadTile) -> Self:
        """The edge at `size` out of storage: reads fewer than 256 leaf hashes, and 256 full tiles a level."""
        nodes = TileNodes(tile, leaf_hashes, size)
        edge = cls()
        edge._size = edge._start = size
        for level in range(size.bit_length()):
            last = size >> level
            edge._rows.append([nodes(level, last - 1)] if last & 1 else [])
            if level % TILE_HEIGHT == 0:
                n, width = divmod(last, TILE_WIDTH)
                edge._partials.append(partial_tile(level // TILE_HEIGHT, n, width, nodes) if width else b"")
        return edge

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    def copy(self) -> TreeEdge:
        """An edge that grows on its own from here."""
        twin = TreeEdge()
        twin._size, twin._start, twin._rows, twin._partials = (
            self._size,
            self._start,
            self._rows,
            self._partials,
        )
        return twin

    def partial(self, level: int) -> bytes:
        """The partial tile of a level as it is now: a multiple of 32 bytes, empty where there is none."""
        return self._partials[level] if level < len(self._partials) else b""

    def append_many(self, leaf_hashes: Sequence[bytes]) -> list[FullTile]:
        """Add a batch of 32-byte leaf hashes; returns the tiles that it filled, to be stored."""
        start, old = self._size, self._rows
        rows: list[list[bytes]] = []
        partials: list[bytes] = []
        full: list[FullTile] = []
        row = list(leaf_hashes)
        while row or len(rows) < len(old):
            level = len(rows)
            if level % TILE_HEIGHT == 0:
                tile_level = level // TILE_HEIGHT
                data = self.partial(tile_level) + b"".join(row)
                full += _full_tiles(tile_level, start >> level + TILE_HEIGHT, data)
                partials.append(data[len(data) - len(data) % TILE_BYTES :])
            rows.append([old[level][-1], *row] if start >> level & 1 else row)
            row = merkle.parents(rows[-1])
        self._size, self._start, self._rows, self._partials = start + len(leaf_hashes), start, rows, partials
        return full

    def root(self, size: int | None = None) -> bytes:
        """The root now, or as it was at a size within the last batch."""
        if size is None:
            size = self._size
        if not self._start <= size <= self._size:
            raise TileError(f"the edge knows the roots of sizes {self._start} to {self._size}, not of {size}")
        return merkle.root(size, self._node)

    def _node(self, level: int, index: int) -> bytes:
        return self._rows[level][index - (self._start >> level & ~1)]

    def batch_proofs(self, start: int, end: int) -> list[list[bytes]]:
        """The inclusion proofs at the current size of the leaves [start, end) of the last batch, in order."""
        if not self._start <= start <= end <= self._size:
            raise TileError(
                f"the last batch is the leaves {self._start} to {self._size}, not {start} to {end}"
            )
        if start == end:
            return []
        tails: list[list[bytes]] = [[]]
        for level, row in reversed(list(enumerate(self._ragged_rows()))):
            # The paths of all nodes of one level above the asked leaves: a sibling, then the parent's path.
            first, last = start >> level, end - 1 >> level
            offset, above = self._start >> level & ~1, first >> 1
            siblings = [row[at - offset] for at in _siblings(first, last) if at - offset < len(row)]
            paths = [[step, *tails[(first + i >> 1) - above]] for i, step in enumerate(siblings)]
            tails = paths if len(paths) > last - first else [*paths, tails[-1]]
        return tails

    def _ragged_rows(self) -> list[list[bytes]]:
        """The rows below the root, each with the hash of what follows its last complete subtree."""
        rows = []
        edge = b""
        for level in range((self._size - 1).bit_length()):
            row = self._rows[level]
            rows.append([*row, edge] if edge else row)
            if self._size >> level & 1:
                edge = merkle.node_hash(row[-1], edge) if edge else row[-1]
        return rows


def _siblings(first: int, last: int) -> list[int]:
    return [index ^ 1 for index in range(first, last + 1)]


def _full_tiles(level: int, first: int, data: bytes) -> list[FullTile]:
    cuts = range(0, len(data) + 1, TILE_BYTES)
    return [FullTile(level, first + n, data[at:end]) for n, (at, end) in enumerate(pairwise(cuts))]


class TileCache:
    """The tiles of one log that were used last, with their inner nodes (16 KiB each), and roots of full tiles.

    Threads may share it, and whoever reads the same log: what is in a tree does not change as it grows, and the width
    in the key keeps partial tiles from going stale. Two generations: what was not asked for since the last turn goes.
    """

    def __init__(self, tiles: int = 512) -> None:
        self._half = max(1, tiles // 2)
        self._recent: dict[tuple[int, int, int], list[bytes]] = {}
        self._older = self._recent
        self._roots: dict[tuple[int, int], bytes] = {}

    def subtrees(
        self, level: int, n: int, width: int, build: Callable[[int, int, int], list[bytes]]
    ) -> list[bytes]:
        """The inner nodes of a tile, built where they are not here."""
        key = level, n, width
        hashes = self._recent.get(key)
        if hashes is None:
            hashes = self._older.get(key) or build(level, n, width)
            if len(self._recent) >= self._half:
                self._older, self._recent = self._recent, {}
            self._recent[key] = hashes
        return hashes

    def root(self, level: int, n: int, build: Callable[[int, int], bytes]) -> bytes:
        """The root of a full tile, built where it is not here."""
        root_hash = self._roots.get((level, n))
        if root_hash is None:
            root_hash = build(level, n)
            if len(self._roots) >= CACHED_ROOTS:
                self._roots = {}
            self._roots[level, n] = root_hash
        return root_hash


class TileNodes:
    """`node(level, index)` of a tree whose full tiles are stored, for proofs at any size up to `size`.

    `tile(level, n)` reads a full tile, `leaf_hashes(start, end)` those at the end that are in none. `size` may be
    raised as the log grows; a cache that outlives these nodes makes the next proofs of this log cheap.
    """

    def __init__(
        self, tile: ReadTile, leaf_hashes: LeafHashes, size: int, cache: TileCache | None = None
    ) -> None:
        self.size = size
        self._tile = tile
        self._leaf_hashes = leaf_hashes
        self._cache = cache or TileCache()

    def __call__(self, level: int, index: int) -> bytes:
        """The hash of the complete subtree over the leaves [index << level, (index + 1) << level)."""
        if not 0 <= index < self.size >> level:
            raise TileError(f"{self.size} leaves have no complete subtree {index} of level {level}")
        tile_level, height = divmod(level, TILE_HEIGHT)
        n, offset = divmod(index << height, TILE_WIDTH)
        width = min(TILE_WIDTH, (self.size >> tile_level * TILE_HEIGHT) - n * TILE_WIDTH)
        at = (offset >> height) * merkle.HASH_BYTES
        rows = self._cache.subtrees(tile_level, n, width, self._build_subtrees)
        return rows[height][at : at + merkle.HASH_BYTES]

    def _build_subtrees(self, level: int, n: int, width: int) -> list[bytes]:
        """The inner nodes of a tile by height, joined: a third of the memory of separate objects."""
        row = self._hashes(level, n, width)
        rows = [b"".join(row)]
        for _ in range(1, TILE_HEIGHT):
            row = merkle.parents(row)
            rows.append(b"".join(row))
        return rows

    def _hashes(self, level: int, n: int, width: int) -> Sequence[bytes]:
        first = n * TILE_WIDTH
        if width == TILE_WIDTH:
            return self._read(level, n)
        if level > 0:
            root = self._cache.root
            return [root(level - 1, below, self._build_tile_root) for below in range(first, first + width)]
        hashes = self._leaf_hashes(first, first + width)
        if len(hashes) != width:
            raise TileError(f"storage has {len(hashes)} of the {width} leaf hashes from {first} on")
        return hashes

    def _read(self, level: int, n: int) -> list[bytes]:
        data = self._tile(level, n)
        if len(data) != TILE_BYTES:
            raise TileError(f"tile {n} of level {level} has {len(data)} bytes, not {TILE_BYTES}")
        return merkle.hashes(data)

    def _build_tile_root(self, level: int, n: int) -> bytes:
        row = self._read(level, n)
        while len(row) > 1:
            row = merkle.parents(row)
        return row[0]
