"""C2SP tlog-checkpoint: a log's origin, size and root as the text of a signed note.

The text is at least three non-empty lines: origin, size (decimal, no leading zeros, below 2^63), root (base64
of 32 bytes), then extension lines. The root of size 0 is that of the empty tree. The log's own signature is
required; the cosignatures of witnesses are reported beside it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from trust.log import merkle
from trust.log.note import Signature, Verifier, decode_base64, encode_base64, open_note

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class CheckpointError(ValueError):
    """A checkpoint that is malformed, of another log, or not signed by the log."""


class EmptyTreeError(CheckpointError):
    """A checkpoint of no leaves with another root than that of the empty tree."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tree of `size` leaves of the log `origin` has the 32-byte root `root`."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(not line or "\n" in line for line in (self.origin, *self.extensions)):
            raise CheckpointError("origin and extensions are non-empty lines")
        if not 0 <= self.size <= merkle.MAX_SIZE:
            raise CheckpointError(f"a log's size is 0 to 2^63-1, not {self.size}")
        if len(self.root) != merkle.HASH_BYTES:
            raise CheckpointError(f"a root has {merkle.HASH_BYTES} bytes, not {len(self.root)}")
        if self.size == 0 and self.root != merkle.EMPTY_ROOT:
            raise EmptyTreeError(f"not the root of a tree of 0 leaves: {self.root.hex()}")

    def body(self) -> str:
        """The note's text."""
        return "".join(
            f"{line}\n" for line in (self.origin, self.size, encode_base64(self.root), *self.extensions)
        )

    @classmethod
    def parse(cls, body: str) -> Self:
        """The checkpoint of a note's text. Raises CheckpointError."""
        lines = body.split("\n")
        if len(lines) < 4 or lines.pop():
            raise CheckpointError("a checkpoint has at least three lines, each with a newline")
        origin, size, root, *extensions = lines
        if not _SIZE.fullmatch(size):
            raise CheckpointError(f"not a log's size: {size[:40]!r}")
        try:
            return cls(origin, int(size), decode_base64(root), tuple(extensions))
        except CheckpointError:
            raise
        except ValueError as error:
            raise CheckpointError(f"the root is not base64: {root[:60]!r}") from error


def open_checkpoint(note: bytes, origin: str, verifier: Verifier) -> Checkpoint:
    """The checkpoint in a note that the log's key signed. Raises NoteError or CheckpointError."""
    return open_cosigned(note, origin, verifier, ())[0]


def open_cosigned(
    note: bytes, origin: str, verifier: Verifier, witnesses: Sequence[Verifier]
) -> tuple[Checkpoint, tuple[Signature, ...]]:
    """The checkpoint, and the cosignatures of known witnesses on it; the log must have signed it too.

    How many witnesses are enough is for the caller's policy to say. Raises NoteError or CheckpointError.
    """
    opened = open_note(note, [verifier, *witnesses])
    log_key = verifier.name, verifier.key_id
    cosignatures = tuple(line for line in opened.verified if (line.name, line.key_id) != log_key)
    if len(cosignatures) == len(opened.verified):
        raise CheckpointError(f"the log's key {verifier.name} did not sign the checkpoint")
    checkpoint = Checkpoint.parse(opened.text)
    if checkpoint.origin != origin:
        raise CheckpointError(f"the checkpoint is of {checkpoint.origin!r}, not of {origin!r}")
    return checkpoint, cosignatures
