"""The signature with which a party has bytes stored before a statement on the log names them.

It is no statement: nothing on the log comes of it, and no decision reads it. It stands in the header `Trust-Upload` of
`PUT /v1/blobs/{sha256}` as the party's DID, the Unix time in ms until which it holds, and the signature in base64,
with spaces between them.
"""

from __future__ import annotations

import re

import msgspec

from trust.core import identity
from trust.core.identity import key_of
from trust.core.strict import Malformed, b64, base64_of
from trust.log import ed25519

HEADER = "Trust-Upload"
LIFETIME_MS = 600_000
MAX_LIFETIME_MS = 3_600_000
PATTERN = rf"({identity.PATTERN}) ([1-9][0-9]{{0,15}}) ([A-Za-z0-9+/]{{86}}==)"
_SHAPE = re.compile(PATTERN)


class Upload(msgspec.Struct, frozen=True):
    """That a party wants bytes stored; `until_ms` is Unix time."""

    party: str
    until_ms: int
    signature: bytes

    @staticmethod
    def parse(text: str) -> Upload | None:
        """Returns the fields of the header; None where it is not one."""
        match = _SHAPE.fullmatch(text)
        if match is None:
            return None
        try:
            return Upload(match[1], int(match[2]), b64(match[3], ed25519.SIGNATURE_BYTES))
        except Malformed:
            return None

    def is_signed(self, network: str, digest: str, key: str) -> bool:
        """Returns whether the key with this DID signed it for these bytes (their SHA-256 in hex) in this network."""
        message = _signed(network, self.party, digest, self.until_ms)
        return ed25519.verify(key_of(key), message, self.signature)


def upload(network: str, party: str, key: ed25519.PrivateKey, digest: str, until_ms: int) -> str:
    """The header's value, signed with the party's current key."""
    signature = ed25519.sign(key, _signed(network, party, digest, until_ms))
    return f"{party} {until_ms} {base64_of(signature)}"


def _signed(network: str, party: str, digest: str, until_ms: int) -> bytes:
    return f"trust/upload/v1\n{network}\n{party}\n{digest}\n{until_ms}\n".encode()
