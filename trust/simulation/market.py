"""The events of a world of attacks that do not depend on the choice of workers: tasks, candidates, newcomers, and
how each would do each task.

Every draw is by its name (`chance`), so that all schemes meet the same events. Agents are numbered: first the malicious
ones, then the honest ones, then honest newcomers in the order in which they join.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import msgspec

from trust.simulation.attacks import CAMOUFLAGE_PPM, ON_OFF_DAYS, PPM, TRAITOR_DAY, Attack, Scale
from trust.simulation.chance import below
from trust.simulation.network import DAY_MS

CANDIDATES = 8
EXPLORED_PPM = 50_000
CHECK_ERROR_PPM = 50_000
OPINION_ERROR_PPM = 100_000
JOIN_EVERY_DAYS = 2
JOIN_FROM, JOIN_UNTIL = 4, 6
"""Newcomers join from a quarter to five sixths of the days: early enough to show their way up."""


class Errand(msgspec.Struct, frozen=True):
    """A task of an agent; `friend` is who does it where a ring washes, else anyone of the `candidates` may."""

    name: str
    day: int
    offset_ms: int
    requester: int
    candidates: tuple[int, ...] = ()
    friend: int | None = None


class Market:
    """All events of one attack under one seed."""

    def __init__(self, attack: Attack, malicious_ppm: int, scale: Scale, seed: int) -> None:
        self.attack, self.scale, self.seed = attack, scale, seed
        self.malicious = scale.agents * malicious_ppm // PPM
        self.honest = range(self.malicious, scale.agents)
        from_day = scale.days // JOIN_FROM
        until_day = scale.days * (JOIN_UNTIL - 1) // JOIN_UNTIL
        self.joins = tuple(range(from_day, until_day, JOIN_EVERY_DAYS))

    def newcomers(self, day: int) -> int:
        """How many have joined before this day."""
        return sum(joined < day for joined in self.joins)

    def errands(self, day: int) -> Iterator[Errand]:
        """The tasks of honest agents on a day, in no order."""
        there = self.scale.agents + self.newcomers(day)
        for number in range(self.scale.agents if self.honest else 0):
            name = f"d{day}-{number}"
            requester = self.honest[self._below(len(self.honest), "requester", name)]
            source = Random(f"{self.seed}/candidates/{name}")
            others = (agent if agent < requester else agent + 1 for agent in range(there - 1))
            candidates = tuple(source.sample(list(others), min(CANDIDATES, there - 1)))
            yield Errand(name, day, self._below(DAY_MS, "time", name), requester, candidates)

    def washed(self, day: int) -> Iterator[Errand]:
        """The tasks that a ring posts for itself on a day."""
        ring = self.malicious
        for member in range(ring if ring > 1 else 0):
            for number in range(self.attack.washed):
                name = f"w{day}-{member}-{number}"
                requester = (member + 1 + self._below(ring - 1, "friend", name)) % ring
                yield Errand(name, day, self._below(DAY_MS, "time", name), requester, friend=member)

    def spoils(self, agent: int, errand: Errand) -> bool:
        """Returns whether what this agent delivers for this task is bad; friends get good work."""
        if agent >= self.malicious or errand.friend is not None:
            return False
        match self.attack.habit:
            case "camouflage":
                return self._below(PPM, "spoil", errand.name, agent) < CAMOUFLAGE_PPM
            case "traitor":
                return errand.day >= TRAITOR_DAY
            case "on-off":
                return errand.day // ON_OFF_DAYS % 2 == 1
            case habit:
                return habit == "always"

    def passes(self, agent: int, errand: Errand, number: int = 1) -> bool:
        """Returns what the check of this number of this agent's work on this task would say."""
        errs = self._below(PPM, "check", errand.name, agent, number) < CHECK_ERROR_PPM
        return self.spoils(agent, errand) == errs

    def likes(self, agent: int, errand: Errand) -> bool:
        """Returns what the requester thinks of it; a friend likes all."""
        if errand.friend is not None:
            return True
        errs = self._below(PPM, "opinion", errand.name, agent) < OPINION_ERROR_PPM
        return self.spoils(agent, errand) == errs

    def looked_at(self, errand: Errand, share_ppm: int) -> bool:
        """Returns whether a scheme that checks this share of all tasks looks at this one."""
        return self._below(PPM, "look", errand.name) < share_ppm

    def explores(self, errand: Errand) -> bool:
        """Returns whether a scheme that ranks candidates takes any of them instead."""
        return self._below(PPM, "explore", errand.name) < EXPLORED_PPM

    def tie(self, agent: int, errand: Errand) -> int:
        """Returns the number that decides between candidates of equal rank, and which one is explored."""
        return self._below(1 << 32, "tie", errand.name, agent)

    def _below(self, n: int, *about: object) -> int:
        return below(self.seed, n, *about)
