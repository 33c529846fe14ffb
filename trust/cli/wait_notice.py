"""A service that does not answer is waited for aloud: after two seconds a line on stderr says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from trust.cli.terminal import warn

WAIT_S = 2.0
_NO_ANSWER = frozenset({429, 500, 502, 503, 504})
"""Answers that a client asks again after."""

Hooks = dict[str, list[Callable[[Any], None]]]
"""The callbacks of httpx for each request and each answer."""


@contextmanager
def waiting() -> Iterator[Hooks]:
    """Hooks for an HTTP client whose user is told when an answer takes long."""
    watch = _Watch()
    try:
        yield {"request": [watch.asked], "response": [watch.answered]}
    finally:
        watch.stop()


class _Watch:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def asked(self, request: Any) -> None:
        """Begins to wait, unless somebody waits already."""
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(WAIT_S, _tell, [str(request.url.netloc, "ascii", "replace")])
                self._timer.daemon = True
                self._timer.start()

    def answered(self, response: Any) -> None:
        """Ends the waiting where this is an answer that says something."""
        if response.status_code not in _NO_ANSWER:
            self.stop()

    def stop(self) -> None:
        """Ends the waiting."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None


def _tell(host: str) -> None:
    warn(f"trust: no answer from {host} for {WAIT_S:g} s: waiting for it (Ctrl-C ends this)")
