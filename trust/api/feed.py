"""The stream of entries, to which any number may listen while the database is asked once.

The newest entries lie ready as the bytes that go out. Whoever is up to date sleeps until the log grows and takes from
there; only who is far behind reads the database, page by page, until it has caught up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from trust.clock import monotonic_ms
from trust.services.notifying import Notifier

PAGE = 100
KEPT = 2_048
KEPT_BYTES = 16 * 1024 * 1024
HEARTBEAT_S = 15.0
HEARTBEAT = b": nothing new\n\n"
LOOK_S = 1.0


class StreamEvent(NamedTuple):
    """An entry as an event of the stream, and what it is about: `about` has its kind, and all that it names."""

    event: bytes
    about: frozenset[str] = frozenset()

    @property
    def message(self) -> bytes:
        """The event without its name, as browsers' `onmessage` takes it."""
        id, _, data = self.event.split(b"\n", 2)
        return id + b"\n" + data


class Wanted(NamedTuple):
    """The entries that a stream is to tell: those that are about all that is named here."""

    kind: str = ""
    task_kind: str = ""
    agent: str = ""
    relay: str = ""
    claim: str = ""
    task: str = ""

    @property
    def about(self) -> frozenset[str]:
        kinds = {kind_tag(self.kind)} if self.kind else set()
        kinds |= {task_kind_tag(self.task_kind)} if self.task_kind else set()
        return frozenset(kinds | {each for each in self[2:] if each})


ALL = Wanted()
Read = Callable[[int, int], Awaitable[list[StreamEvent]]]
Skip = Callable[[int, Wanted], Awaitable[int]]


def kind_tag(kind: str) -> str:
    """Returns the tag of entries of a kind."""
    return f"kind/{kind}"


def task_kind_tag(task_kind: str) -> str:
    """Returns the tag of entries about tasks of a kind."""
    return f"task_kind/{task_kind}"


def event(index: int, kind: str, body: bytes) -> bytes:
    """An entry as one event of the stream."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (index, kind.encode(), body)


def _nothing(looked: int) -> bytes:
    """That nothing wanted came up to an entry: no event, but whoever comes back goes on behind it."""
    return b": nothing new\nid: %d\n\n" % looked


async def _no_skip(start: int, wanted: Wanted) -> int:  # noqa: ARG001
    return start


class Feed:
    """The source of all event streams of one process, on one event loop; `read` gives the events of the entries
    [start, end), as many as there are, and `skip` the first index from `start` on that may be wanted."""

    def __init__(
        self, notifier: Notifier, read: Read, heartbeat_s: float = HEARTBEAT_S, skip: Skip = _no_skip
    ) -> None:
        self._notifier = notifier
        self._read = read
        self._skip = skip
        self._heartbeat_s = heartbeat_s
        self._lock = asyncio.Lock()
        self._first = 0
        self._kept: list[StreamEvent] = []
        self.queries = 0
        """How often the database was asked."""

    async def follow(
        self, start: int, wanted: Wanted = ALL, *, as_messages: bool = False
    ) -> AsyncIterator[bytes]:
        """The entries from index `start` on as they come, as far as they are wanted, until the service stops; a
        comment where none comes."""
        about, told_ms = wanted.about, monotonic_ms()
        while not self._notifier.closed:
            if about and self._notifier.size - start > PAGE:
                start = await self._skip(start, wanted)
            if entries := await self._from(start):
                start += len(entries)
                chosen = [each for each in entries if about <= each.about]
                if chosen:
                    yield b"".join([each.message if as_messages else each.event for each in chosen])
                elif monotonic_ms() - told_ms < self._heartbeat_s * 1_000:
                    continue
                else:
                    yield _nothing(start - 1)
                told_ms = monotonic_ms()
            elif self._notifier.size > start:  # not there, though it was said to be
                await asyncio.sleep(LOOK_S)
            elif await self._notifier.more_than(start, self._heartbeat_s) <= start:
                yield _nothing(start - 1) if about and start else HEARTBEAT
                told_ms = monotonic_ms()

    async def _from(self, start: int) -> list[StreamEvent]:
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
        while len(self._kept) > KEPT or (
            len(self._kept) > 1 and sum(len(each.event) for each in self._kept) > KEPT_BYTES
        ):
            forgotten = max(1, len(self._kept) // 4)
            self._first += forgotten
            del self._kept[:forgotten]

    async def _query(self, start: int) -> list[StreamEvent]:
        self.queries += 1
        return await self._read(start, start + PAGE)
