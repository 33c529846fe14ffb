"""A log's keys in succession: which of them signs the checkpoint of which size.

A log begins with one key, and an entry may name the next one. The checkpoint that ends with that entry is the last one
of the key before, so for every size exactly one key is right: a note by another of them is as false as a stranger's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from trust.log.checkpoint import Checkpoint, CheckpointError, open_checkpoint
from trust.log.note import NoteError, Verifier, open_note, parse_note


class WrongKey(CheckpointError):
    """A checkpoint that a key of the log signed, but not the one for its size: a key used after its rotation."""


@dataclass(frozen=True, slots=True)
class Tenure:
    """A key and the sizes of the checkpoints that it signs; `last` is None while it is current."""

    verifier: Verifier
    first: int = 0
    last: int | None = None

    def __contains__(self, size: int) -> bool:
        return self.first <= size and (self.last is None or size <= self.last)

    def __str__(self) -> str:
        until = "" if self.last is None else f" to {self.last}"
        return f"{self.verifier}, which signs sizes from {self.first}{until}"


@dataclass(frozen=True, slots=True)
class Succession:
    """The tenures of a log's keys, in order, without a gap."""

    tenures: tuple[Tenure, ...]

    @classmethod
    def of(cls, first: Verifier, adopted: Iterable[tuple[int, Verifier]] = ()) -> Self:
        """The succession from the first key and, in log order, the entries that adopt another."""
        tenures = [Tenure(first)]
        for index, verifier in adopted:
            tenures[-1] = Tenure(tenures[-1].verifier, tenures[-1].first, index + 1)
            tenures.append(Tenure(verifier, index + 2))
        return cls(tuple(tenures))

    @property
    def name(self) -> str:
        """The log's origin, the name of all its keys."""
        return self.tenures[0].verifier.name

    @property
    def verifiers(self) -> list[Verifier]:
        """The keys, in order."""
        return [tenure.verifier for tenure in self.tenures]

    def at(self, size: int) -> Tenure:
        """The key that signs the checkpoint of a size."""
        return next(tenure for tenure in reversed(self.tenures) if tenure.first <= size)

    def open(self, note: bytes) -> Checkpoint:
        """The checkpoint in a note that the right key for its size signed. Raises NoteError or CheckpointError."""
        right = self.at(peek_checkpoint(note).size)
        try:
            return open_checkpoint(note, self.name, right.verifier)
        except (NoteError, CheckpointError) as error:
            for other in self.tenures:
                if other is not right and _signed(note, other.verifier):
                    raise WrongKey(f"its size is not one for the key that signed it: {other}") from error
            raise


LogKey = Verifier | Succession
"""Under what a caller verifies a log: one key, or all that it had."""


def opened(note: bytes, key: LogKey) -> Checkpoint:
    """The checkpoint in a note that the log's key signed. Raises NoteError or CheckpointError."""
    return key.open(note) if isinstance(key, Succession) else open_checkpoint(note, key.name, key)


def first_key(key: LogKey) -> Verifier:
    """The one that the caller trusts by itself."""
    return key.tenures[0].verifier if isinstance(key, Succession) else key


def key_for(key: LogKey, size: int) -> Verifier:
    """The key that signs the checkpoint of a size."""
    return key.at(size).verifier if isinstance(key, Succession) else key


def peek_checkpoint(note: bytes) -> Checkpoint:
    """Returns the checkpoint in a note, whoever signed it: says which key to ask for. NoteError, CheckpointError."""
    return Checkpoint.parse(parse_note(note)[0])


def is_signed_by(note: bytes, verifiers: Iterable[Verifier]) -> bool:
    """Returns whether one of these keys signed a note: False where none is named, NoteError where one is, falsely."""
    known = list(verifiers)
    named = {(verifier.name, verifier.key_id) for verifier in known}
    if not any((line.name, line.key_id) in named for line in parse_note(note)[1]):
        return False
    open_note(note, known)
    return True


def _signed(note: bytes, verifier: Verifier) -> bool:
    try:
        return is_signed_by(note, [verifier])
    except NoteError:
        return False
