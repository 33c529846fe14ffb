"""The commitment of a seal of scores, and the file that carries one agent's part of it (docs/reputation.md 5).

A seal's root is an RFC 9162 tree over rows in the order of (agent, role, task kind). A row is the JSON of one record's
raw sums, which do not change by waiting, so that any moment's score follows from it; who was revoked or tombstoned has
a row more, of role "party", that says so.

The file: `{"format":"trust/scores/v1","agent","genesis","seal","rows":[{"place","row","path"}]}`: `genesis` and `seal`
are receipts of entry 0, which has the half-lives, and of the seal; `row` and the hashes of `path` (RFC 9162, 2.1.3) are
base64. The agent's rows stand between the row before them and the row after them, so that none can be left out.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from trust.core.rawsums import Sums, encode
from trust.core.receipt import Receipt
from trust.core.records import Score
from trust.core.strict import base64_of

POOL = "scores"
FORMAT: Final = "trust/scores/v1"
PARTY = "party"
MAX_FILE_BYTES = 4 * 1024 * 1024


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One leaf. `sums` are the six raw sums (`rawsums.encode`, base64); `left` is revoked or tombstoned."""

    agent: str
    role: str
    task_kind: str = ""
    events: int = 0
    sums: str = ""
    left: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Returns the key by which rows are ordered."""
        return self.agent, self.role, self.task_kind

    @property
    def id(self) -> str:
        """Returns the key as one text, in the same order."""
        return "/".join(self.key)

    def encode(self) -> bytes:
        """The bytes of the leaf."""
        return msgspec.json.encode(self)


class ProvenRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row, its place among all rows, and its path to the seal's root."""

    place: int
    row: str
    path: tuple[str, ...]


class ScoreFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    format: Literal["trust/scores/v1"]
    agent: str
    genesis: Receipt
    seal: Receipt
    rows: tuple[ProvenRow, ...]

    def encode(self) -> bytes:
        """Its bytes."""
        return msgspec.json.encode(self) + b"\n"


def scored(score: Score, events: int, sums: Sums) -> Row:
    """The row of a record as it stood with these events and sums."""
    return Row(score.agent, score.role, score.task_kind, events, base64_of(encode(sums)))
