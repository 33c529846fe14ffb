"""A treasury as a process that is killed at a step of a number: `main` reads the number, and `trust`'s arguments."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trust.cli import run
from trust.client import Treasurer
from trust.programs import command, treasury
from trust.programs.treasury import Spool

STEPS: list[tuple[Any, str]] = [
    (Spool, "keep"), (Spool, "drop"), (Path, "unlink"), (Path, "replace"), (treasury, "write_whole"),
    (Treasurer, "deposit"), (Treasurer, "pay_out"),
]  # fmt: skip
CODE = "from tests.programs.cut_off import main; main()"


def sawn(step: Callable[..., Any], tick: Callable[[], None]) -> Callable[..., Any]:
    """A step that may be the last one, before it or after it."""

    def cut(*args: Any, **named: Any) -> Any:
        tick()
        result = step(*args, **named)
        tick()
        return result

    return cut


def main() -> None:
    left, *arguments = sys.argv[1:]
    ticks = iter(range(int(left) - 1, -1, -1))

    def tick() -> None:
        if next(ticks, None) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    for owner, name in (*STEPS, (os, "link"), (os, "fsync"), (command.subprocess, "Popen")):  # type: ignore[attr-defined]
        setattr(owner, name, sawn(getattr(owner, name), tick))
    sys.exit(run(arguments))
