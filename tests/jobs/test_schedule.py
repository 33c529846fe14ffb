"""Jobs run at every commit and on their intervals, never twice at a time, and a failure ends nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from trust.errors import TrustError
from trust.jobs.schedule import Job, Schedule
from trust.services.notifying import Notifier

NEVER_MS = 3_600_000


@contextmanager
def _running(jobs: Sequence[Job], notifier: Notifier) -> Iterator[None]:
    schedule = Schedule(jobs, notifier)
    schedule.start()
    try:
        yield
    finally:
        schedule.stop()


def _until(true: Callable[[], bool], timeout_s: float = 3) -> float:
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < timeout_s
        time.sleep(0.002)
    return time.monotonic() - begun


def test_a_commit_runs_the_prompt_jobs_at_once() -> None:
    calls: list[str] = []
    notifier = Notifier()
    jobs = [
        Job("prompt", NEVER_MS, lambda: calls.append("prompt"), prompt=True),
        Job("calm", NEVER_MS, lambda: calls.append("calm")),
    ]
    with _running(jobs, notifier):
        _until(lambda: len(calls) == 1)
        notifier.committed(7)
        assert _until(lambda: len(calls) == 2) < 0.1
    assert calls == ["prompt", "prompt"]


def test_a_job_runs_on_its_interval_without_any_commit() -> None:
    calls: list[int] = []
    with _running([Job("often", 50, lambda: calls.append(1))], Notifier()):
        _until(lambda: len(calls) >= 3)


def test_a_job_that_fails_is_called_again() -> None:
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        raise (TrustError("overloaded") if len(calls) % 2 else ZeroDivisionError())

    with _running([Job("broken", 30, call)], Notifier()):
        _until(lambda: len(calls) >= 4)


def test_a_job_never_runs_twice_at_a_time() -> None:
    inside, most = [0], [0]
    lock = threading.Lock()

    def call() -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.02)
        with lock:
            inside[0] -= 1

    notifier = Notifier()
    with _running([Job("slow", 10, call, prompt=True)], notifier):
        for size in range(1, 20):
            notifier.committed(size)
            time.sleep(0.005)
    assert most[0] == 1
