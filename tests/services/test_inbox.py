"""The inbox is bounded, keeps the order, and gives out whole submissions."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from trust.core.entry import Seal
from trust.errors import TrustError
from trust.services.inbox import FRAME_BYTES, Inbox, Submission

SEAL = Seal(of="verifiers/x", epoch=1, as_of=1, root="", count=0, total=0, heavy=(), members=0, owners=0)


def of(count: int) -> Submission:
    return Submission([SEAL] * count)


def taken(
    inbox: Inbox, statements: int = 100, size_bytes: int = 10**9, timeout_s: float = 0.0
) -> list[Submission]:
    found = inbox.take(statements, size_bytes, timeout_s)
    assert found is not None
    return found


def test_what_waits_is_taken_in_order_and_whole_up_to_the_limit() -> None:
    inbox = Inbox(100, 10**9)
    submissions = [of(count) for count in (3, 4, 5, 1)]
    for submission in submissions:
        inbox.put(submission)
    assert len(inbox) == 13
    assert taken(inbox, 8) == submissions[:2]
    assert taken(inbox, 8) == submissions[2:]
    assert len(inbox) == 0


def test_a_batch_is_bounded_in_bytes_too() -> None:
    inbox = Inbox(100, 10**9)
    for _ in range(5):
        inbox.put(of(1))
    assert len(taken(inbox, size_bytes=2 * FRAME_BYTES)) == 2


def test_a_submission_over_the_limit_of_a_batch_is_taken_alone() -> None:
    inbox = Inbox(100, 10**9)
    inbox.put(of(50))
    inbox.put(of(1))
    assert [len(each.commands) for each in taken(inbox, 10)] == [50]


@pytest.mark.parametrize(("max_statements", "max_bytes"), [(5, 10**9), (10**6, 5 * FRAME_BYTES)])
def test_a_full_inbox_refuses_at_once_and_takes_again_when_there_is_room(
    max_statements: int, max_bytes: int
) -> None:
    inbox = Inbox(max_statements, max_bytes)
    inbox.put(of(5))
    with pytest.raises(TrustError, match="overloaded") as refused:
        inbox.put(of(1))
    assert refused.value.retry_after_s is not None
    taken(inbox)
    inbox.put(of(1))


def test_a_wait_ends_when_something_comes_when_it_is_woken_and_when_it_is_over() -> None:
    inbox = Inbox(5, 10**9)
    results: list[list[Submission] | None] = []
    acts: list[Callable[[], None]] = [lambda: inbox.put(of(1)), inbox.wake, inbox.close]
    for act in acts:
        thread = threading.Thread(target=lambda: results.append(inbox.take(10, 10**9, 60)))
        thread.start()
        act()
        thread.join(10)
        assert not thread.is_alive()
    assert [result if result is None else len(result) for result in results] == [1, 0, None]


def test_a_closed_inbox_gives_out_what_waits_and_takes_nothing() -> None:
    inbox = Inbox(5, 10**9)
    inbox.put(of(1))
    inbox.close()
    with pytest.raises(TrustError, match="shutting-down"):
        inbox.put(of(1))
    assert len(taken(inbox)) == 1
    assert inbox.take(1, 1, 0) is None
