"""A log that asks a witness: its tree, its notes, its proofs, and the bodies that carry them."""

from __future__ import annotations

from hashlib import sha256

from tests.log.trees import WholeTree, leaf_hashes
from trust.log import merkle
from trust.log.checkpoint import Checkpoint
from trust.log.note import COSIGNATURE_V1, Signer, sign_note
from trust.log.submission import Submission

ORIGIN = "log.example.org/one"
WITNESS = Signer("witness.example.org/w", sha256(b"witness").digest(), COSIGNATURE_V1)


def log_key(name: str = "log", origin: str = ORIGIN) -> Signer:
    """A log's key."""
    return Signer(origin, sha256(name.encode()).digest())


class AskingLog:
    """A log of 300 entries at most; `fork` changes every entry."""

    def __init__(self, origin: str = ORIGIN, fork: bytes = b"") -> None:
        self.origin = origin
        self.tree = WholeTree([merkle.leaf_hash(fork + leaf) for leaf in leaf_hashes(300)])

    def checkpoint(self, size: int) -> Checkpoint:
        """The tree at a size."""
        return Checkpoint(self.origin, size, merkle.root(size, self.tree.node))

    def note(self, size: int, *keys: Signer) -> bytes:
        """The signed note, by the log's own key unless others are given."""
        return sign_note(self.checkpoint(size).body(), *(keys or (log_key(origin=self.origin),)), time_s=1)

    def body(self, old: int, new: int, *keys: Signer) -> bytes:
        """The body that asks for a cosignature on `new`."""
        proof = tuple(merkle.consistency_proof(old, new, self.tree.node)) if old <= new else ()
        return Submission(old, proof, self.note(new, *keys)).encode()
