"""Evidence that a log was forked: two notes under its key that cannot both be of one append-only tree.

- Two notes of one size convict by their roots alone.
- For two sizes the evidence adds the root that the larger tree had at the smaller size, and the consistency proof
  from there to the larger tree (RFC 9162, 2.1.4): the log signed another root for those very entries.

A witness and `trust log watch` write such files; whoever has the log's key checks them offline.
"""

from __future__ import annotations

from typing import Literal, Self

import msgspec

from trust.core import strict
from trust.log import merkle
from trust.log.checkpoint import Checkpoint, CheckpointError
from trust.log.merkle import HASH_BYTES, ProofError
from trust.log.note import NoteError
from trust.log.succession import LogKey, opened
from trust.verify.failures import NotProven

MAX_EVIDENCE_BYTES = 4 * 1024 * 1024


class Fork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two signed notes, the smaller tree's first; `root` and `proof` in base64, empty where the sizes are one."""

    evidence: Literal["fork"]
    notes: tuple[str, str]
    root: str = ""
    proof: tuple[str, ...] = ()

    @classmethod
    def of(cls, held: bytes, shown: bytes, root: bytes = b"", proof: tuple[bytes, ...] = ()) -> Self:
        """The evidence of two notes and, for two sizes, the root at the smaller one with its consistency proof."""
        steps = tuple(map(strict.base64_of, proof))
        return cls("fork", (held.decode(), shown.decode()), strict.base64_of(root), steps)

    def encode(self) -> bytes:
        """The evidence as a file."""
        return msgspec.json.encode(self) + b"\n"


class Convicted(msgspec.Struct, frozen=True):
    """A proven fork: the log signed both `held` and `other` as the root of its first `size` entries.

    `signed_size` is the size of the note that commits to the other root.
    """

    origin: str
    size: int
    held: bytes
    other: bytes
    signed_size: int


def verify_fork(data: bytes, key: LogKey) -> Convicted:
    """Returns what the evidence proves against the log of `key`. Raises `NotProven` where it proves nothing."""
    try:
        fork = strict.parse(data, Fork, max_bytes=MAX_EVIDENCE_BYTES)
        held, shown = (opened(note.encode(), key) for note in fork.notes)
        other = _root_of(fork, held, shown)
    except (strict.Malformed, NoteError, CheckpointError, ProofError) as error:
        raise NotProven(f"the evidence: {error}") from error
    if other == held.root:
        raise NotProven("the evidence: both notes are of one tree")
    return Convicted(held.origin, held.size, held.root, other, shown.size)


def _root_of(fork: Fork, held: Checkpoint, shown: Checkpoint) -> bytes:
    """The root at the first note's size of the tree that the second note signs."""
    if held.size == shown.size and not fork.root and not fork.proof:
        return shown.root
    if not fork.root:
        raise NotProven("the evidence: two notes of different sizes convict only with a consistency proof")
    root = strict.b64(fork.root, HASH_BYTES)
    path = [strict.b64(step, HASH_BYTES) for step in fork.proof]
    merkle.verify_consistency(held.size, root, shown.size, shown.root, path)
    return root
