"""Ed25519 on libsodium (RFC 8032): the one place that signs and verifies, so that every path agrees on edge cases.

libsodium refuses non-canonical S and R, and small-order R and keys; the check of the key itself (canonical, on the
curve, in the prime-order group) is made once per key by `is_valid_key`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from nacl import bindings
from nacl.exceptions import BadSignatureError

KEY_BYTES = 32
SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class RemoteKey:
    """A private key that is somewhere else: `sign` has a message signed there and returns the 64-byte signature."""

    public: bytes
    sign: Callable[[bytes], bytes] = field(repr=False)


PrivateKey = bytes | RemoteKey
"""A 32-byte seed, or a key that is somewhere else."""


@lru_cache(maxsize=65_536)
def is_valid_key(public_key: bytes) -> bool:
    """Returns whether 32 bytes are a canonical point of the prime-order subgroup."""
    return len(public_key) == KEY_BYTES and bool(bindings.crypto_core_ed25519_is_valid_point(public_key))


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Returns whether `signature` (64 bytes) is `public_key`'s (32 bytes) over `message`. Never raises on bad input."""
    if len(signature) != SIGNATURE_BYTES or not is_valid_key(public_key):
        return False
    try:
        bindings.crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


@lru_cache(maxsize=1_024)
def _expanded(seed: bytes) -> tuple[bytes, bytes]:
    return bindings.crypto_sign_seed_keypair(seed)


def public_key(key: PrivateKey) -> bytes:
    """The 32-byte public key of a private one."""
    return key.public if isinstance(key, RemoteKey) else _expanded(key)[0]


def sign(seed: PrivateKey, message: bytes) -> bytes:
    """The 64-byte signature of `message` under a 32-byte seed, or as a key that is somewhere else gives it."""
    if isinstance(seed, RemoteKey):
        return seed.sign(message)
    return bindings.crypto_sign(message, _expanded(seed)[1])[:SIGNATURE_BYTES]
