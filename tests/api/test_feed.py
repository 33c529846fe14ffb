"""Any number of streams, and the database is asked once for each page of entries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from trust.api import feed as feeds
from trust.api.feed import HEARTBEAT, PAGE, Feed, StreamEvent, Wanted, event
from trust.services.notifying import Notifier


class Log:
    """Entries that are their own indexes."""

    def __init__(self, size: int = 0, heartbeat_s: float = 5) -> None:
        self.notifier = Notifier()
        self.notifier.committed(size)
        self.feed = Feed(self.notifier, self.read, heartbeat_s)

    async def read(self, start: int, end: int) -> list[StreamEvent]:
        await asyncio.sleep(0)
        return [StreamEvent(b"%d\n" % index) for index in range(start, min(end, self.notifier.size))]


async def _indexes(stream: AsyncIterator[bytes], count: int) -> list[int]:
    found: list[int] = []
    async for data in stream:
        found += map(int, data.split())
        if len(found) >= count:
            break
    return found


def test_many_streams_ask_the_database_once_for_what_is_new() -> None:
    async def crowd() -> None:
        log = Log(500)
        streams = [asyncio.create_task(_indexes(log.feed.follow(500), 40)) for _ in range(300)]
        for size in range(501, 541):
            log.notifier.committed(size)
            await asyncio.sleep(0.001)
        assert await asyncio.gather(*streams) == [list(range(500, 540))] * 300
        assert 1 <= log.feed.queries <= 40

    asyncio.run(asyncio.wait_for(crowd(), 20))


@pytest.mark.parametrize("kept", [1, 7, PAGE, 100_000])
def test_wherever_a_stream_begins_it_misses_nothing(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "KEPT", kept)

    async def crowd() -> None:
        log = Log(5 * PAGE)
        starts = [0, 1, PAGE - 1, PAGE, 3 * PAGE + 5, 5 * PAGE - 1, 5 * PAGE]
        end = 6 * PAGE + 3
        streams = [asyncio.create_task(_indexes(log.feed.follow(start), end - start)) for start in starts]
        for size in range(5 * PAGE, end + 1, 7):
            log.notifier.committed(size)
            await asyncio.sleep(0.001)
        log.notifier.committed(end)
        assert await asyncio.gather(*streams) == [list(range(start, end)) for start in starts]

    asyncio.run(asyncio.wait_for(crowd(), 20))


def test_a_quiet_stream_has_a_heartbeat_without_a_query_and_ends_with_the_service() -> None:
    async def quiet() -> None:
        log = Log(3, heartbeat_s=0.01)
        stream = log.feed.follow(3)
        assert [await anext(stream) for _ in range(3)] == [HEARTBEAT] * 3
        assert log.feed.queries == 0
        log.notifier.close()
        assert [data async for data in stream] in ([], [HEARTBEAT])

    asyncio.run(asyncio.wait_for(quiet(), 5))


def _about(index: int) -> StreamEvent:
    return StreamEvent(event(index, "vote", b"%d" % index), frozenset({"kind/vote", f"task-{index % 7}"}))


def test_a_stream_of_some_entries_skips_to_them_and_whoever_comes_back_goes_on_behind_what_was_looked_at() -> (
    None
):
    async def some() -> None:
        log, skipped = Log(10 * PAGE), []

        async def read(start: int, end: int) -> list[StreamEvent]:
            return [_about(index) for index in range(start, min(end, log.notifier.size))]

        async def skip(start: int, wanted: Wanted) -> int:
            skipped.append(start)
            return max(start, 9 * PAGE)

        feed = Feed(log.notifier, read, 0.01, skip)
        stream = feed.follow(0, Wanted(kind="vote", task="task-3"))
        found = (await anext(stream)).split(b"\n\n")
        first = next(index for index in range(9 * PAGE, 10 * PAGE) if index % 7 == 3)
        assert found[0] == event(first, "vote", b"%d" % first).strip()
        assert skipped == [0]
        assert len(found) - 1 == len([index for index in range(9 * PAGE, 10 * PAGE) if index % 7 == 3])
        assert await anext(stream) == b": nothing new\nid: %d\n\n" % (10 * PAGE - 1)

    asyncio.run(asyncio.wait_for(some(), 5))


def test_every_event_can_be_had_as_a_plain_message() -> None:
    async def plain() -> None:
        log = Log(1)

        async def read(start: int, end: int) -> list[StreamEvent]:
            return [_about(index) for index in range(start, 1)]

        stream = Feed(log.notifier, read).follow(0, as_messages=True)
        assert await anext(stream) == b"id: 0\ndata: 0\n\n"

    asyncio.run(asyncio.wait_for(plain(), 5))
