"""SIGTERM and SIGINT end the process within a stated time, whatever it is doing, also as PID 1 of a container.

PID 1 has no default handlers: without one of its own a signal does nothing. And a handler of Python's runs only when
the main thread gets to it. So a thread of its own learns of the signal from the interpreter's wake-up descriptor, has
whatever runs stop, and ends the process when that takes too long.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

SIGNALS = (signal.SIGTERM, signal.SIGINT)
FORCED = 1
TERMINATED = 128 + signal.SIGTERM
START_S = 2.0
"""How long a start has to be broken off cleanly; the database's own code may not listen."""


class Stopping:
    """The reaction to a signal: at first the process ends at once; after `through`, the given function is called.

    The process is gone `limit_ms` after the signal, two seconds after it where nothing served yet, with the exit code 1
    where it had to be forced.
    """

    def __init__(self, limit_ms: int) -> None:
        self.asked = threading.Event()
        self._limit_s = limit_ms / 1_000
        self._stop: Callable[[], None] | None = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Takes over the signals; by the main thread, as early as can be."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        for each in SIGNALS:
            signal.signal(each, self._signalled)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(reading,), name="stopping", daemon=True).start()

    def through(self, stop: Callable[[], None]) -> None:
        """Has a signal call this, from another thread; at once where there was one already."""
        with self._lock:
            self._stop = stop
            asked = self.asked.is_set()
        if asked:
            stop()

    def _signalled(self, *_: object) -> None:
        if self._stop is None:
            sys.exit(0)  # nothing serves yet: the start is broken off here

    def _watch(self, reading: int) -> None:
        while os.read(reading, 1)[0] not in SIGNALS:
            pass
        with self._lock:
            self.asked.set()
            stop = self._stop
        if stop is not None:
            stop()
        threading.Event().wait(START_S if stop is None else self._limit_s)
        os._exit(FORCED)


def end_at_once() -> None:
    """Has SIGTERM end the process, with the exit code that a shell shows for it; by the main thread."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
