"""Witnesses for networks in tests: a policy's lines, and the notes that they cosign over a network's own entries."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from trust.core.rulebook import Decided
from trust.log import merkle
from trust.log.checkpoint import Checkpoint
from trust.log.note import COSIGNATURE_V1, Signer, add_signatures, sign_note
from trust.log.quorum import parse_quorum

LABELS = ("w1", "w2", "w3")


def witness(label: str, name: str = "") -> Signer:
    """The key of the witness that a policy calls this."""
    return Signer(
        name or f"witness.example.org/{label}", sha256(f"witness {label}".encode()).digest(), COSIGNATURE_V1
    )


def two_of_three(needed: str = "2", labels: Sequence[str] = LABELS) -> list[str]:
    """Lines of a policy that asks for `needed` of these witnesses."""
    lines = [f"witness {label} {witness(label).verifier}" for label in labels]
    return [*lines, f"group most {needed} {' '.join(labels)}", "quorum most"]


def root_of(entries: Sequence[Decided]) -> bytes:
    tree = merkle.CompactRange()
    for entry in entries:
        tree.append(merkle.leaf_hash(entry.data))
    return tree.root()


def note_of(
    log: Signer,
    size: int,
    root: bytes,
    lines: Sequence[str],
    time_s: int,
    labels: Sequence[str] | None = None,
) -> str:
    """The checkpoint as the log and these of the policy's witnesses signed it; all of them unless they are named."""
    note = sign_note(Checkpoint(log.name, size, root).body(), log)
    for each in parse_quorum(tuple(lines)).witnesses:
        if labels is None or each.label in labels:
            signer = witness(each.label, each.verifier.name)
            note = add_signatures(note, [signer.sign(Checkpoint(log.name, size, root).body(), time_s)])
    return note.decode()
