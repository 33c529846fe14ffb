"""The receipt, which proves one entry to whoever has the log's key (docs/protocol.md 4), and the answers with receipts.

The service makes these answers and the client reads them. A client passes over members that it does not know, so that
a later release may add some; only a receipt that somebody keeps as a file has its three members and no others.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The proof of one entry: its index, its bytes in base64, and a C2SP tlog-proof."""

    index: int
    entry: str
    proof: str

    def encode(self) -> bytes:
        """Returns the receipt as a file."""
        return msgspec.json.encode(self) + b"\n"


class ReceiptAnswer(msgspec.Struct, frozen=True):
    """A receipt within an answer."""

    index: int
    entry: str
    proof: str

    def receipt(self) -> Receipt:
        """Returns the receipt by itself."""
        return Receipt(self.index, self.entry, self.proof)


class Written(msgspec.Struct, frozen=True):
    """The answer to one write; `result` has the ids of what it created."""

    statement: str
    receipt: ReceiptAnswer
    repeated: bool = False
    result: dict[str, Any] = {}


class BatchLine(msgspec.Struct, frozen=True):
    """The result of one statement of a batch that is on the log; `status` 201, or 200 where it was before."""

    status: int
    statement: str
    index: int
    entry: str
    proof: str


class BatchAnswer(msgspec.Struct, frozen=True):
    """The answer to a batch: one `checkpoint`, over `size` entries, for all its receipts; a result for each statement,
    in order: the members of a `BatchLine`, or of a problem."""

    checkpoint: str
    size: int
    results: list[dict[str, Any]]
