"""The queue of statements to be decided: bounded, in order, taken in batches (docs/architecture.md 4, steps 4, 5)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from trust.core.commands import Incoming, Spoken
from trust.errors import TrustError
from trust.services.receipts import Outcome

FRAME_BYTES = 512
"""Bytes of a command beside its payload: its envelope, or all of a draw or seal."""


@dataclass(frozen=True, slots=True)
class Submission:
    """Commands that are answered together, in one batch. Their signatures hold."""

    commands: Sequence[Incoming]
    answer: Future[list[Outcome]] = field(default_factory=Future)
    trace: Any = None
    """Where spans about it belong (`trust.spans`)."""

    @property
    def size_bytes(self) -> int:
        """About how many bytes of entries this will make."""
        return sum(map(_size_bytes, self.commands))


class Inbox:
    """A queue of at most `max_statements` and `max_bytes`; what does not fit is refused at once."""

    def __init__(self, max_statements: int, max_bytes: int) -> None:
        self._max_statements = max_statements
        self._max_bytes = max_bytes
        self._waiting: deque[Submission] = deque()
        self._statements = 0
        self._bytes = 0
        self._woken = False
        self._open = True
        self._changed = threading.Condition()

    def put(self, submission: Submission) -> None:
        """Adds to the end; TrustError `overloaded` where there is no room, `shutting-down` once closed."""
        count, size_bytes = len(submission.commands), submission.size_bytes
        with self._changed:
            if not self._open:
                raise TrustError("shutting-down")
            full = (
                self._statements + count > self._max_statements or self._bytes + size_bytes > self._max_bytes
            )
            if full and self._waiting:
                raise TrustError("overloaded", f"{self._statements} statements are waiting already")
            self._waiting.append(submission)
            self._count(count, size_bytes)
            self._changed.notify()

    def take(self, max_statements: int, max_bytes: int, timeout_s: float) -> list[Submission] | None:
        """Returns what waits, within the limits but at least one; empty after `timeout_s` or `wake`, None when over."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._woken or not self._open, timeout_s)
            self._woken = False
            if not self._waiting:
                return [] if self._open else None
            taken = [self._take_one()]
            statements, size_bytes = len(taken[0].commands), taken[0].size_bytes
            while self._waiting:
                following = self._waiting[0]
                statements += len(following.commands)
                size_bytes += following.size_bytes
                if statements > max_statements or size_bytes > max_bytes:
                    break
                taken.append(self._take_one())
            return taken

    def wake(self) -> None:
        """Ends a wait."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def close(self) -> None:
        """Takes nothing more; what waits is still given out."""
        with self._changed:
            self._open = False
            self._changed.notify()

    def __len__(self) -> int:
        return self._statements

    def _take_one(self) -> Submission:
        submission = self._waiting.popleft()
        self._count(-len(submission.commands), -submission.size_bytes)
        return submission

    def _count(self, statements: int, size_bytes: int) -> None:
        self._statements += statements
        self._bytes += size_bytes


def _size_bytes(command: Incoming) -> int:
    if not isinstance(command, Spoken):
        return FRAME_BYTES
    return len(command.signed.payload) * 4 // 3 + FRAME_BYTES
