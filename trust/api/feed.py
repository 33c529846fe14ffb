"""The stream of entries, to which any number may listen while the database is asked once.

The newest entries lie ready as the bytes that go out. Whoever is up to date sleeps until the log grows and takes from
there; only who is far behind reads the database, page by page, until it has caught up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from trust.services.notifying import Notifier

PAGE = 100
KEPT = 2_048
KEPT_BYTES = 16 * 1024 * 1024
HEARTBEAT_S = 15.0
HEARTBEAT = b": nothing new\n\n"
LOOK_S = 1.0

Read = Callable[[int, int], Awaitable[list[bytes]]]


def event(index: int, kind: str, body: bytes) -> bytes:
    """An entry as one event of the stream."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (index, kind.encode(), body)


class Feed:
    """The source of all event streams of one process, on one event loop; `read` gives the events of the entries
    [start, end), as many as there are."""

    def __init__(self, notifier: Notifier, read: Read, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._notifier = notifier
        self._read = read
        self._heartbeat_s = heartbeat_s
        self._lock = asyncio.Lock()
        self._first = 0
        self._kept: list[bytes] = []
        self.queries = 0
        """How often the database was asked."""

    async def follow(self, start: int) -> AsyncIterator[bytes]:
        """The entries from index `start` on as they come, until the service stops; a comment where none comes."""
        while not self._notifier.closed:
            if entries := await self._from(start):
                start += len(entries)
                yield b"".join(entries)
            elif self._notifier.size > start:  # not there, though it was said to be
                await asyncio.sleep(LOOK_S)
            elif await self._notifier.more_than(start, self._heartbeat_s) <= start:
                yield HEARTBEAT

    async def _from(self, start: int) -> list[bytes]:
        if start >= self._notifier.size:
            return []
        if start < self._first or self._notifier.size - start > KEPT:
            return await self._query(start)
        if start >= self._first + len(self._kept):
            async with self._lock:
                await self._keep_up(start)
        return self._kept[start - self._first :][:PAGE] if start >= self._first else []

    async def _keep_up(self, start: int) -> None:
        """Keeps what begins at `start`, where no other stream has done that meanwhile."""
        end = self._first + len(self._kept)
        if start < end:
            return
        entries = await self._query(start)
        if start > end or not self._kept:
            self._first, self._kept = start, []
        self._kept += entries
        while len(self._kept) > KEPT or (len(self._kept) > 1 and sum(map(len, self._kept)) > KEPT_BYTES):
            forgotten = max(1, len(self._kept) // 4)
            self._first += forgotten
            del self._kept[:forgotten]

    async def _query(self, start: int) -> list[bytes]:
        self.queries += 1
        return await self._read(start, start + PAGE)
