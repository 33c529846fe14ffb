"""How accounts that rate one another will next be rated, where every rating comes from one of them.

The general form of reputation.md 2, for events whose weights nobody has settled yet:

- A rating weighs what its rater is held to be worth at that time: its own expected score, to a power. Bad ones
  count kappa times.
- Praise for an account that is expected to do well speaks for the one who gives it. It adds to the good half of
  the rater's own prior, and at most as much as that prior weighs, since praise is cheap.
- Part of the prior follows the climate: how much of all that was said lately is bad.

It forecasts and does not protect: agreement and climate never enter a priority, and no decision reads them.
Each event costs O(1): two scores and a handful of sums.
"""

from __future__ import annotations

import msgspec

from trust.core.decay import HalfLives, growth

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
