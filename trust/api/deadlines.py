"""How long a caller may take to send a body and to read an answer, and how many bytes of both wait at once.

Both get a fixed time and then as much more as their bytes take at the slowest rate that is borne: whoever drips is cut
off, whoever has a slow line and much to send is not. Large answers go out in pieces, so that they are noticed too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from trust.errors import TrustError

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PATIENCE_S = 15.0
SLOWEST_BYTES_PER_S = 32 * 1024
PIECE_BYTES = 64 * 1024
MAX_WAITING_BYTES = 512 * 1024 * 1024


class TooSlow(Exception):
    """The caller does not read its answer."""


class Waiting:
    """The bytes of bodies and large answers that are in this process's memory; of one event loop."""

    def __init__(self, most: int = MAX_WAITING_BYTES) -> None:
        self._most = most
        self._bytes = 0

    def take(self, count: int) -> None:
        """Counts more bytes; TrustError `overloaded` where that is too many."""
        if self._bytes + count > self._most:
            raise TrustError("overloaded", "too many bytes are on their way in and out of this service")
        self._bytes += count

    def give_back(self, count: int) -> None:
        """Counts them no longer."""
        self._bytes -= count


class Transfer:
    """The bytes of one request, in and out, each under its deadline."""

    def __init__(
        self, receive: Receive, send: Send, waiting: Waiting, patience_s: float = PATIENCE_S
    ) -> None:
        self._receive = receive
        self._send = send
        self._waiting = waiting
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()
        self._begun_s: float | None = None
        self._received = self._held = 0
        self._complete = False

    async def receive(self) -> Message:
        """The next piece of the body; TrustError `too-slow` where it does not come. After it, the disconnection."""
        if self._complete:
            return await self._receive()
        if self._begun_s is None:
            self._begun_s = self._loop.time()
        until_s = self._begun_s + self._patience_s + self._received / SLOWEST_BYTES_PER_S
        try:
            async with asyncio.timeout_at(until_s):
                message = await self._receive()
        except TimeoutError:
            raise TrustError("too-slow", f"{self._received} bytes of the body came in time") from None
        size = len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        self._received += size
        self._hold(size)
        return message

    async def send(self, message: Message) -> None:
        """Sends on; TooSlow where the caller does not take it in time."""
        body = message.get("body", b"")
        if len(body) <= PIECE_BYTES:
            await self._sent(message)
            return
        self._hold(len(body))
        for at in range(0, len(body), PIECE_BYTES):
            piece, is_last = body[at : at + PIECE_BYTES], at + PIECE_BYTES >= len(body)
            await self._sent(
                {**message, "body": piece, "more_body": message.get("more_body", False) or not is_last}
            )

    def end(self) -> None:
        """Nothing of this request is in memory any more."""
        self._waiting.give_back(self._held)
        self._held = 0

    async def _sent(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await self._send(message)
        except TimeoutError:
            raise TooSlow from None

    def _hold(self, count: int) -> None:
        self._waiting.take(count)
        self._held += count
