"""Reputation: observations on the log to named scores (docs/reputation.md 1 and 2).

- An observation is good, bad or a failure, and carries its final weight in milli-units. Bad ones weigh kappa
  times as much; a failure (fraud, slash, upheld challenge) is bad with half-lives four times as long. Their raw
  sums are in rawsums.py.
- `expected` predicts, with prior 4.5 good and 0.5 bad. `priority` protects: a newcomer has 0, and the fast
  record can lower it, never lift it. Each is one exact expression, rounded down once at its end.
"""

from __future__ import annotations

from math import isqrt
from typing import Literal

from trust.core.rawsums import Reading

KAPPA = 3
FEW_OWNERS = 10

PRIOR_GOOD_MILLI = 4_500
PRIOR_BAD_MILLI = 500
SLOW_SHARE_PPM = 300_000
PRIORITY_Z_MILLI = 1_280
PRIORITY_MIN_GOOD_MILLI = 500
RATER_Z_MILLI = 1_000
RATER_FLOOR_PPM = 20_000

_PPM = 1_000_000
_UNIT = 1_000

Route = Literal["allocated", "probation", "first-come", "assigned", "own"]


# -- read-outs


def lower_bound_ppm(z_milli: int, a_milli: int, b_milli: int) -> int:
    """LB_z(a, b) = (a - z*sqrt(a*b/(n+1)))/n with n = a + b, rounded down; below zero for poor records."""
    return _bound_ppm(z_milli, a_milli, b_milli, 0, 1)


def expected_ppm(reading: Reading) -> int:
    """0.3 of the slow mean and 0.7 of the fast one, under the prior."""
    good_slow, all_slow = _with_prior(reading.good_slow, reading.bad_slow)
    good_fast, all_fast = _with_prior(reading.good_fast, reading.bad_fast)
    slow = SLOW_SHARE_PPM * good_slow * all_fast
    fast = (_PPM - SLOW_SHARE_PPM) * good_fast * all_slow
    return (slow + fast) // (all_slow * all_fast)


def priority_ppm(reading: Reading, slow_bound: int | None = None) -> int:
    """The lesser of two lower bounds, over an empty record's; zero below half a unit of good observations. `slow_bound`
    is the first of them where it is known.

    One is of the slow record. The other is of its good part alone, less what the fast mean has fallen behind that
    part's mean. Without bad observations that is docs/reputation.md's formula. With them the formula compares the means
    themselves, where an old bad observation lowers the slow mean, so the gap, and lifts the score. Here good ones
    raise either bound, bad ones lower it. Bad ones do not count towards the half unit, or a first one could lift a
    record over that step.
    """
    if reading.good_slow < PRIORITY_MIN_GOOD_MILLI:
        return 0
    slow = slow_bound_ppm(reading) if slow_bound is None else slow_bound
    return max(0, min(slow, fast_bound_ppm(reading)) - NEWCOMER_BOUND_PPM)


def slow_bound_ppm(reading: Reading) -> int:
    """The lower bound of the slow record."""
    return lower_bound_ppm(PRIORITY_Z_MILLI, _UNIT + reading.good_slow, _UNIT + reading.bad_slow)


def fast_bound_ppm(reading: Reading) -> int:
    """The lower bound of the slow record's good part alone, less what the fast mean has fallen behind its mean."""
    good_slow, all_slow = _with_prior(reading.good_slow, 0)
    good_fast, all_fast = _with_prior(reading.good_fast, reading.bad_fast)
    behind, scale = good_slow * all_fast - good_fast * all_slow, all_slow * all_fast
    return _bound_ppm(PRIORITY_Z_MILLI, _UNIT + reading.good_slow, _UNIT, behind, scale)


def interval_ppm(reading: Reading, slow_bound: int | None = None) -> tuple[int, int]:
    """Between what bounds the agent's share of good work lies, by its slow record (z = 1.28: about 80 %)."""
    lower = slow_bound_ppm(reading) if slow_bound is None else slow_bound
    upper = _PPM - lower_bound_ppm(PRIORITY_Z_MILLI, _UNIT + reading.bad_slow, _UNIT + reading.good_slow)
    return max(0, lower), min(_PPM, upper)


def means_ppm(reading: Reading) -> tuple[int, int]:
    """The slow and the fast mean under the prior: what `expected` is mixed of."""
    slow = _with_prior(reading.good_slow, reading.bad_slow)
    fast = _with_prior(reading.good_fast, reading.bad_fast)
    return _PPM * slow[0] // slow[1], _PPM * fast[0] // fast[1]


def liveness_ppm(done_milli: int, expired_milli: int) -> int:
    """(1 + done)/(1 + done + expired), both decayed with the slow half-life."""
    return (_UNIT + done_milli) * _PPM // (_UNIT + done_milli + expired_milli)


def rater_weight_ppm(agree_milli: int, against_milli: int) -> int:
    """Returns the weight of a requester's acceptances in ppm, from how often panels agreed with it on the same
    outputs."""
    bound = lower_bound_ppm(RATER_Z_MILLI, _UNIT + agree_milli, _UNIT + against_milli)
    return max(RATER_FLOOR_PPM, 2 * bound - _PPM)


def _with_prior(good_milli: int, bad_milli: int) -> tuple[int, int]:
    good = PRIOR_GOOD_MILLI + good_milli
    return good, good + PRIOR_BAD_MILLI + bad_milli


def _bound_ppm(z_milli: int, a_milli: int, b_milli: int, less: int, scale: int) -> int:
    """floor of 10^6 * (LB_z(a, b) - less/scale), exact: the one root is rounded up inside the fraction."""
    n = a_milli + b_milli
    squared = 10**9 * z_milli**2 * a_milli * b_milli * scale**2
    root = _ceil_sqrt(-(-squared // (n + _UNIT)))
    return (_PPM * (a_milli * scale - less * n) - root) // (n * scale)


def _ceil_sqrt(number: int) -> int:
    return isqrt(number - 1) + 1 if number else 0


NEWCOMER_BOUND_PPM = lower_bound_ppm(PRIORITY_Z_MILLI, _UNIT, _UNIT)


# -- weights


def delta_ppm(
    route: Route,
    *,
    shortlist: int = 0,
    eligible: int = 0,
    owners: int = 0,
    lapses_milli: int = 0,
    first_come_ppm: int = 200_000,
    assigned_ppm: int = 50_000,
) -> int:
    """How far the way in which the worker came to the task lets a good observation count.

    `owners` is how many the `eligible` belong to; for `lapses_milli` see `lapsed_ppm`.
    """
    if route == "own":
        return 0
    if route == "assigned":
        delta = assigned_ppm
    elif route == "first-come":
        delta = first_come_ppm
    elif owners < FEW_OWNERS:
        delta = assigned_ppm
    else:
        delta = max(first_come_ppm, (eligible - shortlist) * _PPM // eligible)
    return lapsed_ppm(delta, lapses_milli)


def lapsed_ppm(delta_ppm: int, lapses_milli: int) -> int:
    """That delta where a requester cancelled allocations or let them lapse: `lapses_milli` is their decayed count."""
    return delta_ppm * _UNIT // (_UNIT + lapses_milli)


def good_milli(
    base_milli: int, delta_ppm: int, earlier_milli: int = 0, rater_ppm: int = _PPM, *, small: bool = False
) -> int:
    """The final weight of a good observation; small work (a panel of one) counts half.

    `earlier_milli` is the decayed count of good events from the same counterparty's owner so far.
    """
    weight = base_milli * delta_ppm * rater_ppm * _UNIT
    return weight // (_PPM * _PPM * (_UNIT + earlier_milli) * (2 if small else 1))


def bad_milli(base_milli: int, *, small: bool = False) -> int:
    """The final weight of a bad observation or a failure: kappa times, and never discounted by its origin."""
    return KAPPA * base_milli // (2 if small else 1)
