"""The body of `add-checkpoint` (C2SP tlog-witness): what a log asks a witness to cosign.

    old <size, decimal without leading zeros>
    <at most 63 lines, each a hash of the consistency proof in base64>
    <an empty line>
    <the checkpoint, as the log signed it>

Every line ends in a newline. Nothing is verified here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from trust.log import merkle
from trust.log.note import decode_base64, encode_base64

MAX_BODY_BYTES = 64 * 1024
"""A proof is under 3 KiB; the rest is room for a note with all the signatures that it may have."""
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


class Malformed(ValueError):
    """A body that is not what the specification says."""


@dataclass(frozen=True, slots=True)
class Submission:
    """The size that the log believes the witness has seen, the proof from there, and the new note."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """The submission in a body. Raises Malformed, never another error."""
        if len(body) > MAX_BODY_BYTES:
            raise Malformed(f"the body is longer than {MAX_BODY_BYTES} bytes")
        head, blank, note = body.partition(b"\n\n")
        if not blank:
            raise Malformed("there is no empty line between the proof and the checkpoint")
        first, *steps = head.decode("ascii", "replace").split("\n")
        match = _OLD.fullmatch(first)
        if match is None or int(match[1]) > merkle.MAX_SIZE:
            raise Malformed("the first line is not `old` and a size")
        if len(steps) > merkle.MAX_PATH:
            raise Malformed(f"the proof has more than {merkle.MAX_PATH} lines")
        return cls(int(match[1]), tuple(map(_hash, steps)), note)

    def encode(self) -> bytes:
        """The body, as a log sends it."""
        steps = "".join(f"{encode_base64(step)}\n" for step in self.proof)
        return f"old {self.old}\n{steps}\n".encode() + self.note


def _hash(line: str) -> bytes:
    try:
        raw = decode_base64(line)
    except ValueError as error:
        raise Malformed("a line of the proof is not canonical base64") from error
    if len(raw) != merkle.HASH_BYTES:
        raise Malformed("a hash of the proof is not 32 bytes")
    return raw
