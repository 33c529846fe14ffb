"""`trust ...` as a process that costs no imports: forked from a server that has made them, one a worker.

It is a process as any other, in a session of its own, with a working directory and an environment of its own; only the
interpreter has been started before. Its output is nobody's. What a command prints, and how it starts from nothing,
is for tests that start it as a user does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import chdir
from multiprocessing import forkserver
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAIN = "from trust.cli import main; main()"
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.preloaded"])


class Forked:
    """A process that runs some code under some arguments, as far like subprocess.Popen as tests ask."""

    def __init__(
        self, code: str, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        given = (code, list(arguments), str(cwd), dict(os.environ if environment is None else environment))
        self._process = _context.Process(target=_run, args=given, daemon=True)
        with chdir(ROOT):  # from where the server, which this may start, finds the tests
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            raise subprocess.TimeoutExpired("trust", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(code: str, arguments: list[str], cwd: str, environment: dict[str, str]) -> None:
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    sys.argv = ["trust", *arguments]
    exec(code, {"__name__": "__main__"})


def stop() -> None:
    """Ends the server, so that what its processes took counts as this one's."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
