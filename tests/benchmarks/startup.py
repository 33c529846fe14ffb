"""How long `trust --help` takes, from the shell's point of view."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

from tests.benchmarks.table import Row, at_most

GOAL_S = 0.5


def run(quick: bool) -> list[Row]:
    """The median of several starts, bytecode cached."""
    command = [str(Path(sys.executable).with_name("trust")), "--help"]
    took_s = median(_took_s(command) for _ in range(3 if quick else 9))
    return [at_most("trust --help", f"{took_s:.2f} s", f"{GOAL_S} s", took_s / GOAL_S)]


def _took_s(command: list[str]) -> float:
    begun = perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return perf_counter() - begun
