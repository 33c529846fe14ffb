"""The operator's log lines on stderr: writing one cannot raise, and cannot block whoever writes it.

A line is handed to a thread of its own, which writes it. Where nobody reads them lines wait, up to `WAITING`; further
ones are dropped and counted, and the count is told with the next line that gets through. A line that cannot be made
(a value that breaks when it is shown) is dropped in the same way: no line is ever worth a request.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import sys
import threading
from contextlib import suppress
from typing import Any, TextIO

import structlog

from trust.escaping import escaped_event

WAITING = 10_000
FLUSH_S = 1.0


class _Quiet(structlog.make_filtering_bound_logger(logging.NOTSET)):  # type: ignore[misc]
    """A structlog logger whose calls never raise."""

    def _proxy_to_logger(self, *args: Any, **fields: Any) -> Any:
        try:
            return super()._proxy_to_logger(*args, **fields)
        except Exception as error:
            with suppress(Exception):  # what can be said without the values that broke it
                self._logger.msg(
                    f'{{"event": "{args[:2]}", "level": "error", "unsaid": "{type(error).__name__}"}}'
                )
            return None


def logger(name: str) -> Any:
    """The logger of one part of the program; its calls never raise."""
    return structlog.wrap_logger(None, wrapper_class=_Quiet, logger_factory_args=(name,))


class Lines:
    """Writes lines to a stream, in a thread that starts with the first one; a process that was forked has its own."""

    def __init__(self, stream: TextIO, waiting: int = WAITING) -> None:
        self._stream = stream
        self._size = waiting
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._pid = 0
        self._dropped = 0
        self._lines: queue.Queue[str] = queue.Queue(self._size)

    def msg(self, line: str) -> None:
        """Takes a line; never waits for the stream."""
        if self._pid != os.getpid():
            self._start()
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    debug = info = warning = error = critical = exception = log = msg

    def flush(self, timeout_s: float = FLUSH_S) -> None:
        """Waits until what was taken is written, or for so long."""
        if self._pid == os.getpid():
            done = threading.Event()
            threading.Thread(target=self._await, args=(done,), daemon=True).start()
            done.wait(timeout_s)

    def _await(self, done: threading.Event) -> None:
        self._lines.join()
        done.set()

    def _start(self) -> None:
        with self._lock:
            if self._pid != os.getpid():
                self._begin()
                threading.Thread(target=self._write, args=(self._lines,), name="journal", daemon=True).start()
                self._pid = os.getpid()

    def _write(self, lines: queue.Queue[str]) -> None:
        while True:
            line = lines.get()
            dropped, self._dropped = self._dropped, 0
            text = f"{line}\n" + (f"{dropped} lines before this one were dropped\n" if dropped else "")
            try:
                self._stream.write(text)
                self._stream.flush()
            except Exception:  # nobody reads any more
                self._dropped += dropped + 1
            finally:
                lines.task_done()


def configure(stream: TextIO | None = None) -> Lines:
    """Log lines on stderr: for people on a terminal, JSON elsewhere. Never a body, never a key."""
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # `jobs` tells what goes wrong, once
    logging.raiseExceptions = False
    stream = stream or sys.stderr
    people = stream.isatty()
    lines = Lines(stream)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            *(
                [escaped_event, structlog.dev.ConsoleRenderer()]
                if people
                else [structlog.processors.JSONRenderer()]
            ),
        ],
        wrapper_class=_Quiet,
        logger_factory=lambda *_: lines,
    )
    atexit.register(lines.flush)
    return lines


def plain(error: BaseException) -> str:
    """The first line of what an error says, or its type where it says nothing."""
    try:
        text = str(error).strip()
    except Exception:
        text = ""
    return text.splitlines()[0] if text else type(error).__name__
