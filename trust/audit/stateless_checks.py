"""Checks of entries that need no state: their framing, their hashes, every signature.

This is where most of the time goes, so it runs in a process of its own, ahead of the replay; it needs nothing
but the log and the rulebook's parsers. The replay compares bytes, so what is not looked at here (the events) is
looked at there. Proofs of draws that hold are handed over, so that the replay need not verify them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from trust.audit.early_proofs import EarlyProofs, Proven
from trust.audit.report import Finding, Step
from trust.core import rulebook, strict
from trust.core.commands import Spoken, signed_parts
from trust.core.entry import MAX_ENTRY_BYTES, Header
from trust.log.merkle import HASH_BYTES, leaf_hash
from trust.log.tiles import TILE_WIDTH


class Piece(msgspec.Struct, frozen=True):
    """The entries [start, end) as they were fetched: whole bundles, each with the hash tile above it."""

    start: int
    end: int
    bundles: tuple[bytes | None, ...]
    tiles: tuple[bytes | None, ...]

    @property
    def byte_count(self) -> int:
        """Its bytes in memory."""
        return sum(len(bundle or b"") for bundle in self.bundles)


class Inspected(msgspec.Struct, frozen=True):
    """The leaf hashes of a piece, joined, and the first entry that is false by itself.

    Where there is one, `hashes` may end before it. `proofs` are those of draws, as far as they hold.
    """

    hashes: bytes
    signatures: int
    finding: Finding | None = None
    proofs: tuple[Proven, ...] = ()


_early_proofs = EarlyProofs()
"""Of this process, which is given the pieces of a log in their order."""

decode_header = msgspec.json.Decoder(Header).decode


def entries_of(piece: Piece) -> list[bytes]:
    """The piece's entries, as far as its bundles hold them."""
    first = piece.start // TILE_WIDTH * TILE_WIDTH
    entries: list[bytes] = []
    for n, bundle in enumerate(piece.bundles):
        wanted = min(TILE_WIDTH, piece.end - first - n * TILE_WIDTH)
        held = _split(bundle or b"", wanted)
        entries += held
        if len(held) < wanted:
            break
    return entries[piece.start - first :]


def _split(bundle: bytes, width: int) -> list[bytes]:
    """The first `width` entries of a bundle; the last of them may be cut short."""
    entries: list[bytes] = []
    at = 0
    while at < len(bundle) and len(entries) < width:
        end = at + 2 + int.from_bytes(bundle[at : at + 2])
        entries.append(bundle[at + 2 : end])
        at = end
    return entries


def inspect(piece: Piece) -> Inspected:
    """Checks a piece up to the first entry that does not hold."""
    entries = entries_of(piece)
    hashes = [leaf_hash(data) for data in entries]
    signatures = 0
    proofs: list[Proven] = []
    finding = _first_difference(piece, hashes)
    good = len(entries) if finding is None else (finding.index or 0) - piece.start
    for at, data in enumerate(entries[:good]):
        try:
            signatures += _verify(data, proofs)
        except (ValueError, RecursionError) as error:
            finding = Finding(piece.start + at, str(error), Step.STATEMENTS)
            break
    return Inspected(b"".join(hashes), signatures, finding, tuple(proofs))


def _verify(data: bytes, proofs: list[Proven]) -> int:
    """How many signatures hold; ValueError where one does not, or where there is no entry to look at. What a draw
    proves is added to `proofs`."""
    try:
        header = decode_header(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise strict.Malformed(f"it is not an entry: {error}") from error
    if header.command.statement is None:
        strict.parse(
            data, Header, max_bytes=MAX_ENTRY_BYTES
        )  # integers in range, as statements have them by type
        draw = header.command.draw
        if draw is not None and (proven := _early_proofs.prove(draw)) is not None:
            proofs.append(proven)
        return 0
    incoming = rulebook.incoming_of(header.command)
    rulebook.verify(incoming)
    if not isinstance(incoming, Spoken) or incoming.signed.envelope != header.command.statement:
        raise strict.Malformed("its signatures are not in the order of their keys")
    _early_proofs.hear(incoming)
    return sum(len(part.signatures) for part in signed_parts(incoming))


def _first_difference(piece: Piece, hashes: Sequence[bytes]) -> Finding | None:
    """The first entry that is missing or is not the one whose hash the log serves."""
    for at, mine in enumerate(hashes):
        index = piece.start + at
        tile = piece.tiles[index // TILE_WIDTH - piece.start // TILE_WIDTH]
        if tile is None:
            continue
        offset = index % TILE_WIDTH * HASH_BYTES
        if tile[offset : offset + HASH_BYTES] != mine:
            return Finding(index, f"its hash is {mine.hex()}, not the one in the log's hash tile")
    if len(hashes) < piece.end - piece.start:
        return Finding(piece.start + len(hashes), "it is not there, although the checkpoint covers it")
    return None
