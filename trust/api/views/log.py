"""The log as auditors read it: checkpoint, tiles, proofs, receipts, and entries as they come (docs/protocol.md 4)."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from trust.api.receipts import receipt_json
from trust.api.views.shapes import HEX32
from trust.core.entry import Entry, decode_entry
from trust.core.receipt import ReceiptAnswer
from trust.core.words import sentences
from trust.errors import TrustError
from trust.log import merkle, tiles
from trust.services.publishing import cosigned_head, newest_receipt, published
from trust.storage.reading import Reader
from trust.storage.unit import StoredEntry

INDEX = re.compile(r"0|[1-9][0-9]{0,39}")
PACKING = 1
"""How hard gzip tries: entries are packed each time that they are asked for."""


def checkpoint(reader: Reader) -> bytes:
    """The newest signed note; with witnesses the newest that they cosigned."""
    return published(reader)


def tile(reader: Reader, path: str, packed: bool) -> tuple[bytes, str]:
    """The bytes at a tile path, which never change, and how they are encoded: bundles with gzip where `packed`."""
    try:
        wanted = tiles.TilePath.parse(path)
    except tiles.TileError as error:
        raise TrustError("unknown-path", str(error)) from None
    size = reader.head().size
    span = tiles.TILE_WIDTH ** (wanted.level or 0)
    if (wanted.n * tiles.TILE_WIDTH + wanted.width) * span > size:
        raise TrustError("unknown-entry", f"{path} is not covered by the {size} entries there are")
    data = _tile(reader, wanted, size)
    if packed and wanted.level is None:
        return gzip.compress(data, PACKING, mtime=0), "gzip"
    return data, ""


def _tile(reader: Reader, wanted: tiles.TilePath, size: int) -> bytes:
    if wanted.level is None:
        first = wanted.n * tiles.TILE_WIDTH
        return tiles.encode_bundle([entry.data for entry in reader.entries(first, first + wanted.width)])
    if wanted.width == tiles.TILE_WIDTH:
        return reader.tile(wanted.level, wanted.n)
    return tiles.partial_tile(wanted.level, wanted.n, wanted.width, reader.nodes(size))


def inclusion(reader: Reader, index: int, size: int | None) -> dict[str, Any]:
    """The path from entry `index` to the root of the log at `size`, now unless named."""
    size = _reached(reader, size)
    if index >= size:
        raise TrustError("unknown-entry", f"entry {index} is not among the first {size}")
    path = merkle.inclusion_proof(index, size, reader.nodes(size))
    leaf = reader.leaf_hashes(index, index + 1)[0]
    return {"index": index, "leaf": leaf.hex(), "path": _hex(path), **_tree(reader, size)}


def _tree(reader: Reader, size: int) -> dict[str, Any]:
    """The tree that a proof is about, and the signed note over it where there is one of this very size."""
    head, cosigned = reader.head(), cosigned_head(reader)[1]
    signed = {head.size: head.checkpoint} | ({cosigned.size: cosigned.note} if cosigned else {})
    return {
        "size": size,
        "root": merkle.root(size, reader.nodes(size)).hex(),
        "checkpoint": signed[size].decode() if size in signed else None,
    }


def _hex(path: Iterable[bytes]) -> list[str]:
    return [step.hex() for step in path]


def consistency(reader: Reader, old: int, new: int | None) -> dict[str, Any]:
    """The proof that the log at `new` entries begins with the log at `old`."""
    new = _reached(reader, new)
    _reached(reader, old)
    if old > new:
        raise TrustError("bad-parameter", f"from: {old} entries are more than {new}")
    path = merkle.consistency_proof(old, new, reader.nodes(new)) if old else []
    return {"from": old, "to": new, "path": _hex(path), **_tree(reader, new)}


def leaf(reader: Reader, digest: str) -> dict[str, Any]:
    """Where the entry with this leaf hash stands, and its path."""
    if not HEX32.fullmatch(digest):
        raise TrustError(
            "bad-parameter", f"a leaf hash is 64 lower-case hexadecimal digits, not {digest[:80]!r}"
        )
    index = reader.index_of_leaf(bytes.fromhex(digest))
    if index is None:
        raise TrustError("unknown-entry", f"no entry has the leaf hash {digest[:80]!r}")
    return inclusion(reader, index, None)


def _reached(reader: Reader, size: int | None) -> int:
    now = reader.head().size
    if size is None:
        return now
    if size > now:
        raise TrustError("unknown-entry", f"the log has {now} entries, not {size}")
    return size


def receipt(reader: Reader, index: str) -> ReceiptAnswer:
    """The newest receipt of an entry."""
    if not INDEX.fullmatch(index):
        raise TrustError("bad-parameter", f"an index is a whole number, not {index[:40]!r}")
    size = reader.head().size
    newest = newest_receipt(reader, int(index)) if int(index) < size else None
    if newest is None:
        raise TrustError("unknown-entry", f"the log has {size} entries, and none of index {index}")
    return receipt_json(newest)


def entry_facts(stored: StoredEntry) -> dict[str, Any]:
    """An entry with its events, in words too."""
    return described(stored, decode_entry(stored.data))


def described(stored: StoredEntry, entry: Entry) -> dict[str, Any]:
    """Returns the description of an entry that is decoded already."""
    return {
        "index": stored.index,
        "at_ms": stored.at_ms,
        "kind": stored.kind,
        "words": sentences(stored.kind, entry),
        "events": msgspec.to_builtins(entry.events),
    }
