"""A coordinator's figures of itself: the latest fill of its queues, and the messages and bytes of a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trust import clock

SPAN_MS = 60_000

Facts = dict[str, Any]


class Peak:
    """How full a queue with a bound was at most, in the minute that runs and the one before it."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._now = self._before = 0
        self._began_ms = clock.monotonic_ms()

    def note(self, waiting: int) -> None:
        """Notes the number that waits at this moment."""
        self._turn()
        self._now = max(self._now, waiting)

    @property
    def most(self) -> int:
        """Returns the most that waited lately."""
        self._turn()
        return max(self._now, self._before)

    def shown(self, waiting: int) -> Facts:
        """Returns the queue as `GET /stats` shows it."""
        return {"waiting": waiting, "most": self.most, "bound": self.bound}

    def _turn(self) -> None:
        passed = (clock.monotonic_ms() - self._began_ms) // SPAN_MS
        if passed:
            self._before = self._now if passed == 1 else 0
            self._now = 0
            self._began_ms += passed * SPAN_MS


def a_task(traffic: Mapping[str, int], tasks: int) -> Facts:
    """Returns the messages (in thousandths) and bytes to and from agents per claimed task; {} without a task."""
    if not tasks:
        return {"messages_milli": None, "bytes": None}
    messages = traffic.get("sent", 0) + traffic.get("received", 0)
    size = traffic.get("sent_bytes", 0) + traffic.get("received_bytes", 0)
    return {"messages_milli": messages * 1_000 // tasks, "bytes": size // tasks}
