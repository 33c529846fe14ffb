"""The goals of the rules, world by world, and where they are missed."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from trust.simulation.players import PlayerResult
from trust.simulation.tally import Figure
from trust.simulation.worlds import Habit, World


class Goal(msgspec.Struct, frozen=True):
    """A measure stays under its limit, in worlds of these habits."""

    measure: str
    limit: float
    habits: frozenset[Habit]
    words: str
    whole: bool = False
    "Whether all of the interval has to be under it, not only the mean."


class Missed(msgspec.Struct, frozen=True):
    """A goal whose measure is not under its limit in some world."""

    world: str
    goal: str
    measured: Figure


_ALL: frozenset[Habit] = frozenset({"constant", "sometimes", "expensive"})
_CONSTANT: frozenset[Habit] = frozenset({"constant"})

GOALS = (
    Goal("bad_accepted", 0.001, _CONSTANT, "bad outputs accepted under 0.1 % of all"),
    Goal("honest_rejected", 0.002, _CONSTANT, "honest work rejected under 0.2 %"),
    Goal("steady_checks_per_task", 2.0, _CONSTANT, "under 2 votes a task of a worker that had twenty before"),
    Goal("bad_accepted", 0.007, frozenset({"sometimes"}), "bad outputs accepted under 0.7 % of all"),
    Goal("units_per_cheat", 0.0, _ALL, "a cheat loses money, with the whole interval", whole=True),
    Goal("units_per_trusted_cheat", 0.0, _ALL, "a cheat with a record loses money"),
    Goal("seats_short", 0.01, _ALL | {"never"}, "seats paid short under 1 %"),
)


def _worst(goal: Goal, measured: Figure) -> float:
    return measured.high if goal.whole else measured.mean


def _reaches(value: float, limit: float) -> bool:
    """Returns whether a value is not under its limit; nothing measured is under every one."""
    return value >= limit and value != 0.0


def missed(world: World, measured: Mapping[str, Figure]) -> list[Missed]:
    """The goals of a world that its figures do not reach."""
    return [
        Missed(world.name, goal.words, measured[goal.measure])
        for goal in GOALS
        if world.habit in goal.habits and _reaches(_worst(goal, measured[goal.measure]), goal.limit)
    ]


def gained(result: PlayerResult) -> list[Missed]:
    """A goal for each player: less than nothing gained, with the whole interval."""
    if result.gain_units.high < 0:
        return []
    return [Missed(result.name, "who plays the rules loses money", result.gain_units)]
