"""The only reader of time.

docs/rules.md 2: a wall clock that jumped over 60 s against the process's monotonic clock is believed only when two
readings a second apart agree. Until then time goes on from the clock that was believed last, so that one bad
reading (a stepped NTP server, a restored virtual machine) ends no lease and no window.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

JUMP_MS = 60_000
CONFIRM_MS = 1_000
AGREE_MS = 500


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Milliseconds since some point in the past; never back, deaf to changes of the wall clock."""
    return time.monotonic_ns() // 1_000_000


class Clock:
    """Unix time in ms, guarded against jumps; threads may share it. Tests replace its readers."""

    def __init__(
        self, wall_ms: Callable[[], int] = _wall_ms, monotonic_ms: Callable[[], int] = monotonic_ms
    ) -> None:
        self._wall_ms = wall_ms
        self._monotonic_ms = monotonic_ms
        self._lock = threading.Lock()
        self._offset_ms = wall_ms() - monotonic_ms()
        self._suspect: tuple[int, int] | None = None  # the offset of a jump, and when it was first seen

    def now_ms(self) -> int:
        """The wall clock, or what it would be without a jump that is not confirmed yet."""
        with self._lock:
            wall, monotonic = self._wall_ms(), self._monotonic_ms()
            offset = wall - monotonic
            if abs(offset - self._offset_ms) <= JUMP_MS:
                self._suspect = None
            elif self._confirmed(offset, monotonic):
                self._offset_ms, self._suspect = offset, None
            else:
                return monotonic + self._offset_ms
            return wall

    def _confirmed(self, offset_ms: int, monotonic_ms: int) -> bool:
        if self._suspect is None or abs(offset_ms - self._suspect[0]) > AGREE_MS:
            self._suspect = (offset_ms, monotonic_ms)
            return False
        return monotonic_ms - self._suspect[1] >= CONFIRM_MS


_process = Clock()


def now_ms() -> int:
    """Unix time in ms, by the clock of this process."""
    return _process.now_ms()
