"""kill -9 at every point of the write path: nothing that was acknowledged is lost, and the log never forks.

kill -9 does not test fsync: `tests/storage/test_engine.py` asserts the settings on live connections.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.journeys import crashing
from tests.journeys.crashing import STEPS, Plan

LONGEST_LIFE_S = 20


def run_cycles(url: str, directory: Path, cycles: int) -> None:
    """Lives that end at a named step, in turns, and every fifth at a random moment."""
    crashing.found(url, directory)
    chance = random.Random(cycles)
    for cycle in range(1, cycles + 1):
        step = 0 if cycle % 5 == 0 else STEPS[cycle % 5 - 1]
        process = crashing.start(Plan(url, str(directory), cycle, step, chance.randint(1, 6)))
        process.join(chance.uniform(0.1, 0.6) if step == 0 else LONGEST_LIFE_S)
        if step == 0:
            process.kill()
            process.join()
        assert process.exitcode == -9, f"cycle {cycle}: it ended by itself, with {process.exitcode}"
        crashing.check_promises(url, directory, whole_log=cycle % 50 == 0)
    assert crashing.check_promises(url, directory, whole_log=True) > cycles


@pytest.mark.journey
@pytest.mark.parametrize("cycles", [10, pytest.param(500, marks=pytest.mark.slow)])
def test_a_process_that_is_killed_again_and_again_on_sqlite_loses_nothing_it_acknowledged(
    cycles: int, tmp_path: Path, sqlite_template: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path / "trust.db")
    run_cycles(f"sqlite:///{tmp_path / 'trust.db'}", tmp_path, cycles)


@pytest.mark.journey
@pytest.mark.postgres
@pytest.mark.parametrize("cycles", [5, pytest.param(500, marks=pytest.mark.slow)])
def test_a_process_that_is_killed_again_and_again_on_postgres_loses_nothing_it_acknowledged(
    cycles: int, tmp_path: Path, postgres_url: str
) -> None:
    run_cycles(postgres_url, tmp_path, cycles)
