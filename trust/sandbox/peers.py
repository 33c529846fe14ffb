"""Agents that talk to each other directly: one WebSocket between two, nobody in between.

What is said is encrypted with the two parties' own identities and signed by whoever says it:

1. Both send a hello in clear: their DID and 32 random bytes. The session is a digest of both hellos, so nothing that
   was said in one conversation can be played again in another.
2. Every frame is a NaCl box (X25519, XSalsa20-Poly1305) between the identities' keys, converted from Ed25519.
3. Inside is a signed message: Ed25519 over `trust/peer/v1` LF network LF session LF sender LF number LF body, so the
   other side holds what was agreed, and can show it. Numbers count up from 0 in each direction.

Keys are long-lived: who steals one can read the recorded conversations of its party. Good enough to agree on a scope.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

from nacl.exceptions import CryptoError
from nacl.public import Box
from nacl.signing import SigningKey, VerifyKey
from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from trust.client.statements import Speaker
from trust.core import identity, strict
from trust.errors import TrustError
from trust.log import ed25519

CONTEXT = "trust/peer/v1"
NONCE_BYTES = 32
MAX_FRAME_BYTES = 64 * 1024

Facts = dict[str, Any]


class PeerError(Exception):
    """The other side broke the protocol, or is not who it should be."""


class Wire(Protocol):
    """A carrier of frames: a WebSocket of either side."""

    async def send(self, message: str | bytes) -> None: ...
    async def recv(self) -> str | bytes: ...


@dataclass(frozen=True, slots=True)
class Message:
    """A message of one party to another in one session: the receiver can show it to anyone."""

    network: str
    session: str
    sender: str
    number: int
    body: str
    signature: str

    @property
    def facts(self) -> Facts:
        """The body, a JSON object."""
        value = json.loads(self.body)
        if not isinstance(value, dict):
            raise PeerError("a message that is no JSON object")
        return value

    @property
    def signed_bytes(self) -> bytes:
        """Returns the bytes that the signature covers."""
        head = (CONTEXT, self.network, self.session, self.sender, str(self.number))
        return "".join(f"{line}\n" for line in head).encode() + self.body.encode()

    def verify(self) -> None:
        """Returns when its sender signed it, else raises `PeerError`."""
        if not ed25519.verify(identity.key_of(self.sender), self.signed_bytes, strict.b64(self.signature)):
            raise PeerError(f"the signature of {self.sender} does not hold")


def session_of(network: str, caller: tuple[str, str], called: tuple[str, str]) -> str:
    """The session that two hellos, (DID, nonce in hex) each, make."""
    lines = (CONTEXT, network, *caller, *called)
    return sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


@dataclass(slots=True)
class Channel:
    """One side of an encrypted conversation; `other` is the DID at the far end."""

    me: Speaker
    other: str
    session: str
    wire: Wire
    sent: int = 0
    received: int = 0
    box: Box = field(init=False, repr=False)

    def __post_init__(self) -> None:
        assert isinstance(self.me.seed, bytes), "a key that is elsewhere only signs"
        mine = SigningKey(self.me.seed).to_curve25519_private_key()
        theirs = VerifyKey(identity.key_of(self.other)).to_curve25519_public_key()
        self.box = Box(mine, theirs)

    async def say(self, facts: Facts) -> Message:
        """Sends a message, and returns it as the other side gets it."""
        body = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        unsigned = Message(self.me.network, self.session, self.me.actor, self.sent, body, "")
        signature = strict.base64_of(ed25519.sign(self.me.seed, unsigned.signed_bytes))
        self.sent += 1
        await self.wire.send(
            bytes(self.box.encrypt(json.dumps({"body": body, "signature": signature}).encode()))
        )
        return Message(self.me.network, self.session, self.me.actor, unsigned.number, body, signature)

    async def hear(self) -> Message:
        """The next message, decrypted and its signature verified."""
        frame = await self.wire.recv()
        if isinstance(frame, str):
            raise PeerError("a frame in clear")
        try:
            plain = json.loads(self.box.decrypt(frame))
            body, signature = str(plain["body"]), str(plain["signature"])
        except (CryptoError, ValueError, KeyError, TypeError) as error:
            raise PeerError(f"a frame that {self.other} did not encrypt for this party") from error
        message = Message(self.me.network, self.session, self.other, self.received, body, signature)
        message.verify()
        self.received += 1
        return message


async def _greet(wire: Wire, me: Speaker, nonce: str) -> None:
    await wire.send(json.dumps({"did": me.actor, "network": me.network, "nonce": nonce}))


async def _greeted(wire: Wire, me: Speaker) -> tuple[str, str]:
    try:
        hello = json.loads(await wire.recv())
        did, nonce = str(hello["did"]), str(hello["nonce"])
        identity.key_of(did)
        fresh = len(bytes.fromhex(nonce)) == NONCE_BYTES
        if hello["network"] != me.network or not fresh or did == me.actor:
            raise PeerError("a hello for another network, to oneself, or without its nonce")
    except (ValueError, KeyError, TypeError) as error:
        raise PeerError("not a hello") from error
    return did, nonce


async def call(wire: Wire, me: Speaker, expected: str) -> Channel:
    """Opens a conversation with one party; `PeerError` where somebody else answers."""
    nonce = secrets.token_hex(NONCE_BYTES)
    await _greet(wire, me, nonce)
    other = await _greeted(wire, me)
    if other[0] != expected:
        raise PeerError(f"called {expected}, {other[0]} answered")
    return Channel(me, expected, session_of(me.network, (me.actor, nonce), other), wire)


async def answer(wire: Wire, me: Speaker) -> Channel:
    """The other end of `call`. Who called is proven by its first message, not by its hello."""
    other = await _greeted(wire, me)
    nonce = secrets.token_hex(NONCE_BYTES)
    await _greet(wire, me, nonce)
    return Channel(me, other[0], session_of(me.network, other, (me.actor, nonce)), wire)


@asynccontextmanager
async def calling(url: str, me: Speaker, expected: str) -> AsyncIterator[Channel]:
    """A conversation with the party that listens at `url`."""
    async with connect(url, max_size=MAX_FRAME_BYTES) as wire:
        yield await call(wire, me, expected)


async def listen(me: Speaker, talk: Callable[[Channel], Awaitable[None]], host: str, port: int) -> Server:
    """Answers whoever calls at this address with `talk`; a caller that breaks the protocol is hung up on."""

    async def converse(wire: ServerConnection) -> None:
        try:
            await talk(await answer(wire, me))
        except PeerError as error:
            await wire.close(1008, str(error)[:100])
        except (
            ConnectionClosed,
            TrustError,
        ):  # it hung up, or the service is away: whoever called calls again
            await wire.close(1011)

    return await serve(converse, host, port, max_size=MAX_FRAME_BYTES)
