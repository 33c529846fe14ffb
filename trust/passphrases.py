"""Key files that a passphrase encrypts: argon2id makes the key of a secretbox (libsodium; docs/operating.md 4.1).

The file is one line of JSON: `{"format":"trust/key/v1","kdf":"argon2id","ops","memory_bytes","salt","box"}`; `salt` and
`box` (nonce, then XSalsa20-Poly1305) are hex.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

FORMAT = "trust/key/v1"
OPS, MEMORY_BYTES = 3, 256 << 20
"""What a guess costs: about a second of one core, and this much memory (libsodium's "moderate")."""
MOST_OPS, MOST_MEMORY_BYTES = 16, 1 << 30


class NotOpened(ValueError):
    """An encrypted key that a passphrase does not open; the message says why."""


def is_encrypted(text: str) -> bool:
    """Returns whether the text of a key file is encrypted."""
    return text.startswith("{")


def encrypt(seed: bytes, passphrase: bytes, ops: int = OPS, memory_bytes: int = MEMORY_BYTES) -> bytes:
    """Returns the file of a seed."""
    from nacl.pwhash import argon2id
    from nacl.utils import random

    salt = random(argon2id.SALTBYTES)
    box = _box(passphrase, salt, ops, memory_bytes).encrypt(seed)
    members = {"format": FORMAT, "kdf": "argon2id", "ops": ops, "memory_bytes": memory_bytes}
    return json.dumps(members | {"salt": salt.hex(), "box": bytes(box).hex()}).encode() + b"\n"


@lru_cache(maxsize=64)
def decrypt(text: str, passphrase: bytes) -> bytes:
    """Returns the seed in a file's text. Raises `NotOpened`."""
    from nacl.exceptions import CryptoError

    try:
        members = json.loads(text)
        if members["format"] != FORMAT or members["kdf"] != "argon2id":
            raise NotOpened(f"this release reads {FORMAT} with argon2id")
        ops, memory_bytes = members["ops"], members["memory_bytes"]
        salt, box = bytes.fromhex(members["salt"]), bytes.fromhex(members["box"])
        if not (1 <= ops <= MOST_OPS and 8_192 <= memory_bytes <= MOST_MEMORY_BYTES):
            raise NotOpened("its costs are out of bounds")
        return bytes(_box(passphrase, salt, ops, memory_bytes).decrypt(box))
    except NotOpened:
        raise
    except CryptoError:
        raise NotOpened("it is another passphrase's, or damaged") from None
    except (ValueError, TypeError, LookupError, RecursionError):
        raise NotOpened("the file is damaged") from None


def _box(passphrase: bytes, salt: bytes, ops: int, memory_bytes: int) -> Any:
    from nacl.pwhash import argon2id
    from nacl.secret import SecretBox

    return SecretBox(argon2id.kdf(SecretBox.KEY_SIZE, passphrase, salt, ops, memory_bytes))
