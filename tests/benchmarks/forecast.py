"""How accounts that rate one another will next be rated, where every rating comes from one of them.

The general form of docs/reputation.md 2, for events whose weights nobody has settled yet:

- A rating weighs what its rater is held to be worth at that time: its own expected score, to a power. Bad ones
  count kappa times.
- Praise for an account that is expected to do well speaks for the one who gives it. It adds to the good half of
  the rater's own prior, and at most as much as that prior weighs, since praise is cheap.
- Part of the prior follows the climate: how much of all that was said lately is bad.

It forecasts and does not protect: agreement and climate never enter a priority, and no decision reads them.
Each event costs O(1): two scores and a handful of sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

import msgspec

from trust.core import rawsums, reputation
from trust.core.decay import HalfLives, growth
from trust.core.rawsums import Reading, Sums

_PPM = 1_000_000
_CLIMATE_PRIORS = 10


class Model(msgspec.Struct, frozen=True):
    """The numbers of a forecast; `climate_ppm` is the part of the prior that follows the climate."""

    prior_good_milli: int
    prior_bad_milli: int
    slow_share_ppm: int
    kappa: int
    climate_ppm: int
    rater_power: int


class _Account:
    """Raw sums in milli-units times G: ratings received, and agreement with others (slow)."""

    __slots__ = ("agreed", "bad_fast", "bad_slow", "good_fast", "good_slow")

    def __init__(self) -> None:
        self.good_slow = self.bad_slow = self.good_fast = self.bad_fast = self.agreed = 0


_NOBODY = _Account()


class Forecast:
    """The state after some ratings. Add them in the order of time: a weight depends on what came before."""

    def __init__(self, decay: HalfLives, model: Model) -> None:
        self.decay = decay
        self.model = model
        self._accounts: dict[str, _Account] = {}
        self._climate_good = self._climate_bad = 0

    def expected_ppm(self, account: str, t_ms: int) -> int:
        """How likely the next rating of this account is good; an account nobody has rated has a score too."""
        slow, fast = self._growth(t_ms)
        return self._expected(self._accounts.get(account, _NOBODY), slow, fast, self._prior_bad(fast))

    def observed(self, account: str, t_ms: int) -> tuple[int, int, int, int]:
        """Decayed ratings received, in milli-units: good and bad slow, good and bad fast."""
        known = self._accounts.get(account, _NOBODY)
        slow, fast = self._growth(t_ms)
        return (
            known.good_slow // slow,
            known.bad_slow // slow,
            known.good_fast // fast,
            known.bad_fast // fast,
        )

    def add(self, rater: str, target: str, good: bool, weight_milli: int, t_ms: int) -> int:
        """Takes a rating in, of this weight before kappa and the rater's; the target's score just before it."""
        accounts = self._accounts
        told = accounts.get(target) or accounts.setdefault(target, _Account())
        teller = accounts.get(rater) or accounts.setdefault(rater, _Account())
        slow, fast = self._growth(t_ms)
        prior_bad = self._prior_bad(fast)
        before_ppm = self._expected(told, slow, fast, prior_bad)
        if good and rater == target:
            return before_ppm
        power = self.model.rater_power
        standing_ppm = self._expected(teller, slow, fast, prior_bad)
        weight = weight_milli * standing_ppm**power // _PPM**power
        if good:
            self._climate_good += weight * fast
            told.good_slow += weight * slow
            told.good_fast += weight * fast
            teller.agreed += max(0, 2 * before_ppm - _PPM) * weight_milli // _PPM * slow
        else:
            self._climate_bad += weight * fast
            told.bad_slow += weight * self.model.kappa * slow
            told.bad_fast += weight * self.model.kappa * fast
        return before_ppm

    def _growth(self, t_ms: int) -> tuple[int, int]:
        decay = self.decay
        return (
            growth(t_ms, decay.t0_ms, decay.slow_half_life_ms),
            growth(t_ms, decay.t0_ms, decay.fast_half_life_ms),
        )

    def _prior_bad(self, fast: int) -> int:
        """The bad part of the prior in milli-units. The climate starts as ten times the prior says."""
        model = self.model
        prior = model.prior_good_milli + model.prior_bad_milli
        bad = self._climate_bad // fast + _CLIMATE_PRIORS * model.prior_bad_milli
        everything = bad + self._climate_good // fast + _CLIMATE_PRIORS * model.prior_good_milli
        moving = prior * bad * model.climate_ppm // everything
        return (moving + (_PPM - model.climate_ppm) * model.prior_bad_milli) // _PPM

    def _expected(self, known: _Account, slow: int, fast: int, prior_bad: int) -> int:
        model = self.model
        prior = model.prior_good_milli + model.prior_bad_milli
        agreed = known.agreed // slow
        prior_good = prior - prior_bad + prior * agreed // (prior + agreed)
        good_slow, good_fast = prior_good + known.good_slow // slow, prior_good + known.good_fast // fast
        all_slow = good_slow + prior_bad + known.bad_slow // slow
        all_fast = good_fast + prior_bad + known.bad_fast // fast
        share = model.slow_share_ppm
        return (share * good_slow * all_fast + (_PPM - share) * good_fast * all_slow) // (all_slow * all_fast)


Rating = tuple[str, str, bool, int, int]
"""Rater, target, good, weight in milli-units, time in ms."""


class Score(msgspec.Struct, frozen=True):
    """The named scores of one record, in ppm, and the number of events behind them."""

    expected_ppm: int
    priority_ppm: int
    events: int


# -- scores of a list of events

RATINGS = Model(
    prior_good_milli=reputation.PRIOR_GOOD_MILLI,
    prior_bad_milli=reputation.PRIOR_BAD_MILLI,
    slow_share_ppm=reputation.SLOW_SHARE_PPM,
    kappa=reputation.KAPPA,
    climate_ppm=750_000,
    rater_power=2,
)


def score_events(
    events: Iterable[Rating],
    decay: HalfLives,
    as_of_ms: int | None = None,
    *,
    weights: Literal["final", "raters"] = "final",
) -> dict[str, Score]:
    """The scores of every target in `events`, each (rater, target, good, weight in milli-units, time in ms).

    Weights are final, kappa included, as in the log; or, with "raters", they are what each rating would weigh (1,000
    where nothing else is known) before kappa and its rater's standing, which then follow from the events
    themselves (`Forecast.add` also gives the score before each event). Praise of oneself is
    left out. The scores are as of `as_of_ms`, or of the last event. The order of the events does not matter.
    """
    counted = [event for event in events if not (event[2] and event[0] == event[1])]
    now_ms = as_of_ms if as_of_ms is not None else max((event[4] for event in counted), default=decay.t0_ms)
    counts = Counter(event[1] for event in counted)
    if weights == "final":
        return _of_final_weights(counted, decay, now_ms, counts)
    forecast = Forecast(decay, RATINGS)
    for event in sorted(counted, key=lambda event: (event[4], event)):
        forecast.add(*event)
    return {
        target: Score(
            forecast.expected_ppm(target, now_ms),
            reputation.priority_ppm(Reading(*forecast.observed(target, now_ms))),
            count,
        )
        for target, count in counts.items()
    }


def _of_final_weights(
    events: list[Rating], decay: HalfLives, now_ms: int, counts: dict[str, int]
) -> dict[str, Score]:
    records: dict[str, Sums] = {}
    for _, target, good, weight_milli, t_ms in events:
        records[target] = rawsums.add(
            records.get(target) or Sums(), decay, "good" if good else "bad", weight_milli, t_ms
        )
    readings = {target: rawsums.read(sums, decay, now_ms) for target, sums in records.items()}
    return {
        target: Score(reputation.expected_ppm(reading), reputation.priority_ppm(reading), counts[target])
        for target, reading in readings.items()
    }
