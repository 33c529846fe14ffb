"""Hands results of other threads to the event loop: all that arrived since it last looked, with one wake-up.

`asyncio.wrap_future` wakes the loop for each result by itself. A batch answers hundreds of requests at one moment,
and each wake-up is a system call that gives the interpreter's lock away.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class LoopBridge:
    """The way from any thread to one event loop, the one that awaits the results."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrived: list[asyncio.Future[None]] = []

    async def result(self, future: Future[T]) -> T:
        """Returns the result of a thread's future, or raises its error."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        future.add_done_callback(lambda _: self._arrive(loop, waiter))
        await waiter
        return future.result()

    def _arrive(self, loop: asyncio.AbstractEventLoop, waiter: asyncio.Future[None]) -> None:
        with self._lock:
            self._arrived.append(waiter)
            is_first = len(self._arrived) == 1
        if is_first:
            with suppress(RuntimeError):  # a loop that was closed waits for nothing
                loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            arrived, self._arrived = self._arrived, []
        for waiter in arrived:
            if not waiter.done():
                waiter.set_result(None)
