"""`trust sandbox learn`: can agents choose their pattern of coordination by themselves?

A bandit (Thompson sampling) chooses for each task kind, round after round, a pattern and how many agents a task is
offered to at first, and sees of it only what `GET /v1/stats/overhead` says: the mean life of a task, from open to
settled. It is held against the best fixed choice in hindsight, a choice by chance, and the relay's default. It only
advises: nothing that decides reads it.

Rounds are played in a model of the four patterns: a router that hands out one task at a time, peers who talk in pairs,
offers in waves for which claims compete at one service. What each step costs is `Costs`; times and arrivals are drawn
by seed, the same for every choice, so that regret is exact. The share of coordination would be the wrong thing to
learn from: a talk about the scope lies between claim and output, so the share counts it as work and praises it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from math import exp, log, sqrt

import msgspec

from trust.core import overhead
from trust.core.overhead import Legs
from trust.core.records import EMPTY_SPENT

SHORTLISTS = (1, 4, 8, 32)
DEFAULT = ("hybrid", 8)
Arm = tuple[str, int]
ARMS: tuple[Arm, ...] = (
    ("hierarchical", 1),
    ("p2p", 1),
    *((pattern, places) for pattern in ("event-driven", "hybrid") for places in SHORTLISTS),
)


class Costs(msgspec.Struct, frozen=True):
    """The times of the steps of coordination, in ms: a router's turn, a talk between peers, a claim's way to the
    log and back, each further claim on the same task at the service, the wait for the next wave, a talk about the
    scope, and the time from output to settlement."""

    route_ms: float = 60
    talk_ms: float = 80
    claim_ms: float = 25
    rival_ms: float = 6
    wave_ms: float = 250
    scope_ms: float = 40
    settle_ms: float = 400


class Load(msgspec.Struct, frozen=True):
    """Work of a kind: mean ms of a task, mean ms between two of them (0: all at once), tasks a round, agents."""

    kind: str
    work_ms: float
    every_ms: float
    tasks: int = 40
    agents: int = 16


LOADS = (
    Load("review", work_ms=1_500, every_ms=150),
    Load("lint", work_ms=60, every_ms=40),
    Load("burst", work_ms=400, every_ms=0),
    Load("rare", work_ms=4_000, every_ms=2_000),
)


class Learned(msgspec.Struct, frozen=True):
    """The result for a kind: the best fixed choice with its mean life of a task, and the choice that the bandit
    made most in its last quarter; how many ms longer a task lived than under the best one: under the bandit's
    choices (in all, in the last quarter, and the least and most over the seeds), under those by chance, and under
    the default."""

    kind: str
    best: str
    best_ms: int
    chosen: str
    regret_ms: int
    regret_last_ms: int
    regret_least_ms: int
    regret_most_ms: int
    chance_ms: int
    default_ms: int


# -- the model


def played(load: Load, arm: Arm, costs: Costs, seed: str) -> float:
    """The mean life of a task in a round, in ms, as the overhead's record reads it."""
    dice = random.Random(seed)
    works = [dice.expovariate(1 / load.work_ms) for _ in range(load.tasks)]
    gaps = [dice.expovariate(1 / load.every_ms) if load.every_ms else 0.0 for _ in range(load.tasks)]
    spent, at_ms = EMPTY_SPENT, 0.0
    claimed = _WAYS[arm[0]](_Town(load, arm[1], costs, dice))
    for work_ms, gap_ms in zip(works, gaps, strict=True):
        at_ms += gap_ms
        scope_ms = costs.scope_ms if arm[0] == "hybrid" else 0.0
        wait_ms = claimed(at_ms, work_ms + scope_ms) - at_ms
        legs = Legs(round(wait_ms), round(work_ms + scope_ms), round(costs.settle_ms))
        ended_ms = round(at_ms + wait_ms + work_ms + scope_ms + costs.settle_ms)
        spent = overhead.spent(spent, legs, ended_ms)
    read = overhead.reading(spent)
    return float(read.wait.mean_ms + read.work.mean_ms + read.settle.mean_ms)


class _Town:
    """Agents, when each is free again, and one service at which claims compete."""

    def __init__(self, load: Load, places: int, costs: Costs, dice: random.Random) -> None:
        self.costs, self.places, self.dice = costs, places, dice
        self.free_ms = [0.0] * load.agents
        self.router_ms = self.service_ms = 0.0

    def takes(self, agent: int, at_ms: float, work_ms: float) -> float:
        """The agent claims and works; returns when the claim was won."""
        won_ms = max(at_ms, self.free_ms[agent]) + self.costs.claim_ms
        self.free_ms[agent] = won_ms + work_ms
        return won_ms


Claimed = Callable[[float, float], float]
"""From when a task is open and how long its work is to when it is claimed, in ms."""


def _routed(town: _Town) -> Claimed:
    """One after the other, each to who is free first."""

    def claimed(at_ms: float, work_ms: float) -> float:
        town.router_ms = max(town.router_ms, at_ms) + town.costs.route_ms
        agent = min(range(len(town.free_ms)), key=town.free_ms.__getitem__)
        return town.takes(agent, town.router_ms, work_ms)

    return claimed


def _agreed(town: _Town) -> Claimed:
    """With a peer by chance, who may be busy."""

    def claimed(at_ms: float, work_ms: float) -> float:
        agent = town.dice.randrange(len(town.free_ms))
        return town.takes(agent, at_ms + town.costs.talk_ms, work_ms)

    return claimed


def _offered(town: _Town) -> Claimed:
    """To a few, then to twice as many more; all that are free claim, and the service takes one claim at a time."""

    def claimed(at_ms: float, work_ms: float) -> float:
        order = town.dice.sample(range(len(town.free_ms)), len(town.free_ms))
        offered, places, wave_ms = 0, town.places, at_ms
        while True:
            offered, places = min(len(order), offered + places), places * 2
            free = [agent for agent in order[:offered] if town.free_ms[agent] <= wave_ms]
            if free or offered == len(order):
                break
            wave_ms += town.costs.wave_ms
        agent = free[0] if free else min(order, key=town.free_ms.__getitem__)
        asked_ms = max(wave_ms, town.service_ms, town.free_ms[agent])
        town.service_ms = asked_ms + town.costs.rival_ms * max(1, len(free))
        return town.takes(agent, asked_ms, work_ms)

    return claimed


_WAYS: dict[str, Callable[[_Town], Claimed]] = {
    "hierarchical": _routed,
    "p2p": _agreed,
    "event-driven": _offered,
    "hybrid": _offered,
}


# -- the bandit


class Bandit:
    """Thompson sampling over logarithms of times, each choice's mean with a normal posterior; the shortest wins."""

    def __init__(self, arms: int, dice: random.Random) -> None:
        self._dice = dice
        self._seen: list[list[float]] = [[] for _ in range(arms)]

    def choose(self) -> int:
        """The choice that a draw from what is known calls the shortest; each is tried twice first."""
        new = [arm for arm, seen in enumerate(self._seen) if len(seen) < 2]
        return new[0] if new else min(range(len(self._seen)), key=self._drawn)

    def see(self, arm: int, life_ms: float) -> None:
        """Takes the result of a choice."""
        self._seen[arm].append(log(life_ms))

    def _drawn(self, arm: int) -> float:
        seen = self._seen[arm]
        mean = _mean(seen)
        spread = sqrt(_mean([(each - mean) ** 2 for each in seen]) + 1e-4)
        return exp(self._dice.gauss(mean, spread / sqrt(len(seen) - 1)))


# -- the experiment


def learned(rounds: int, seeds: int, first_seed: int = 1, costs: Costs | None = None) -> list[Learned]:
    """The bandit on every kind of work, each of so many rounds and seeds."""
    return [_on(load, rounds, range(first_seed, first_seed + seeds), costs or Costs()) for load in LOADS]


def _on(load: Load, rounds: int, seeds: Sequence[int], costs: Costs) -> Learned:
    tables = [list(_table(load, rounds, seed, costs)) for seed in seeds]
    means = [_mean(row[arm] for table in tables for row in table) for arm in range(len(ARMS))]
    best = min(range(len(ARMS)), key=means.__getitem__)
    last = max(1, rounds // 4)
    regrets, regrets_last, chosen = [], [], [0] * len(ARMS)
    for seed, table in zip(seeds, tables, strict=True):
        choices = list(_choices(table, random.Random(f"{load.kind}/{seed}")))
        lost = [row[arm] - row[best] for row, arm in zip(table, choices, strict=True)]
        regrets.append(_mean(lost))
        regrets_last.append(_mean(lost[-last:]))
        for arm in choices[-last:]:
            chosen[arm] += 1
    return Learned(
        kind=load.kind,
        best=named(ARMS[best]),
        best_ms=round(means[best]),
        chosen=named(ARMS[max(range(len(ARMS)), key=chosen.__getitem__)]),
        regret_ms=round(_mean(regrets)),
        regret_last_ms=round(_mean(regrets_last)),
        regret_least_ms=round(min(regrets)),
        regret_most_ms=round(max(regrets)),
        chance_ms=round(_mean(means) - means[best]),
        default_ms=round(means[ARMS.index(DEFAULT)] - means[best]),
    )


def _table(load: Load, rounds: int, seed: int, costs: Costs) -> Iterator[list[float]]:
    """Returns the result of each choice in each round."""
    for number in range(rounds):
        yield [played(load, arm, costs, f"{load.kind}/{seed}/{number}") for arm in ARMS]


def _choices(table: Sequence[Sequence[float]], dice: random.Random) -> Iterator[int]:
    """Returns the bandit's choices; it sees only the results of its own."""
    bandit = Bandit(len(ARMS), dice)
    for row in table:
        arm = bandit.choose()
        bandit.see(arm, row[arm])
        yield arm


def named(arm: Arm) -> str:
    """A choice in words."""
    pattern, places = arm
    return f"{pattern}, offered to {places}" if pattern in ("event-driven", "hybrid") else pattern


def _mean(values: Iterator[float] | Sequence[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers)
