"""Keys that stay elsewhere: in an HSM, a key service, an agent's keyring, a process behind a socket."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from trust.errors import ClientError
from trust.log import ed25519
from trust.log.ed25519 import RemoteKey

PATIENCE_S = 30.0


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


def key_at(path: Path) -> RemoteKey:
    """The key of a signer that listens at a Unix socket, as docs/examples/signer.py does: `--key unix:PATH`.

    A question is 4 bytes of its length (big endian) and the message; the answer is the signature, to an empty message
    the 32-byte public key. `ClientError` signer-failed where nobody answers.
    """
    try:
        public = _asked(path, b"", ed25519.KEY_BYTES)
    except OSError as error:
        raise _failed(f"{path}: {error}") from error
    return remote_key(public, lambda message: _asked(path, message, ed25519.SIGNATURE_BYTES))


def _asked(path: Path, message: bytes, size: int) -> bytes:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(PATIENCE_S)
        line.connect(str(path))
        line.sendall(len(message).to_bytes(4) + message)
        with line.makefile("rb") as answers:
            answer = answers.read(size)
    if len(answer) != size:
        raise OSError("the signer closed the line without an answer")
    return answer


def _failed(why: str) -> ClientError:
    return ClientError(
        "signer-failed", why, hint="nothing was sent; see to whatever holds the key, then try again"
    )
