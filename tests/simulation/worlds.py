"""Small worlds for tests, under the standard policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trust.core.policy import Policy, parse
from trust.simulation.game import Game
from trust.simulation.worlds import Habit, Size, World

TINY = Size(workers=10, tasks=6, seeds=2)


def standard() -> Policy:
    """The policy that the simulation takes if none is named."""
    path = Path(__file__).parents[2] / "policies" / "standard.toml"
    return parse(path.read_text(encoding="utf-8"))


def world(habit: Habit = "constant", **terms: Any) -> World:
    return World(name="a test's world", habit=habit, **terms)


def game(of: World, size: Size = TINY, seed: int = 1, *, proven: bool = False) -> Game:
    """A game whose log is kept; only where its draws are `proven` it is one that an auditor takes."""
    made = Game(of, standard(), size, seed, keep_log=True)
    made.net.proven = proven
    return made
