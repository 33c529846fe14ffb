"""Long work, spread over processes: what a function makes of each job, in their order."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

J = TypeVar("J")
P = TypeVar("P")
Report = Callable[[int, int], None]
"""Takes how much is done of how much."""


@contextmanager
def nothing_collected() -> Iterator[None]:
    """A game's records only grow; looking for garbage among them would take a fifth of its time. At the end only what
    came into being since is looked at."""
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()
        gc.enable()


def done(act: Callable[[J], P], jobs: Sequence[J], processes: int, report: Report | None) -> list[P]:
    """Returns the results of a function for each job, in their order; `report` hears of each."""
    made: list[P] = []
    if report is not None:
        report(0, len(jobs))
    with _spread(processes) as mapped:
        for one in mapped(act, jobs):
            made.append(one)
            if report is not None:
                report(len(made), len(jobs))
    return made


@contextmanager
def _spread(processes: int) -> Iterator[Callable[[Callable[[J], P], Iterable[J]], Iterator[P]]]:
    """Yields a function that maps over jobs in their order, each in a process of its own if more than one."""
    if processes <= 1:
        yield map
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        yield pool.map
