"""The only reader of time, and the rule by which it is believed (docs/rules.md 2).

The log's time never goes back, so an entry that is written by a clock that is ahead cannot be undone: whatever was due
until then is settled, and every statement is expired until the world has caught up. A clock that is behind harms less.

- Measured against what: `elapsed`, the machine's time since it was started, which nobody sets and which runs on while
  the machine sleeps. The difference between the wall clock and it, the offset, stays as it is while the clock is right.
- At the start the offset is the one that the process before left behind, where the machine has not been started anew
  since (`resume`), else the wall clock's own.
- A wall clock whose offset moved by at most 60 s is believed. One that moved further is in doubt: it is looked at
  again after a second, and where both looks do not agree, a new second begins.
- Where they agree and the clock went back, it is believed. Where it went ahead, it is believed only when another clock
  bears it out: that of a witness, as its last cosignature had it, or of a database on another machine (`heard`), or
  when the operator says that it is right (`accept`).
- A clock that was never sure in this process, nor in the one before, is in doubt while others were heard and none of
  them is within 60 s. Later nobody else's word is enough: else a single witness could stop the log.

`sure_ms` raises while the clock is in doubt: nothing is settled by it then, and nothing written. `now_ms` goes on from
the clock that was believed last, for whatever decides nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

JUMP_MS = 60_000
CONFIRM_MS = 1_000
AGREE_MS = 500
_BOOTTIME: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class InDoubt(Exception):
    """The clock is not to be believed now; the message says why, and what to do."""


@dataclass(frozen=True)
class Memory:
    """The clock's state that a process leaves to the next one: its machine's start, the time elapsed since, and the
    wall clock then."""

    boot: str
    elapsed_ms: int
    wall_ms: int


def wall_ns() -> int:
    """The wall clock as it stands, in nanoseconds, believed or not: for spans."""
    return time.time_ns()


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Milliseconds since some point in the past; never back, deaf to changes of the wall clock."""
    return time.monotonic_ns() // 1_000_000


def _elapsed_ms() -> int:
    return time.clock_gettime_ns(_BOOTTIME) // 1_000_000


class Clock:
    """Unix time in ms, guarded against jumps; threads may share it. Tests replace its readers."""

    def __init__(
        self, wall_ms: Callable[[], int] = _wall_ms, elapsed_ms: Callable[[], int] = _elapsed_ms
    ) -> None:
        self._wall_ms = wall_ms
        self._elapsed_ms = elapsed_ms
        self._lock = threading.Lock()
        self._offset_ms = wall_ms() - elapsed_ms()
        self._suspect: tuple[int, int] | None = None  # the offset of a jump, and when it was first seen
        self._others: dict[str, int] = {}
        self._is_new = True

    def now_ms(self) -> int:
        """The wall clock, or what it would be without the jump that is in doubt."""
        return self._look()[0]

    def sure_ms(self) -> int:
        """The wall clock; InDoubt where it is not to be believed now."""
        at_ms, doubt = self._look()
        if doubt:
            raise InDoubt(doubt)
        self._is_new = False
        return at_ms

    def doubt(self) -> str:
        """Why the clock is not to be believed now; nothing where it is."""
        return self._look()[1]

    def note_other(self, who: str, their_ms: int) -> None:
        """Notes the time of another clock, in ms: the last reading of each counts, and goes on with the time."""
        with self._lock:
            self._others[who] = their_ms - self._elapsed_ms()

    def accept(self) -> None:
        """The operator's word that the wall clock is right as it is now, whatever others say."""
        with self._lock:
            self._offset_ms, self._suspect = self._wall_ms() - self._elapsed_ms(), None
            self._is_new = False

    def resume(self, memory: Memory | None, boot: str) -> None:
        """Goes on from what an earlier process left behind on this machine, where it was not started anew since."""
        if memory is not None and boot and memory.boot == boot:
            with self._lock:
                self._offset_ms, self._is_new = memory.wall_ms - memory.elapsed_ms, False

    def memory(self, boot: str) -> Memory | None:
        """Returns what the next process should know; None while the clock is in doubt."""
        if self.doubt():
            return None
        with self._lock:
            elapsed_ms = self._elapsed_ms()
            return Memory(boot, elapsed_ms, elapsed_ms + self._offset_ms)

    def _look(self) -> tuple[int, str]:
        """The time, and why it is in doubt."""
        with self._lock:
            wall, elapsed = self._wall_ms(), self._elapsed_ms()
            offset = wall - elapsed
            doubt = self._moved(offset, elapsed) or self._alone(offset)
            return (elapsed + self._offset_ms if self._suspect else wall), doubt

    def _moved(self, offset: int, elapsed: int) -> str:
        jump = offset - self._offset_ms
        if abs(jump) <= JUMP_MS:
            self._suspect = None
            return ""
        how = f"this machine's clock jumped by {_seconds(jump)} s against the time that went by"
        if not self._agrees(offset, elapsed):
            return f"{how}: it is looked at again"
        if jump > 0 and not self._borne_out(offset):
            return f"{how}, and no other clock bears that out: set it right, or say by --trust-clock that it is right"
        self._offset_ms, self._suspect = offset, None
        return ""

    def _agrees(self, offset_ms: int, elapsed_ms: int) -> bool:
        if self._suspect is None or abs(offset_ms - self._suspect[0]) > AGREE_MS:
            self._suspect = (offset_ms, elapsed_ms)
            return False
        return elapsed_ms - self._suspect[1] >= CONFIRM_MS

    def _borne_out(self, offset: int) -> bool:
        return any(abs(other - offset) <= JUMP_MS for other in self._others.values())

    def _alone(self, offset: int) -> str:
        if not self._is_new or not self._others or self._borne_out(offset):
            return ""
        who, other = min(self._others.items(), key=lambda named: abs(named[1] - offset))
        return (
            f"this machine's clock is {_seconds(offset - other)} s ahead of that of {who}, and no other bears it out:"
            " set it right, or say by --trust-clock that it is right"
        )


def _seconds(ms: int) -> str:
    return f"{ms / 1_000:.0f}"


process = Clock()
"""The clock of this process."""


def now_ms() -> int:
    """Unix time in ms, by the clock of this process; for whatever decides nothing."""
    return process.now_ms()


def sure_ms() -> int:
    """Unix time in ms by which the log may be written; InDoubt where the clock is not to be believed now."""
    return process.sure_ms()
