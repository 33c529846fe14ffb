"""The log against pymerkle's SqliteTree: same entries, same batches, SQLite files with the same settings."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Protocol

from pymerkle import SqliteTree

from trust.log import merkle
from trust.log.tiles import TILE_BYTES, TileNodes, TreeEdge

BATCH = 1_000
RANDOM_PROOFS = 2_000


class Log(Protocol):
    """What is measured: one transaction a batch, a proof for each of its entries, and proofs of any entry."""

    def append(self, entries: list[bytes]) -> None: ...
    def prove_last(self, count: int) -> None: ...
    def prove(self, index: int) -> None: ...
    def root(self) -> bytes: ...


class TiledLog:
    """trust.log on two tables, as the sequencer and the readers use it."""

    def __init__(self, file: Path) -> None:
        self.db = sqlite3.connect(file)
        self.db.execute("CREATE TABLE leaf (id INTEGER PRIMARY KEY, entry BLOB, hash BLOB)")
        self.db.execute("CREATE TABLE tile (level INTEGER, n INTEGER, data BLOB, PRIMARY KEY (level, n))")
        self.edge = TreeEdge()
        self.nodes = TileNodes(self.tile, self.leaf_hashes, 0)

    def tile(self, level: int, n: int) -> bytes:
        (data,) = self.db.execute("SELECT data FROM tile WHERE level = ? AND n = ?", (level, n)).fetchone()
        assert len(data) == TILE_BYTES
        return bytes(data)

    def leaf_hashes(self, start: int, end: int) -> list[bytes]:
        rows = self.db.execute("SELECT hash FROM leaf WHERE id >= ? AND id < ? ORDER BY id", (start, end))
        return [data for (data,) in rows]

    def append(self, entries: list[bytes]) -> None:
        first = self.edge.size
        hashes = [merkle.leaf_hash(entry) for entry in entries]
        with self.db:
            rows = zip(range(first, first + len(entries)), entries, hashes, strict=True)
            self.db.executemany("INSERT INTO leaf VALUES (?, ?, ?)", rows)
            self.db.executemany("INSERT INTO tile VALUES (?, ?, ?)", self.edge.append_many(hashes))
        self.nodes.size = self.edge.size

    def prove_last(self, count: int) -> None:
        assert len(self.edge.batch_proofs(self.edge.size - count, self.edge.size)) == count

    def prove(self, index: int) -> None:
        merkle.inclusion_proof(index, self.edge.size, self.nodes)

    def root(self) -> bytes:
        return self.edge.root()


class PymerkleLog:
    """The other library, with its bulk append and its default cache."""

    def __init__(self, file: Path) -> None:
        self.tree = SqliteTree(str(file))

    def append(self, entries: list[bytes]) -> None:
        self.tree.append_entries(entries)

    def prove_last(self, count: int) -> None:
        size = self.tree.get_size()
        for index in range(size - count + 1, size + 1):
            self.tree.prove_inclusion(index)

    def prove(self, index: int) -> None:
        self.tree.prove_inclusion(index + 1)

    def root(self) -> bytes:
        return bytes(self.tree.get_root())


def measure(log: Log, entries: list[bytes]) -> tuple[float, float, bytes]:
    """Seconds to append and prove everything, seconds for proofs of random entries, and the root."""
    start = perf_counter()
    for at in range(0, len(entries), BATCH):
        batch = entries[at : at + BATCH]
        log.append(batch)
        log.prove_last(len(batch))
    grown = perf_counter()
    for index in random.Random(1).choices(range(len(entries)), k=RANDOM_PROOFS):
        log.prove(index)
    return grown - start, perf_counter() - grown, log.root()


def run(size: int = 100_000) -> list[tuple[str, float, str]]:
    """How many times faster than pymerkle: (what, ratio, the two figures)."""
    entries = [b"%0500d" % index for index in range(size)]
    made: list[Callable[[Path], Log]] = [TiledLog, PymerkleLog]
    with TemporaryDirectory() as folder:
        ours, theirs = (measure(make(Path(folder) / f"{make.__name__}.db"), entries) for make in made)
    assert ours[2] == theirs[2], "the roots differ: one of the two is not RFC 9162"
    return [
        _row(f"append and prove {size:,} entries in batches of {BATCH:,}", ours[0], theirs[0], size),
        _row(f"prove a random entry of {size:,}", ours[1], theirs[1], RANDOM_PROOFS),
    ]


def _row(name: str, ours_s: float, theirs_s: float, count: int) -> tuple[str, float, str]:
    ours_us, theirs_us = ours_s / count * 1e6, theirs_s / count * 1e6
    return name, theirs_us / ours_us, f"{ours_us:.1f} us against {theirs_us:.1f} us each (pymerkle on SQLite)"


if __name__ == "__main__":
    for name, ratio, note in run():
        print(f"{ratio:6.1f}x  {name}: {note}")
