"""The counts of one game, and their means over seeds with 95 % intervals (Student's t)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from statistics import mean, stdev

import msgspec

from trust.core.lifecycle import ClaimState
from trust.simulation.chance import Work

_T_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
_T_LARGE = 1.960
_DIGITS = 6
STEADY_TASKS = 20
"""After so many tasks a worker that was not caught has its record."""


class Tally(msgspec.Struct):
    """Counts of one game. `cheat_units` is what all bad outputs together brought, beyond honest work in their place and
    with the bonds of the names that burned for them; `trusted_...` is of those among them whose check was not certain,
    `steady_...` of tasks whose worker had twenty before."""

    outputs: int = 0
    bad: int = 0
    bad_accepted: int = 0
    good_rejected: int = 0
    voided: int = 0
    votes: int = 0
    steady_outputs: int = 0
    steady_votes: int = 0
    challenges: int = 0
    cheat_units: int = 0
    trusted_bad: int = 0
    trusted_units: int = 0
    honest_workers: int = 0
    honest_shut_out: int = 0
    cheats_shut_out: int = 0
    registered_anew: int = 0
    seats_paid: int = 0
    seats_short: int = 0
    ring_units: int = 0
    entries: int = 0

    def ended(self, work: Work, state: str, trusted: bool = False) -> None:
        """An output came to its end: accepted, rejected or voided. What it saved its worker is counted here."""
        self.outputs += 1
        self.steady_outputs += work.number >= STEADY_TASKS
        self.bad += work.bad
        self.bad_accepted += work.bad and state == ClaimState.ACCEPTED
        self.good_rejected += not work.bad and state == ClaimState.REJECTED
        self.voided += state == ClaimState.VOIDED
        self.trusted_bad += work.bad and trusted
        self.paid(work, work.effort_units - work.price_units, trusted)

    def voted(self, work: Work, votes: int = 1) -> None:
        """So many verifiers looked at a work."""
        self.votes += votes
        self.steady_votes += votes if work.number >= STEADY_TASKS else 0

    def paid(self, work: Work, units: int, trusted: bool = False) -> None:
        """Money that reached the worker (below zero: that it lost) for this work."""
        if work.bad:
            self.cheat_units += units
            self.trusted_units += units if trusted else 0


Measure = Callable[[Tally], float]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


MEASURES: dict[str, Measure] = {
    "bad_accepted": lambda t: _share(t.bad_accepted, t.outputs),
    "honest_rejected": lambda t: _share(t.good_rejected, t.outputs - t.bad),
    "honest_shut_out": lambda t: _share(t.honest_shut_out, t.honest_workers),
    "checks_per_task": lambda t: _share(t.votes, t.outputs),
    "steady_checks_per_task": lambda t: _share(t.steady_votes, t.steady_outputs),
    "units_per_cheat": lambda t: _share(t.cheat_units, t.bad),
    "units_per_trusted_cheat": lambda t: _share(t.trusted_units, t.trusted_bad),
    "seats_short": lambda t: _share(t.seats_short, t.seats_paid),
    "bad": lambda t: _share(t.bad, t.outputs),
    "bad_caught": lambda t: 1 - _share(t.bad_accepted, t.bad) if t.bad else 0.0,
}
"""Shares of all outputs, but `honest_rejected` is of good outputs and `bad_caught` of bad ones."""


class Figure(msgspec.Struct, frozen=True):
    """A mean over seeds, and the interval that holds the true one with 95 %."""

    mean: float
    low: float
    high: float


def figure(values: Sequence[float]) -> Figure:
    """Mean and Student's interval; of a single value it is that value."""
    middle = mean(values)
    half = 0.0
    if len(values) > 1:
        degrees = len(values) - 1
        quantile = _T_975[degrees - 1] if degrees <= len(_T_975) else _T_LARGE
        half = quantile * stdev(values) / sqrt(len(values))
    return Figure(*(round(value, _DIGITS) for value in (middle, middle - half, middle + half)))


def figures(tallies: Sequence[Tally]) -> dict[str, Figure]:
    """Every measure over the games of one scheme in one world."""
    return {name: figure([measure(tally) for tally in tallies]) for name, measure in MEASURES.items()}
