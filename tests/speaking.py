"""A `trust` process that costs no imports (tests/forking.py), and what it prints."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

from tests.forking import MAIN, Forked

PATIENCE_S = 60


class Speaking(Forked):
    """A forked process, in a directory of its own under `folder`, whose output is read line by line."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        own = Path(mkdtemp(dir=folder))
        os.mkfifo(own / "said")
        reading = os.open(own / "said", os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(reading, True)
        self.output = os.fdopen(reading, "rb", buffering=0)
        self._errors = own / "errors"
        said = 'import sys; sys.stdout, sys.stderr = open("said", "w"), open("errors", "w")\n'
        super().__init__(said + MAIN, arguments, own)

    def line(self) -> bytes:
        """What it says next; empty where it ended or says nothing for a minute."""
        return self.output.readline() if select.select([self.output], [], [], PATIENCE_S)[0] else b""

    def errors(self) -> str:
        """What it wrote to its standard error."""
        return self._errors.read_text() if self._errors.exists() else ""

    def kill(self) -> None:
        """Kills it with all that it started."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.wait()
        self.output.close()
