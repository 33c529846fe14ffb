"""Statements of many agents in one request: while a few requests are under way, what comes meanwhile goes together.

A lone statement goes at once. Each gets the answer that it would have got alone, and those that an agent said together
stay together and in order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from trust.client import Accepted, ServiceError
from trust.errors import ClientError, TrustError

MAX_TOGETHER = 128
UNDER_WAY = 2
MAX_WAITING = 4_096

Results = list[Accepted | ServiceError]
SendMany = Callable[[Sequence[bytes]], Awaitable[Results]]
_Waiting = tuple[Sequence[bytes], asyncio.Future[Results]]


class Batches:
    """Sends statements by `send_many`."""

    def __init__(self, send_many: SendMany) -> None:
        self._send_many = send_many
        self._waiting: deque[_Waiting] = deque()
        self._sending: set[asyncio.Task[None]] = set()

    async def send(self, envelope: bytes) -> Accepted:
        """The accepted statement. Raises the service's refusal."""
        [result] = await self.send_all([envelope])
        if isinstance(result, ServiceError):
            raise result
        return result

    async def send_all(self, envelopes: Sequence[bytes]) -> Results:
        """What became of each. `ClientError` overloaded where too many wait already; an error of all of them."""
        if len(self._waiting) >= MAX_WAITING:
            raise ClientError("overloaded", f"{len(self._waiting)} requests wait to be sent", status=503)
        answer: asyncio.Future[Results] = asyncio.get_running_loop().create_future()
        self._waiting.append((envelopes, answer))
        if len(self._sending) < UNDER_WAY:
            sending = asyncio.create_task(self._send())
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        return await answer

    async def _send(self) -> None:
        """Sends what waits until nothing does."""
        while self._waiting:
            together = [self._waiting.popleft()]
            while self._waiting and sum(len(each) for each, _ in together) < MAX_TOGETHER:
                together.append(self._waiting.popleft())
            try:
                results = await self._send_many([one for each, _ in together for one in each])
            except Exception as error:
                failure = error if isinstance(error, TrustError) else ClientError("internal", repr(error))
                for _, answer in together:
                    if not answer.done():
                        answer.set_exception(failure)
            else:
                _hand_out(together, results)


def _hand_out(together: Sequence[_Waiting], results: Results) -> None:
    """Gives each its part; whoever has gone meanwhile gets none."""
    at = 0
    for envelopes, answer in together:
        if not answer.done():
            answer.set_result(results[at : at + len(envelopes)])
        at += len(envelopes)
