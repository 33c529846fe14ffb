"""Which worlds are played: who cheats, how often, who looks away, and who votes falsely with whom.

A fifth of the workers are cheats. Colluding verifiers know each other and the cheats: they pass what a cheat delivers
and fail honest work; an open ring does so always, a careful one only on a panel where it holds the quorum, so that it
never loses a bond. A lazy verifier never looks and votes pass. All others look, and err now and then.

A worker whose good work is failed challenges the verdict; requesters that look challenge bad work that they find.
"""

from __future__ import annotations

from typing import Literal

import msgspec

PPM = 1_000_000
CHEATING_PPM = 200_000
ERROR_PPM = 20_000
SOMETIMES_PPM = 50_000

Habit = Literal["constant", "sometimes", "expensive", "never"]
Ring = Literal["open", "careful"]


class World(msgspec.Struct, frozen=True, kw_only=True):
    """One world; shares are of the workers (`cheating_ppm`) and of the verifiers (colluding, lazy)."""

    name: str
    habit: Habit
    colluding_ppm: int = 0
    lazy_ppm: int = 0
    ring: Ring = "open"
    returns: bool = False
    "Whether a cheat registers anew after each slash, with money of its own, instead of being shut out."
    looks_ppm: int = 0
    "How often a requester looks at what would be accepted; it challenges what it finds bad."
    cheating_ppm: int = CHEATING_PPM
    error_ppm: int = ERROR_PPM


class Size(msgspec.Struct, frozen=True):
    """How much is played: workers, tasks of each, and seeds."""

    workers: int = 400
    tasks: int = 100
    seeds: int = 10

    @property
    def verifiers(self) -> int:
        """Half as many as workers, and enough for three panels beside a worker's last checks."""
        return max(100, self.workers // 2)


QUICK = Size(workers=100, tasks=25, seeds=2)
CHEATS: tuple[Habit, ...] = ("constant", "sometimes", "expensive")


def _share(percent: int) -> int:
    return percent * PPM // 100


def _worlds() -> tuple[World, ...]:
    rings = [
        World(name=f"{habit}-{percent}", habit=habit, colluding_ppm=_share(percent))
        for percent in (20, 0, 10, 30)
        for habit in CHEATS
    ]
    careful = [
        World(name=f"{habit}-20-careful", habit=habit, colluding_ppm=_share(20), ring="careful")
        for habit in CHEATS
    ]
    back = [
        World(name=f"{habit}-20-returns", habit=habit, colluding_ppm=_share(20), returns=True)
        for habit in CHEATS
    ]
    lazy = [
        World(name=f"{habit}-lazy-{percent}", habit=habit, lazy_ppm=_share(percent))
        for percent in (10, 30)
        for habit in CHEATS
    ]
    hardest = (
        World(
            name="constant-30-careful-returns",
            habit="constant",
            colluding_ppm=_share(30),
            ring="careful",
            returns=True,
        ),
        World(name="constant-lazy-30-returns", habit="constant", lazy_ppm=_share(30), returns=True),
    )
    looked_at = [
        World(name=f"{habit}-20-looks", habit=habit, colluding_ppm=_share(20), looks_ppm=_share(10))
        for habit in CHEATS
    ]
    return (*rings, *careful, *back, *lazy, *hardest, *looked_at, World(name="honest", habit="never"))


WORLDS = {world.name: world for world in _worlds()}
