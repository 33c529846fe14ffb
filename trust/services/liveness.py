"""Vital signs of the process: that each of its threads lives, and when it last did its work.

Every thread that works in the background has a `Sign`, and runs by `keep_on`: no exception ends it unsaid. Readiness
asks for what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from trust import clock, journal

RETRY_S = 0.5
_log = journal.logger("trust.vitals")


class Shown(msgspec.Struct, frozen=True):
    """A thread as readiness shows it: how long ago it last did its work, and what is wrong with it."""

    name: str
    done_ago_ms: int
    wrong: str = ""


class Sign:
    """The sign of one thread or job, which is to do its work (or find that there is none) every `patience_ms`.

    A service without one that is `vital` is not ready; of any other that is amiss readiness only warns.
    """

    def __init__(self, name: str, patience_ms: int, *, vital: bool = True) -> None:
        self.name = name
        self.vital = vital
        self._patience_ms = patience_ms
        self._done_ms: int | None = None
        self._trouble = ""
        self._ended = ""

    def begin(self) -> None:
        """The thread starts."""
        self._ended, self._trouble = "", ""
        self._done_ms = clock.monotonic_ms()

    def beat(self) -> None:
        """The thread has done its work."""
        self._done_ms, self._trouble = clock.monotonic_ms(), ""

    def fail(self, error: BaseException) -> None:
        """The thread could not do its work this time, and goes on."""
        self._trouble = f"{type(error).__name__}: {journal.plain(error)}"

    def end(self, why: str) -> None:
        """The thread is over."""
        self._ended = why

    @property
    def has_begun(self) -> bool:
        """Returns whether it ever started."""
        return self._done_ms is not None

    @property
    def wrong(self) -> str:
        """Why nobody should count on this thread; nothing while all is well, or before it starts."""
        if self._ended:
            return f"the {self.name} has ended: {self._ended}"
        ago_ms = self.ago_ms
        if ago_ms <= self._patience_ms:
            return ""
        because = f" ({self._trouble})" if self._trouble else ""
        return f"the {self.name} did nothing for {ago_ms // 1_000} s{because}"

    @property
    def ago_ms(self) -> int:
        """How long ago it last did its work; 0 before it starts."""
        return 0 if self._done_ms is None else clock.monotonic_ms() - self._done_ms

    def shown(self) -> Shown:
        """Returns what readiness shows of it."""
        return Shown(self.name, self.ago_ms, self.wrong or self._trouble)


class VitalSigns:
    """The signs of a process."""

    def __init__(self) -> None:
        self._signs: list[Sign] = []

    def add(self, sign: Sign) -> Sign:
        """Watches this one too."""
        self._signs.append(sign)
        return sign

    def wrong(self) -> tuple[str, ...]:
        """Returns a sentence for each vital thread that is late."""
        return tuple(wrong for sign in self._signs if sign.vital and (wrong := sign.wrong))

    def late(self) -> int:
        """Returns how many threads and jobs are late, vital or not."""
        return sum(1 for sign in self._signs if sign.wrong)

    def shown(self) -> tuple[Shown, ...]:
        """Every one that has begun."""
        return tuple(sign.shown() for sign in self._signs if sign.has_begun)


def keep_on(sign: Sign, turn: Callable[[], bool], rest: Callable[[float], object]) -> None:
    """Calls `turn` until it returns False; `turn` beats. What it raises is told, and after a `rest` it goes on."""
    sign.begin()
    why = "it was stopped"
    try:
        while True:
            try:
                if not turn():
                    return
            except Exception as error:
                sign.fail(error)
                _log.error("a thread goes on after a failure", thread=sign.name, exc_info=error)
                rest(RETRY_S)
    except BaseException as error:
        why = f"{type(error).__name__}: {journal.plain(error)}"
        raise
    finally:
        sign.end(why)
