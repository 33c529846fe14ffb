"""The receipt as JSON: what proves one entry to whoever has the log's key (docs/protocol.md 4)."""

from __future__ import annotations

import msgspec


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The proof of one entry: its index, its bytes in base64, and a C2SP tlog-proof."""

    index: int
    entry: str
    proof: str

    def encode(self) -> bytes:
        """The receipt as a file."""
        return msgspec.json.encode(self) + b"\n"
