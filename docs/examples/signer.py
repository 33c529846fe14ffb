"""A key in a process of its own: `python signer.py KEY SOCKET` signs for whoever may open the socket.

A message comes as 4 bytes of its length (big endian) and the message; the answer is the 64-byte signature. An empty
message asks for the 32-byte public key. What is no message of a trust network is not signed: the line is closed.
The other side is `--key unix:SOCKET` of the command line, and `trust.client.key_at(SOCKET)`, which goes wherever a seed
goes: `Worker(client, key_at(path))`.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path

from nacl.signing import SigningKey

KNOWN = re.compile(
    rb"DSSEv1 34 application/vnd\.ants\.trust\.v1\+json |trust/upload/v1\n|trust/relay-hello/v1\n"
    rb"|eyJhbGciOiJFZERTQSIsImtpZCI6ImRpZDprZXk6"  # the signature of an A2A agent card
    rb"|[^\n]+/rly_[a-z2-7]{26}/[^\n]+\n[0-9]+\n"  # a coordinator's feed
)
MAX_BYTES = 1 << 20


def serve(seed: bytes, path: Path) -> None:
    """Signs, one connection after the other, until the process ends."""
    key = SigningKey(seed)
    os.umask(0o177)  # the socket is its owner's alone
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        print(f"listening at {path}", flush=True)
        while True:
            line, _ = listening.accept()
            with line:
                line.settimeout(5)
                try:
                    line.sendall(answer(key, received(line)))
                except (OSError, ValueError) as error:
                    print(f"not signed: {error}", file=sys.stderr)


def answer(key: SigningKey, message: bytes) -> bytes:
    """The signature; ValueError for what is no message of a trust network."""
    if not message:
        return bytes(key.verify_key)
    if not KNOWN.match(message):
        raise ValueError("this is no message of a trust network")
    return key.sign(message).signature


def received(line: socket.socket) -> bytes:
    """One message."""
    size = int.from_bytes(_exactly(line, 4))
    if size > MAX_BYTES:
        raise ValueError(f"{size} bytes are too many")
    return _exactly(line, size)


def _exactly(line: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = line.recv(size - len(found))
        if not part:
            raise ValueError("the line was closed")
        found += part
    return found


if __name__ == "__main__":
    serve(bytes.fromhex(Path(sys.argv[1]).read_text(encoding="ascii")), Path(sys.argv[2]))
