"""Wakes those who wait for the log to grow (docs/architecture.md 4, step 15).

A wake-up is only a hint: whoever is woken reads the entries after its own index. What other replicas write is noticed
by a job that looks at the head, for all who wait here.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

Loop = asyncio.AbstractEventLoop


class Notifier:
    """The size of the log as this process knows it; threads and event loops may wait for more."""

    def __init__(self) -> None:
        self.size = 0
        self.closed = False
        self._changed = threading.Condition()
        self._waiting: dict[Loop, set[asyncio.Future[None]]] = {}

    def committed(self, size: int) -> None:
        """Says that the log has `size` entries; from any thread, older news are ignored."""
        with self._changed:
            if size <= self.size:
                return
            self.size = size
            woken, self._waiting = self._waiting, {}
            self._changed.notify_all()
        _release(woken)

    def nudge(self) -> None:
        """Wakes the threads that wait although the log has not grown: there is something else to look at."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Wakes everybody for the last time: the process is about to end."""
        with self._changed:
            self.closed = True
            woken, self._waiting = self._waiting, {}
            self._changed.notify_all()
        _release(woken)

    def wait(self, size: int, timeout_s: float) -> int:
        """Blocks until the log has more than `size` entries, a nudge, or the timeout; returns the size."""
        with self._changed:
            if self.size <= size and not self.closed:
                self._changed.wait(timeout_s)
            return self.size

    async def more_than(self, size: int, timeout_s: float) -> int:
        """Waits on the event loop until the log has more than `size` entries, or the timeout; returns the size."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while (left_s := end - loop.time()) > 0:
            future: asyncio.Future[None] = loop.create_future()
            with self._changed:
                if self.size > size or self.closed:
                    break
                self._waiting.setdefault(loop, set()).add(future)
            try:
                await asyncio.wait_for(future, left_s)
            except TimeoutError:
                break
            finally:
                self._forget(loop, future)
        return self.size

    def _forget(self, loop: Loop, future: asyncio.Future[None]) -> None:
        with self._changed:
            self._waiting.get(loop, set()).discard(future)


def _release(woken: dict[Loop, set[asyncio.Future[None]]]) -> None:
    for loop, futures in woken.items():
        with suppress(RuntimeError):  # a loop that was closed waits for nothing
            loop.call_soon_threadsafe(_resolve, futures)


def _resolve(futures: set[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
