"""Checks that a service's own log is whole: `trust log check` (docs/architecture.md 4; rules are for `trust audit`).

From the entries' bytes everything is computed anew: leaf hashes, full tiles of every level, the head's root. What is
stored must be that, without a gap before the head and without a row after it, and the log's key must have signed it.
So must what witnesses cosigned: each such checkpoint is of this tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from trust.audit.report import CannotCheck, Finding, Progress, silent
from trust.audit.stateless_checks import decode_header
from trust.core import commands, envelope
from trust.core.entry import Entry, InvalidEntry, decode_entry
from trust.core.events import KeyAdopted, NetworkCreated
from trust.core.identity import InvalidKey, key_of
from trust.log import merkle
from trust.log.checkpoint import CheckpointError, open_checkpoint
from trust.log.merkle import leaf_hash
from trust.log.note import NoteError, Verifier
from trust.log.succession import Succession
from trust.log.tiles import TreeEdge
from trust.storage.cosigned import every
from trust.storage.engine import Database
from trust.storage.reading import Reader, reading
from trust.storage.unit import Head, StoredEntry

CHUNK_ENTRIES = 1_024


class Checked(msgspec.Struct, frozen=True):
    """The result of a check; `findings` has the first thing that is false, if anything is."""

    ok: bool
    size: int
    root: str
    findings: tuple[Finding, ...]


def check_log(database: Database, vkey: str | None = None, progress: Progress = silent) -> Checked:
    """Checks the stored log under the keys that its own entries name, of which `vkey` must be one where it is given.

    Raises CannotCheck where the database cannot be read, NoteError where `vkey` is no key.
    """
    verifier = Verifier.parse(vkey) if vkey else None
    try:
        with reading(database) as reader:
            head = reader.head()
            finding = next(_findings(reader, head, verifier, progress), None)
    except SQLAlchemyError as error:
        raise CannotCheck(f"the database cannot be read: {error}") from error
    return Checked(finding is None, head.size, head.root.hex(), () if finding is None else (finding,))


def _findings(reader: Reader, head: Head, verifier: Verifier | None, progress: Progress) -> Iterator[Finding]:
    """Everything that is false, in the order of the log."""
    edge, keys = TreeEdge(), Named()
    for start in range(0, head.size, CHUNK_ENTRIES):
        stored = reader.rows(start, min(start + CHUNK_ENTRIES, head.size))
        yield from _false_entries(stored, start, min(start + CHUNK_ENTRIES, head.size))
        keys.take(stored)
        for tile in edge.append_many([leaf_hash(entry.data) for entry in stored]):
            if reader.tile(tile.level, tile.n) != tile.data:
                first = tile.n << 8 * (tile.level + 1)
                yield Finding(first, f"tile {tile.n} of level {tile.level} is not that of the entries")
        progress(edge.size, head.size)
    if edge.root() != head.root:
        yield Finding(
            None, f"the entries lead to the root {edge.root().hex()}, the head says {head.root.hex()}"
        )
    if reader.rows(head.size, head.size + 1):
        yield Finding(head.size, "this entry stands after the head: it belongs to no checkpoint")
    if head.size:
        succession = keys.succession()
        yield from _false_checkpoint(head, succession, verifier)
        if succession is not None:
            yield from _false_cosigned(reader, head, succession)


def _false_entries(stored: Sequence[StoredEntry], start: int, end: int) -> Iterator[Finding]:
    for index, entry in enumerate(stored, start):
        if entry.index != index:
            yield Finding(index, "this entry is missing")
        if leaf_hash(entry.data) != entry.leaf_hash:
            yield Finding(index, "its bytes do not have the leaf hash that is stored with them")
        if _at_ms(entry.data) != entry.at_ms:
            yield Finding(index, f"it is stored with the time {entry.at_ms}, which is not its own")
    if len(stored) < end - start:
        yield Finding(start + len(stored), "this entry is missing")


def _at_ms(data: bytes) -> int | None:
    try:
        return decode_header(data).at_ms
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


class Named:
    """The log's keys as its entries name them."""

    def __init__(self) -> None:
        self._named: list[tuple[int, Verifier]] = []

    def take(self, stored: Sequence[StoredEntry]) -> None:
        """Looks at the next entries."""
        for entry in stored:
            if entry.index == 0 or b'"key.adopted"' in entry.data:
                self._named += _named(entry)

    def succession(self) -> Succession | None:
        """The keys of all entries that were taken; None where the first of them is no genesis."""
        is_founded = self._named and self._named[0][0] == 0
        return Succession.of(self._named[0][1], self._named[1:]) if is_founded else None


def _named(entry: StoredEntry) -> Iterator[tuple[int, Verifier]]:
    try:
        decoded = decode_entry(entry.data)
        for event in decoded.events:
            if isinstance(event, NetworkCreated):
                yield entry.index, Verifier(event.origin, key_of(event.log_key))
            elif isinstance(event, KeyAdopted) and event.use == "log":
                yield entry.index, Verifier(_network(decoded), key_of(event.key))
    except (InvalidKey, NoteError, InvalidEntry):
        return


def _network(entry: Entry) -> str:
    statement = entry.command.statement
    return commands.spoken(envelope.from_envelope(statement)).payload.network if statement else ""


def _false_cosigned(reader: Reader, head: Head, keys: Succession) -> Iterator[Finding]:
    """The checkpoints that witnesses cosigned and the world is shown: each is of this very tree."""
    for kept in every(reader.connection):
        try:
            checkpoint = keys.open(kept.note)
        except (NoteError, CheckpointError) as error:
            yield Finding(None, f"the cosigned checkpoint of policy {kept.policy}: {error}")
            continue
        size = checkpoint.size
        if size != kept.size or size > head.size:
            yield Finding(None, f"the cosigned checkpoint of policy {kept.policy} is of {size} entries")
        elif merkle.root(size, reader.nodes(head.size)) != checkpoint.root:
            yield Finding(
                None, f"the cosigned checkpoint of {size} entries has not the root of these entries"
            )


def _false_checkpoint(head: Head, keys: Succession | None, verifier: Verifier | None) -> Iterator[Finding]:
    if keys is None:
        yield Finding(0, "this entry is no genesis that names the log's key")
        return
    try:
        checkpoint = keys.open(head.checkpoint)
        if verifier is not None and verifier not in keys.verifiers:
            checkpoint = open_checkpoint(head.checkpoint, verifier.name, verifier)
    except (NoteError, CheckpointError) as error:
        yield Finding(None, f"the checkpoint: {error}")
        return
    if (checkpoint.size, checkpoint.root) != (head.size, head.root):
        yield Finding(None, f"the checkpoint is of {checkpoint.size} entries, the head of {head.size}")
