"""The slow scrub: a little at a time, all the time, what is stored is hashed again, so that bit rot is found early.

Entries against their leaf hashes, full tiles against the entries, blobs against their names.

What else can rot (indexes, state, projections) `trust log check` compares as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import msgspec
from sqlalchemy import Connection, select
from sqlmodel import col

from trust import clock, journal
from trust.log.merkle import leaf_hash
from trust.log.tiles import TILE_WIDTH
from trust.storage import tables
from trust.storage.engine import Database
from trust.storage.reading import Reader, reading

BLOB_BYTES = 8 * 1024 * 1024
BLOBS = 64
SHOWN = 10
_log = journal.logger("trust.scrubbing")


class Scrubbed(msgspec.Struct, frozen=True):
    """A pass over everything: when it ended (0: none has yet), what it hashed, and what was not whole."""

    ended_ms: int = 0
    entries: int = 0
    blobs: int = 0
    damaged: tuple[str, ...] = ()


class Scrub:
    """Goes over a log again and again; `last` is the last whole pass, `damaged` what this one has found so far."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.last = Scrubbed()
        self._begin()

    def _begin(self) -> None:
        self.damaged: list[str] = []
        self._entries = self._blobs = 0
        self._after = ""

    def turn(self) -> None:
        """The next piece: a tile's width of entries, or a few blobs."""
        with reading(self._database) as reader:
            size = reader.head().size
            if self._entries < size:
                self._note(damaged_entries(reader, self._entries, min(self._entries + TILE_WIDTH, size)))
                self._entries = min(self._entries + TILE_WIDTH, size)
            elif not self._next_blobs(reader.connection):
                shown = tuple(self.damaged[:SHOWN])
                self.last = Scrubbed(clock.now_ms(), self._entries, self._blobs, shown)
                self._begin()

    def warnings(self) -> tuple[str, ...]:
        """Returns what is damaged, as far as known, in sentences."""
        damages = dict.fromkeys((*self.last.damaged, *self.damaged))
        return tuple(f"damaged: {each}: see trust log check" for each in list(damages)[:SHOWN])

    def _next_blobs(self, connection: Connection) -> bool:
        blobs = list(blobs_after(connection, self._after, BLOBS, BLOB_BYTES))
        for digest, data in blobs:
            self._note(damaged_blob(digest, data))
            self._after, self._blobs = digest, self._blobs + 1
        return bool(blobs)

    def _note(self, damages: Iterator[str]) -> None:
        for each in damages:
            _log.error("damaged", what=each)
            self.damaged.append(each)


def damaged_entries(reader: Reader, start: int, end: int) -> Iterator[str]:
    """Returns what is not whole among the entries [start, end), `start` at the beginning of a tile."""
    stored = reader.rows(start, end)
    for index, entry in enumerate(stored, start):
        if entry.index != index or leaf_hash(entry.data) != entry.leaf_hash:
            yield f"entry {index}"
            return
    if len(stored) < end - start:
        yield f"entry {start + len(stored)}"
    elif end - start == TILE_WIDTH and reader.tile(0, start // TILE_WIDTH) != b"".join(
        entry.leaf_hash for entry in stored
    ):
        yield f"hash tile {start // TILE_WIDTH}"


def damaged_blob(digest: str, data: bytes) -> Iterator[str]:
    """The blob, where it is not whole."""
    if sha256(data).hexdigest() != digest:
        yield f"blob {digest}"


def blobs_after(
    connection: Connection, after: str, limit: int, most_bytes: int
) -> Iterator[tuple[str, bytes]]:
    """The next blobs by their names: at least one where there is one, then up to these limits."""
    table = tables.Blobs
    query = select(col(table.sha256), col(table.size)).where(col(table.sha256) > after)
    taken = 0
    for digest, size_bytes in connection.execute(query.order_by(col(table.sha256)).limit(limit)).all():
        if taken and taken + size_bytes > most_bytes:
            return
        taken += size_bytes
        data = select(col(table.data)).where(col(table.sha256) == digest)
        yield digest, connection.execute(data).scalar_one()
