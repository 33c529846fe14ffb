"""Answers to statements: a receipt that proves its entry offline, or a refusal that the log's key signed.

A receipt is the entry's bytes and a C2SP tlog-proof of them (docs/protocol.md 4). A refusal's note names the statement,
the code, and the log's size and root just before it: `decide` is pure, so replay at that size convicts a false one
(docs/rules.md 8). Its text is seven lines: `trust/refusal/v1`, network, statement id, code, size, at_ms, base64 root.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from trust.log import merkle
from trust.log.note import Signer, encode_base64, sign_note
from trust.log.proof import encode_proof
from trust.storage.reading import Reader
from trust.storage.unit import Head

REFUSAL_HEADER = "trust/refusal/v1"


class Receipt(msgspec.Struct, frozen=True):
    """Entry `index`, its inclusion path, and the checkpoint that the path leads to. `repeated`: it was there."""

    index: int
    entry: bytes
    path: Sequence[bytes]
    checkpoint: bytes
    repeated: bool = False

    @property
    def proof(self) -> bytes:
        """The tlog-proof."""
        return encode_proof(self.index, self.path, self.checkpoint)


class Refusal(msgspec.Struct, frozen=True):
    """The refusal of a rule, as of size `as_of`. `note` is signed; empty where no statement was refused."""

    code: str
    detail: str
    facts: Mapping[str, str | int]
    as_of: int
    note: bytes


Outcome = Receipt | Refusal


def refusal_note(
    signer: Signer, network: str, statement_id: str, code: str, *, size: int, at_ms: int, root: bytes
) -> bytes:
    """The signed note of a refusal."""
    lines = (REFUSAL_HEADER, network, statement_id, code, size, at_ms, encode_base64(root))
    return sign_note("".join(f"{line}\n" for line in lines), signer)


def stored_receipt(reader: Reader, index: int, head: Head, *, repeated: bool = False) -> Receipt | None:
    """The receipt of an entry under a head that the log has reached; None where the entry is not below it."""
    entry = reader.entry(index) if index < head.size else None
    if entry is None:
        return None
    path = merkle.inclusion_proof(index, head.size, reader.nodes(head.size))
    return Receipt(index, entry.data, path, head.checkpoint, repeated)
