"""Batching of requests: while a few are under way, those that arrive meanwhile are sent together.

A lone one goes at once. Each gets the answer that it would have got alone, and what was asked for together stays
together and in order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from trust.errors import ClientError, TrustError
from trust.relay.figures import Peak

MAX_TOGETHER = 128
UNDER_WAY = 2
MAX_WAITING = 4_096

A = TypeVar("A")
T = TypeVar("T")


class Batches(Generic[A, T]):
    """Sends by `send_many`, which answers with a result or an error for each."""

    def __init__(self, send_many: Callable[[Sequence[A]], Awaitable[Sequence[T | TrustError]]]) -> None:
        self._send_many = send_many
        self._waiting: deque[tuple[Sequence[A], asyncio.Future[list[T | TrustError]]]] = deque()
        self._sending: set[asyncio.Task[None]] = set()
        self.peak = Peak(MAX_WAITING)

    @property
    def queue(self) -> dict[str, Any]:
        """The number of requests that wait, and the most that waited lately."""
        return self.peak.shown(len(self._waiting))

    async def send(self, one: A) -> T:
        """Returns the result of one request, or raises its error."""
        [result] = await self.send_all([one])
        if isinstance(result, TrustError):
            raise result
        return result

    async def send_all(self, together: Sequence[A]) -> list[T | TrustError]:
        """Returns the result or the error of each request. `ClientError` overloaded where too many wait already;
        raises an error that concerns all of them."""
        if len(self._waiting) >= MAX_WAITING:
            raise ClientError("overloaded", f"{len(self._waiting)} requests wait to be sent", status=503)
        answer: asyncio.Future[list[T | TrustError]] = asyncio.get_running_loop().create_future()
        self._waiting.append((together, answer))
        self.peak.note(len(self._waiting))
        if len(self._sending) < UNDER_WAY:
            sending = asyncio.create_task(self._send())
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        return await answer

    async def _send(self) -> None:
        """Sends batches until nothing waits."""
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


def _hand_out(
    together: Sequence[tuple[Sequence[A], asyncio.Future[list[T | TrustError]]]],
    results: Sequence[T | TrustError],
) -> None:
    """Resolves each future with its result; those of callers that have gone are skipped."""
    at = 0
    for each, answer in together:
        if not answer.done():
            answer.set_result(list(results[at : at + len(each)]))
        at += len(each)
