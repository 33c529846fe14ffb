"""The counts of one world of attacks under one scheme, and their sums over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean

import msgspec

from trust.simulation.market import Errand, Market
from trust.simulation.tally import Figure, figure

KNOWN_AFTER = 10
KNOWN_WITHIN_DAYS = 7
NEVER = -1


class Spoils(msgspec.Struct):
    """Counts of honest agents' tasks, by day: posted, taken by malicious agents, spoiled by them, checked.

    And of all days: tasks that nobody took, what those who spoiled some were paid for it and what they lost by it, in
    units, good work that was failed in the end. `known` is each newcomer's time to its tenth task in hundredths of a
    day.
    """

    posted: list[int]
    taken: list[int]
    spoiled: list[int]
    checked: list[int]
    unserved: int = 0
    paid_for_spoiled_units: int = 0
    lost_on_spoiled_units: int = 0
    honest_failed: int = 0
    appeals: int = 0
    registered_anew: int = 0
    entries: int = 0
    known: list[int] = msgspec.field(default_factory=list)

    def took(self, market: Market, agent: int, errand: Errand) -> None:
        """An agent takes a task of an honest one, and will deliver as it does."""
        self.taken[errand.day] += agent < market.malicious
        self.spoiled[errand.day] += market.spoils(agent, errand)


def empty(market: Market) -> Spoils:
    """Nothing counted yet."""
    days = market.scale.days
    return Spoils([0] * days, [0] * days, [0] * days, [0] * days)


class Climb:
    """How soon newcomers get work."""

    def __init__(self, market: Market) -> None:
        self._first = market.scale.agents
        self._joins = market.joins
        self._taken = [0] * len(market.joins)
        self.known = [NEVER] * len(market.joins)

    def took(self, agent: int, hundredths: int) -> None:
        """A task on this hundredth of a day since the beginning; agents that are no newcomers do not count."""
        place = agent - self._first
        if place >= 0:
            self._taken[place] += 1
            if self._taken[place] == KNOWN_AFTER:
                self.known[place] = hundredths - self._joins[place] * 100


Measure = Callable[[Spoils], float]


def _second_half(part: list[int], whole: list[int]) -> float:
    half = len(whole) // 2
    return sum(part[half:]) / max(1, sum(whole[half:]))


def known_within(spoils: Spoils, days: int) -> float:
    """The share of newcomers that had their tenth task within so many days."""
    return sum(0 <= each <= days * 100 for each in spoils.known) / max(1, len(spoils.known))


MEASURES: dict[str, Measure] = {
    "spoiled": lambda s: _second_half(s.spoiled, s.posted),
    "taken": lambda s: _second_half(s.taken, s.posted),
    "checked": lambda s: _second_half(s.checked, s.posted),
    "checked_ever": lambda s: sum(s.checked) / max(1, sum(s.posted)),
    "unserved": lambda s: s.unserved / max(1, sum(s.posted)),
    "newcomers_known": lambda s: known_within(s, KNOWN_WITHIN_DAYS),
    "loss_over_gain": lambda s: s.lost_on_spoiled_units / max(1, s.paid_for_spoiled_units),
}
"""Shares of honest agents' tasks in the second half of the days, but `..._ever` and `unserved` of all days;
`loss_over_gain` is what was lost by spoiled tasks over what was paid for them; over one unit, where nothing was."""


def figures(played: Sequence[Spoils]) -> dict[str, Figure]:
    """Every measure over the seeds of one scheme in one world."""
    return {name: figure([measure(one) for one in played]) for name, measure in MEASURES.items()}


def over_time(played: Sequence[Spoils], width: int) -> list[float]:
    """The share spoiled in each run of `width` days, over all seeds."""
    days = len(played[0].posted)
    spans = [slice(start, start + width) for start in range(0, days, width)]
    return [round(_share(played, span), 6) for span in spans]


def _share(played: Sequence[Spoils], span: slice) -> float:
    return mean(sum(one.spoiled[span]) / max(1, sum(one.posted[span])) for one in played)


def way_up(played: Sequence[Spoils], days: int) -> list[float]:
    """The share of newcomers with ten tasks within 0, 1, ... days of joining, over all seeds."""
    return [round(mean(known_within(one, day) for one in played), 6) for day in range(days + 1)]
