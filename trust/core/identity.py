"""Identities: `did:key` of an Ed25519 public key, both ways (docs/protocol.md 1).

`did:key:z6Mk...` is multibase base58btc ("z") of the multicodec prefix 0xed 0x01 and the 32 bytes of the key
(W3C did:key method). Nothing else is a key here: another prefix or length, a point off the curve, outside the
prime-order group or not canonically encoded is `invalid-key`. One key has exactly one text: 34 bytes starting
with 0xed always take 47 base58 digits, so the fixed length rules out padded forms.
"""

from __future__ import annotations

import re
from functools import lru_cache

from trust.log import ed25519

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGIT_OF = {character: value for value, character in enumerate(_ALPHABET)}
PATTERN = "did:key:z[1-9A-HJ-NP-Za-km-z]{47}"
"""The text of every DID that names a key, for whoever describes one; whether it does, `key_of` finds out."""
_PREFIX = "did:key:z"
_DID = re.compile(PATTERN)
_MULTICODEC = b"\xed\x01"
_BYTES = len(_MULTICODEC) + ed25519.KEY_BYTES
_CACHED = 65_536


class InvalidKey(ValueError):
    """A text or bytes that name no usable Ed25519 key."""

    code = "invalid-key"


@lru_cache(maxsize=_CACHED)
def did_of(public_key: bytes) -> str:
    """The DID of a 32-byte public key."""
    if not ed25519.is_valid_key(public_key):
        raise InvalidKey("not a point of the prime-order group of Ed25519")
    return _PREFIX + _base58(_MULTICODEC + public_key)


@lru_cache(maxsize=_CACHED)
def key_of(did: str) -> bytes:
    """The 32-byte public key that a DID names."""
    if not _DID.fullmatch(did):
        raise InvalidKey("not did:key:z and 47 base58btc digits")
    number = 0
    for character in did.removeprefix(_PREFIX):
        number = number * 58 + _DIGIT_OF[character]
    if number >> (8 * ed25519.KEY_BYTES) != int.from_bytes(_MULTICODEC):
        raise InvalidKey("not the prefix of an Ed25519 public key")
    key = number.to_bytes(_BYTES)[len(_MULTICODEC) :]
    if not ed25519.is_valid_key(key):
        raise InvalidKey("not a point of the prime-order group of Ed25519")
    return key


def _base58(data: bytes) -> str:
    number = int.from_bytes(data)
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
