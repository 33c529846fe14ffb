"""Chance events of a world: each draw by its name, so that every scheme meets the same events.

A draw is a hash of the seed and of what it is about, never of how many were made before it. Whether worker 7 cheats on
its task 3, and whether verifier 12 errs on it, is the same under the rulebook and under every reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from random import Random
from typing import Literal

import msgspec

from trust.simulation.worlds import PPM, SOMETIMES_PPM, World

Verdict = Literal["pass", "fail"]
PRICES = ((780_000, 100), (980_000, 250), (PPM, 1_000))
"""Prices in units by their cumulated shares. A record made at 100 is worth something at 250, which is under the
threefold price that is always checked, and nothing at 1,000."""
EXPENSIVE_UNITS = 250
EFFORT_PPM = 500_000
"""What honest work costs, as a share of its price."""


def below(seed: int, n: int, *about: object) -> int:
    """An integer in [0, n) that a seed gives for what it is about."""
    digest = sha256(f"{seed}/{'/'.join(map(str, about))}".encode()).digest()
    return int.from_bytes(digest[:8]) * n >> 64


class Work(msgspec.Struct, frozen=True):
    """One task of one worker: what it pays and whether what is delivered is bad."""

    worker: int
    number: int
    price_units: int
    by_cheat: bool
    bad: bool

    @property
    def effort_units(self) -> int:
        """Returns the units of effort that a cheat saves."""
        return self.price_units * EFFORT_PPM // PPM


class Chance:
    """All draws of one world under one seed."""

    def __init__(self, world: World, seed: int, workers: int, verifiers: int) -> None:
        self.world = world
        self._seed = seed
        self.cheats = 0 if world.habit == "never" else workers * world.cheating_ppm // PPM
        self.colluders = verifiers * world.colluding_ppm // PPM
        self._lazy = self.colluders + verifiers * world.lazy_ppm // PPM
        self._verifiers = range(verifiers)

    def below(self, n: int, *about: object) -> int:
        """An integer in [0, n) that this seed gives for what it is about."""
        return below(self._seed, n, *about)

    def work(self, worker: int, number: int) -> Work:
        """The `number`-th task of a worker."""
        drawn = self.below(PPM, "price", worker, number)
        price = next(units for until, units in PRICES if drawn < until)
        by_cheat = worker < self.cheats
        return Work(worker, number, price, by_cheat, by_cheat and self._cheats_on(worker, number, price))

    def _cheats_on(self, worker: int, number: int, price: int) -> bool:
        match self.world.habit:
            case "sometimes":
                return self.below(PPM, "cheat", worker, number) < SOMETIMES_PPM
            case "expensive":
                return price >= EXPENSIVE_UNITS
            case habit:
                return habit == "constant"

    def colludes(self, verifier: int) -> bool:
        """Returns whether this verifier is one of the ring."""
        return verifier < self.colluders

    def verdict(self, verifier: int, work: Work, ring_holds: bool) -> Verdict:
        """Returns the verdict of a verifier on a work; `ring_holds`: whether the ring has the quorum where it sits."""
        if self.colludes(verifier) and (ring_holds or self.world.ring == "open"):
            return "pass" if work.by_cheat else "fail"
        if self.colluders <= verifier < self._lazy:
            return "pass"
        errs = self.below(PPM, "error", verifier, work.worker, work.number) < self.world.error_ppm
        return "fail" if work.bad != errs else "pass"

    def looks(self, work: Work) -> bool:
        """Returns whether the requester looks at this work."""
        return self.below(PPM, "look", work.worker, work.number) < self.world.looks_ppm

    def panel(self, work: Work, size: int) -> Sequence[int]:
        """Verifiers drawn evenly for a reference scheme; a smaller panel is the head of a larger one."""
        source = Random(f"{self._seed}/panel/{work.worker}/{work.number}")
        return source.sample(self._verifiers, 3)[:size]
