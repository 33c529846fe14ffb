"""ML-DSA-44 (FIPS 204) by the `cryptography` library: the one place that verifies it, so that every machine agrees.

The library is large and comes with an extra (`mldsa`), so it is loaded when the first such signature is verified.
"""

from __future__ import annotations

KEY_BYTES = 1_312
SIGNATURE_BYTES = 2_420


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Returns whether `signature` is `public_key`'s over `message`, with an empty context.

    ModuleNotFoundError without the library.
    """
    if len(public_key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    try:
        MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True
