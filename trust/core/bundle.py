"""The file of one case: entries of a claim, with their inclusion proofs under one checkpoint (docs/protocol.md 4.6).

`{"format":"trust/bundle/v1","claim","checkpoint","entries":[{"index","entry","path"}],"hashes","pool"}`:
`checkpoint` is the signed note; `entry` the entry's bytes in base64; `path` its inclusion path (RFC 9162, 2.1.3), the
leaf's sibling first, as places in `hashes` (base64), where proofs share what they have in common; `pool` (base64) the
nodes of sealed pools' sum trees that the draws visited, empty where they would be more than MAX_POOL_BYTES.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from trust.core.strict import base64_of

FORMAT: Final = "trust/bundle/v1"
MAX_BUNDLE_BYTES = 64 * 1024 * 1024
MAX_ENTRIES = 4_096
MAX_ENTRIES_BYTES = 32 * 1024 * 1024
MAX_POOL_BYTES = 8 * 1024 * 1024


class BundledEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry and its path."""

    index: int
    entry: str
    path: tuple[int, ...]


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file; entries in log order, the genesis first."""

    format: Literal["trust/bundle/v1"]
    claim: str
    checkpoint: str
    entries: tuple[BundledEntry, ...]
    hashes: tuple[str, ...]
    pool: tuple[str, ...]

    def encode(self) -> bytes:
        """The bundle as a file."""
        return msgspec.json.encode(self) + b"\n"


def pack(
    claim: str,
    checkpoint: bytes,
    proven: Iterable[tuple[int, bytes, Sequence[bytes]]],
    pool: Iterable[bytes],
) -> Bundle:
    """The bundle of entries in log order (index, bytes, inclusion path), each hash of their paths written once."""
    places: dict[bytes, int] = {}
    entries = [
        BundledEntry(index, base64_of(data), tuple(places.setdefault(step, len(places)) for step in path))
        for index, data, path in proven
    ]
    hashes = tuple(map(base64_of, places))
    return Bundle(FORMAT, claim, checkpoint.decode(), tuple(entries), hashes, tuple(map(base64_of, pool)))
