"""A log in a database of one's own: every entry under the tree that is signed.

1. The checkpoint is under the log's key, and not of fewer entries than the database has.
2. Entries that are missing are fetched; each must be an entry.
3. All of them, old and new, lead to the root that is signed. Only then is anything kept: one transaction.

What the entries lead to is folded by `services/rebuilding.py`. Whether the decisions in them are right is for an audit
to say.
"""

from __future__ import annotations

import msgspec

from trust.audit.export import opened_note
from trust.audit.fetching import Source
from trust.audit.report import Progress, silent
from trust.audit.stateless_checks import Piece, decode_header, entries_of
from trust.core import rulebook, strict
from trust.core.commands import Spoken
from trust.core.entry import Command, InvalidEntry, kind_of_command
from trust.core.payloads import kind_of
from trust.log import merkle
from trust.log.checkpoint import Checkpoint
from trust.log.succession import LogKey
from trust.log.tiles import TILE_HEIGHT, TILE_WIDTH, FullTile, TreeEdge
from trust.storage.engine import Database
from trust.storage.reading import Reader
from trust.storage.unit import Head, StoredEntry, Unit, unit
from trust.verify.failures import NotProven


class Copied(msgspec.Struct, frozen=True):
    """The entries that the database holds now, and how many of its entries were there before."""

    origin: str
    size: int
    root: str
    held: int


def copy(source: Source, key: LogKey, database: Database, progress: Progress = silent) -> Copied:
    """Brings the log into a database. Raises NotProven where it is not the log that is signed, or the database holds
    another, CannotCheck where it cannot be read."""
    note = source.checkpoint()
    now = opened_note(note, key, "the log's checkpoint")  # 1
    with unit(database) as u:
        held = u.head.size
        if held > now.size:
            raise NotProven(f"the database has {held} entries, the log {now.size}")
        edge = TreeEdge()
        for start in range(0, now.size, TILE_WIDTH):
            _take(u, source, edge, min(start + TILE_WIDTH, now.size), note)
            progress(edge.size, now.size)
        if edge.root() != now.root:  # 3
            raise NotProven(_other(edge, u.head, now))
    return Copied(now.origin, now.size, now.root.hex(), held)


def _take(u: Unit, source: Source, edge: TreeEdge, end: int, note: bytes) -> None:
    """The next bundle up to `end`: what is there already, then what is fetched."""
    start, held = edge.size, u.head.size
    hashes = Reader(u.connection).leaf_hashes(start, min(end, held)) if start < held else []
    fetched = [] if held >= end else _fetched(source, start, end)[len(hashes) :]  # 2
    tiles = edge.append_many([*hashes, *(each.leaf_hash for each in fetched)])
    if fetched:
        head = Head(edge.size, fetched[-1].at_ms, edge.root(), note)
        u.append(fetched, [tile for tile in tiles if _covers(tile) > held], head)


def _covers(tile: FullTile) -> int:
    """The size of the smallest log that has a tile."""
    return (tile.n + 1) * TILE_WIDTH << tile.level * TILE_HEIGHT


def _fetched(source: Source, start: int, end: int) -> list[StoredEntry]:
    bundle = source.bundle(start // TILE_WIDTH, end - start)
    entries = entries_of(Piece(start, end, (bundle,), (None,)))
    if len(entries) < end - start:
        raise NotProven(f"entry {start + len(entries)} is not there, although the checkpoint covers it")
    return [_entry(index, data) for index, data in enumerate(entries, start)]


def _entry(index: int, data: bytes) -> StoredEntry:
    try:
        header = decode_header(data)
        kind = _kind(header.command)
    except (
        msgspec.MsgspecError,
        UnicodeDecodeError,
        strict.Malformed,
        InvalidEntry,
        RecursionError,
    ) as error:
        raise NotProven(f"entry {index}: {error}") from error
    return StoredEntry(index, header.at_ms, kind, data, merkle.leaf_hash(data))


def _kind(command: Command) -> str:
    """Returns the kind of an entry in the table of entries: its statement's kind, or its command's."""
    kind = kind_of_command(command)
    incoming = rulebook.incoming_of(command) if kind == "statement" else None
    return kind_of(incoming.payload) if isinstance(incoming, Spoken) else kind


def _other(edge: TreeEdge, held: Head, now: Checkpoint) -> str:
    if 0 < held.size == now.size:
        return f"the database holds another log: its root is {held.root.hex()}, the log's {now.root.hex()}"
    return f"the {edge.size} entries do not lead to the root that is signed"
