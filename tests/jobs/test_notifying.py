"""Who waits for the log is woken when it grows, and not kept for ever when it does not."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future

from trust.services.loop_bridge import LoopBridge
from trust.services.notifying import Notifier


def test_a_thread_is_woken_by_a_commit_and_by_a_nudge() -> None:
    notifier = Notifier()
    threading.Timer(0.02, notifier.committed, [3]).start()
    assert notifier.wait(2, 5) == 3
    threading.Timer(0.02, notifier.nudge).start()
    begun = time.monotonic()
    assert notifier.wait(3, 5) == 3
    assert time.monotonic() - begun < 1


def test_old_news_are_no_news() -> None:
    notifier = Notifier()
    notifier.committed(5)
    notifier.committed(4)
    assert notifier.size == 5
    assert notifier.wait(4, 0) == 5


def test_many_on_the_event_loop_are_woken_when_their_size_is_reached() -> None:
    notifier = Notifier()

    async def wait_all() -> list[int]:
        waiting = [asyncio.create_task(notifier.more_than(size, 5)) for size in range(10)]
        await asyncio.sleep(0.01)
        for size in range(1, 11):
            await asyncio.to_thread(notifier.committed, size)
        return await asyncio.gather(*waiting)

    reached = asyncio.run(wait_all())
    assert all(size > asked for asked, size in enumerate(reached))


def test_waiting_ends_at_the_timeout_and_leaves_nothing_behind() -> None:
    notifier = Notifier()
    assert asyncio.run(notifier.more_than(0, 0.02)) == 0
    assert not any(notifier._waiting.values())


def test_closing_wakes_everybody_for_good() -> None:
    notifier = Notifier()

    async def wait() -> int:
        waiting = asyncio.create_task(notifier.more_than(9, 30))
        await asyncio.sleep(0.01)
        notifier.close()
        return await waiting

    assert asyncio.run(wait()) == 0
    assert notifier.wait(9, 30) == 0


def test_results_of_threads_cross_to_the_event_loop_with_their_errors() -> None:
    crossing = LoopBridge()

    async def cross() -> list[object]:
        futures: list[Future[int]] = [Future() for _ in range(100)]

        def finish() -> None:
            for number, future in enumerate(futures):
                if number % 10:
                    future.set_result(number)
                else:
                    future.set_exception(ValueError(number))

        threading.Timer(0.02, finish).start()
        return await asyncio.gather(*map(crossing.result, futures), return_exceptions=True)

    crossed = asyncio.run(cross())
    assert [each for each in crossed if isinstance(each, int)] == [n for n in range(100) if n % 10]
    assert sum(isinstance(each, ValueError) for each in crossed) == 10


def test_who_gave_up_waiting_disturbs_nobody() -> None:
    crossing = LoopBridge()

    async def cross() -> int:
        lost: Future[int] = Future()
        kept: Future[int] = Future()
        giving_up = asyncio.create_task(crossing.result(lost))
        await asyncio.sleep(0)
        giving_up.cancel()
        threading.Timer(0.02, lost.set_result, [1]).start()
        threading.Timer(0.04, kept.set_result, [2]).start()
        return await crossing.result(kept)

    assert asyncio.run(cross()) == 2
