"""Keys that stay elsewhere: in an HSM, a key service, an agent's keyring, a process behind a socket."""

from __future__ import annotations

from collections.abc import Callable

from trust.errors import ClientError
from trust.log import ed25519
from trust.log.ed25519 import RemoteKey


def remote_key(public_key: bytes, sign: Callable[[bytes], bytes]) -> RemoteKey:
    """A key to give wherever a seed is taken. `sign` gets the message and returns its Ed25519 signature (64 bytes).

    It is called wherever something is signed, and blocks meanwhile, an event loop too. Where it fails, or returns what
    is no signature of this key, `ClientError` signer-failed is raised, and nothing was sent.
    """
    if not ed25519.is_valid_key(public_key):
        raise ClientError("invalid-key", "this is no Ed25519 public key of 32 bytes")

    def signed(message: bytes) -> bytes:
        try:
            signature = sign(message)
        except Exception as error:
            raise _failed(f"{type(error).__name__}: {error}") from error
        if not ed25519.verify(public_key, message, signature):
            raise _failed("what it returned is no signature of this key")
        return signature

    return RemoteKey(public_key, signed)


def _failed(why: str) -> ClientError:
    return ClientError(
        "signer-failed", why, hint="nothing was sent; see to whatever holds the key, then try again"
    )
