"""Plays worlds and strategic players under seeds, in several processes if asked to, and gathers the figures."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from trust.core.policy import Policy
from trust.simulation import references
from trust.simulation.chance import Chance
from trust.simulation.game import Game
from trust.simulation.goals import Missed, gained, missed
from trust.simulation.players import Player, PlayerJob, PlayerResult
from trust.simulation.safety import Cost, SafetyJob
from trust.simulation.spreading import Report, done, nothing_collected
from trust.simulation.tally import Figure, Tally, figures
from trust.simulation.worlds import Size, World

RULES = "trust"
SCHEMES = (RULES, *references.SCHEMES)


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
    """The games that were played, and what came of them."""

    policy: str
    size: Size
    worlds: list[WorldResult]
    missed: list[Missed]
    players: list[PlayerResult] = []
    safety: list[Cost] = []


def play_one(job: Job) -> Played:
    """The tally of each scheme on the same events."""
    size = job.size
    with nothing_collected():
        played = {RULES: Game(job.world, job.policy, size, job.seed).play()}
    for scheme in references.SCHEMES:
        chance = Chance(job.world, job.seed, size.workers, size.verifiers)
        played[scheme] = references.play(scheme, chance, size)
    return played


def play(
    worlds: Sequence[World],
    policy: Policy,
    size: Size,
    processes: int = 1,
    report: Report | None = None,
    players: Sequence[type[Player]] = (),
) -> Results:
    """Plays every world under seeds 1 to `size.seeds`; with players also what safety costs honest work."""
    jobs = [Job(world, policy, size, seed) for world in worlds for seed in range(1, size.seeds + 1)]
    strategic: list[PlayerJob | SafetyJob] = [PlayerJob(each.name, policy, size.seeds) for each in players]
    strategic += [SafetyJob(policy, size.seeds)] if players else []
    played = done(_play_any, [*jobs, *strategic], processes, report)
    games = [one for one in played if isinstance(one, dict)]
    results = [
        _result(world, games[place * size.seeds : (place + 1) * size.seeds])
        for place, world in enumerate(worlds)
    ]
    short = [each for result in results for each in missed(result.world, result.schemes[RULES])]
    against = [one for one in played if isinstance(one, PlayerResult)]
    short += [each for result in against for each in gained(result)]
    safety = [cost for one in played if isinstance(one, list) for cost in one]
    return Results(policy.name, size, results, short, against, safety)


def _play_any(job: Job | PlayerJob | SafetyJob) -> Played | PlayerResult | list[Cost]:
    return play_one(job) if isinstance(job, Job) else job.play()


def _result(world: World, played: Sequence[Played]) -> WorldResult:
    counts = {scheme: [one[scheme] for one in played] for scheme in SCHEMES}
    return WorldResult(world, {scheme: figures(tallies) for scheme, tallies in counts.items()}, counts)
