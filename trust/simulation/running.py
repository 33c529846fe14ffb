"""Plays worlds under seeds, each game in a process of its own where there are several, and gathers the figures."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

import msgspec

from trust.core.policy import Policy
from trust.simulation import references
from trust.simulation.chance import Chance
from trust.simulation.game import Game
from trust.simulation.goals import Missed, missed
from trust.simulation.tally import Figure, Tally, figures
from trust.simulation.worlds import Size, World

RULES = "trust"
SCHEMES = (RULES, *references.SCHEMES)

J = TypeVar("J")
P = TypeVar("P")
Report = Callable[[int, int], None]
"""Takes how much is done of how much."""


class Job(msgspec.Struct, frozen=True):
    """One world under one seed."""

    world: World
    policy: Policy
    size: Size
    seed: int


Played = dict[str, Tally]


class WorldResult(msgspec.Struct, frozen=True):
    """One world: the figures of each scheme, and the counts of each seed that they come from."""

    world: World
    schemes: dict[str, dict[str, Figure]]
    counts: dict[str, list[Tally]]


class Results(msgspec.Struct, frozen=True):
    """What was played, and what came of it."""

    policy: str
    size: Size
    worlds: list[WorldResult]
    missed: list[Missed]


def play_one(job: Job) -> Played:
    """The tally of each scheme on the same events."""
    size = job.size
    with nothing_collected():
        played = {RULES: Game(job.world, job.policy, size, job.seed).play()}
    for scheme in references.SCHEMES:
        chance = Chance(job.world, job.seed, size.workers, size.verifiers)
        played[scheme] = references.play(scheme, chance, size)
    return played


@contextmanager
def nothing_collected() -> Iterator[None]:
    """A game's records only grow; looking for garbage among them would take a fifth of its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()


def play(
    worlds: Sequence[World], policy: Policy, size: Size, processes: int = 1, report: Report | None = None
) -> Results:
    """Plays every world under seeds 1 to `size.seeds`."""
    jobs = [Job(world, policy, size, seed) for world in worlds for seed in range(1, size.seeds + 1)]
    played = done(play_one, jobs, processes, report)
    found = [
        _result(world, played[place * size.seeds : (place + 1) * size.seeds])
        for place, world in enumerate(worlds)
    ]
    short = [each for result in found for each in missed(result.world, result.schemes[RULES])]
    return Results(policy.name, size, found, short)


def done(act: Callable[[J], P], jobs: Sequence[J], processes: int, report: Report | None) -> list[P]:
    """What a function makes of each job, in their order; `report` hears of each."""
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
    """What maps a function over jobs in their order, each in a process of its own where there are several."""
    if processes <= 1:
        yield map
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        yield pool.map


def _result(world: World, played: Sequence[Played]) -> WorldResult:
    counts = {scheme: [one[scheme] for one in played] for scheme in SCHEMES}
    return WorldResult(world, {scheme: figures(tallies) for scheme, tallies in counts.items()}, counts)
