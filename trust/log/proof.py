"""C2SP tlog-proof@v1: one text that proves offline that an entry is in a log.

Lines: `c2sp.org/tlog-proof@v1`; `extra <base64>` where there is any (not authenticated: never trust it);
`index <decimal>`; the inclusion path, one base64 hash a line, the leaf's sibling first; an empty line; the
checkpoint as it was signed. Whoever verifies brings the leaf hash and the log's key.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from trust.log import merkle
from trust.log.checkpoint import Checkpoint, open_checkpoint
from trust.log.merkle import ProofError
from trust.log.note import MAX_NOTE_BYTES, decode_base64, encode_base64
from trust.log.succession import LogKey, first_key, opened

HEADER = "c2sp.org/tlog-proof@v1"
MAX_EXTRA_BYTES = 2**16
_MAX_HEAD_BYTES = 2 * MAX_EXTRA_BYTES
_HEAD = re.compile(re.escape(HEADER) + r"\n(?:extra ([^\n]+)\n)?index (0|[1-9][0-9]{0,18})((?:\n[^\n]+)*)")


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A decoded proof, nothing verified: 32-byte hashes, the checkpoint verbatim, opaque `extra` bytes."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def encode(self) -> bytes:
        """The proof's text."""
        return encode_proof(self.index, self.path, self.checkpoint, self.extra)

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """The proof of a text. Raises ProofError, never another error."""
        head, blank, checkpoint = text.partition(b"\n\n")
        if not blank or not checkpoint or len(head) > _MAX_HEAD_BYTES or len(checkpoint) > MAX_NOTE_BYTES:
            raise ProofError("not a tlog-proof: a head and a checkpoint with an empty line between them")
        match = _HEAD.fullmatch(head.decode("ascii", "replace"))
        if not match:
            raise ProofError(f"not a tlog-proof: it starts with {HEADER}, an index and a path")
        extra, index, steps = match.groups()
        path = tuple(_decode(line) for line in steps.split("\n")[1:])
        if int(index) > merkle.MAX_SIZE or len(path) > merkle.MAX_PATH:
            raise ProofError("the index or the path is too long for any log")
        if any(len(step) != merkle.HASH_BYTES for step in path):
            raise ProofError("a hash of the path is not 32 bytes")
        return cls(int(index), path, checkpoint, _decode(extra) if extra else b"")


def encode_proof(index: int, path: Sequence[bytes], checkpoint: bytes, extra: bytes = b"") -> bytes:
    """The text of a proof: an inclusion path for `index` and the signed checkpoint that it leads to."""
    if len(extra) > MAX_EXTRA_BYTES:
        raise ProofError(f"extra data is at most {MAX_EXTRA_BYTES} bytes")
    line = f"extra {encode_base64(extra)}\n" if extra else ""
    return b"%b\n%b" % (
        f"{HEADER}\n{line}index {index}\n".encode() + b"".join(map(b2a_base64, path)),
        checkpoint,
    )


def verify_proof(
    leaf: bytes, text: bytes, verifier: LogKey, *, origin: str | None = None, index: int | None = None
) -> Checkpoint:
    """Check offline that the entry with leaf hash `leaf` is in the log, at `index` where that is given.

    The origin is the key's name unless the caller names another. Returns the checkpoint that the proof leads
    to; for cosignatures open it again with `open_cosigned`. Raises ProofError, NoteError or CheckpointError.
    """
    proof = TlogProof.parse(text)
    if index is not None and proof.index != index:
        raise ProofError(f"the proof is for index {proof.index}, not {index}")
    note = proof.checkpoint
    checkpoint = (
        opened(note, verifier) if origin is None else open_checkpoint(note, origin, first_key(verifier))
    )
    merkle.verify_inclusion(leaf, proof.index, checkpoint.size, proof.path, checkpoint.root)
    return checkpoint


def _decode(text: str) -> bytes:
    try:
        return decode_base64(text)
    except ValueError as error:
        raise ProofError(f"not canonical base64: {text[:60]!r}") from error
