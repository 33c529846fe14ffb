"""One agent at a relay: what waits to be sent to it is bounded, and so is how much it may ask.

Whoever reads too slowly, asks too much or sends what is no message is dropped with a reason; everybody else is served
on. What it misses meanwhile stands on the log (`GET /events`, `GET /agents/<did>/open`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from trust import clock
from trust.relay.figures import Peak
from trust.relay.messages import encode

MAX_WAITING = 256
MAX_WAITING_BYTES = 1024 * 1024
MAX_AT_ONCE = 64
"""Questions of one agent that may be under way at the same time; then its next one waits unread."""
MAX_OF_COORDINATOR = 1_024
"""The same of another coordinator, which speaks for many agents; it has no limit a second."""
MESSAGES_PER_S = 200
MAX_MALFORMED = 8
POLICY_VIOLATION = 1008
TRY_AGAIN = 1013


class Session:
    """A connection whose agent has proved its identity."""

    def __init__(
        self,
        did: str,
        connection: ServerConnection,
        contact: str = "",
        *,
        is_coordinator: bool = False,
        peak: Peak | None = None,
    ) -> None:
        self._peak = peak or Peak(MAX_WAITING)
        self.did = did
        self.contact = contact
        self.is_coordinator = is_coordinator
        self.kinds: frozenset[str] = frozenset()
        self.gate = asyncio.Semaphore(MAX_OF_COORDINATOR if is_coordinator else MAX_AT_ONCE)
        self.dropped = ""
        self.sent = self.sent_bytes = self.received = self.received_bytes = 0
        self._closing: asyncio.Task[None] | None = None
        self._connection = connection
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._more = asyncio.Event()
        self._malformed = 0
        self._allowance, self._since_ms = float(MESSAGES_PER_S), clock.monotonic_ms()

    @property
    def waiting(self) -> int:
        """The number of messages that are not sent yet."""
        return len(self._waiting)

    def tell(self, message: Mapping[str, Any] | bytes) -> None:
        """Queues a message; drops the agent where it has left too many unread."""
        if self.dropped:
            return
        data = message if isinstance(message, bytes) else encode(message)
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        self._peak.note(len(self._waiting))
        if len(self._waiting) > MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES:
            self.drop("too-slow", f"{len(self._waiting)} messages wait for it")
        self._more.set()

    async def send(self) -> None:
        """Sends the queued messages until the connection ends."""
        with suppress(ConnectionClosed):
            while not self.dropped:
                await self._more.wait()
                self._more.clear()
                while self._waiting and not self.dropped:
                    data = self._waiting.popleft()
                    self._waiting_bytes -= len(data)
                    await self._connection.send(data, text=True)
                    self.sent += 1
                    self.sent_bytes += len(data)

    def admits(self, frame: str | bytes) -> bool:
        """Counts a message; returns False, and drops the agent, where it sends more than it may."""
        self.received += 1
        self.received_bytes += len(frame)
        now_ms = clock.monotonic_ms()
        passed = now_ms - self._since_ms
        self._allowance = min(float(MESSAGES_PER_S), self._allowance + passed * MESSAGES_PER_S / 1_000)
        self._since_ms = now_ms
        self._allowance -= 1
        if self._allowance < 0 and not self.is_coordinator:
            self.drop("flooding", f"more than {MESSAGES_PER_S} messages a second")
        return not self.dropped

    def is_malformed(self) -> None:
        """Counts a malformed frame; drops the agent where there are many."""
        self._malformed += 1
        if self._malformed > MAX_MALFORMED:
            self.drop("malformed", f"more than {MAX_MALFORMED} frames that are no message")

    def drop(self, code: str, detail: str) -> None:
        """Closes the connection with a reason; queued messages are not sent any more."""
        if self.dropped:
            return
        self.dropped = code
        self._waiting.clear()
        self._more.set()
        self._closing = asyncio.create_task(self._hang_up(code, detail))

    async def gone(self) -> None:
        """Waits until a dropped agent has been sent the reason."""
        if self._closing is not None:
            await self._closing

    async def _hang_up(self, code: str, detail: str) -> None:
        number = TRY_AGAIN if code in ("too-slow", "replaced", "shutting-down") else POLICY_VIOLATION
        try:
            async with asyncio.timeout(2):
                await self._connection.close(number, f"{code}: {detail}"[:120])
        except (TimeoutError, ConnectionClosed):
            self._connection.transport.abort()
