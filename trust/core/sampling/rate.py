"""How often a worker is checked: the probability p, in ppm (docs/rules.md 5).

p = 1 for a worker who is new, was jailed lately, asks for a price out of its line, works with a new key or was drawn
from the probation lane.
Else it is the largest of the policy's floor, 1/streak, the term of its reputation (docs/reputation.md 4) and the
deterrence: the least p for which cheating does not pay, p * q * (R + s*S) > c, with price R, stake S, catch
rate q, share slashed s and work saved c. Rounded down, but for the deterrence: its inequality is strict.
"""

from __future__ import annotations

import msgspec

_PPM = 1_000_000


class RateInputs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """All that p follows from. `checks_since_key_change` is None where the key never changed.

    `work_saved_units` is c, counted up to the price; the last group are the policy's numbers.
    """

    streak: int
    jailed_recently: bool
    checks_since_key_change: int | None
    price_units: int
    mean_price_units: int
    stake_units: int
    work_saved_units: int
    slash_ppm: int
    priority_ppm: int
    on_probation: bool

    floor_ppm: int
    catch_ppm: int
    trusted_streak: int
    price_jump: int
    key_change_checks: int
    reputation_scale_ppm: int
    reputation_base_ppm: int
    reputation_slope_ppm: int
    reputation_floor_ppm: int


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """p, and the terms that it is the largest of; p is 1,000,000 where the worker is checked in any case."""

    p_ppm: int
    floor_ppm: int
    streak_ppm: int
    reputation_ppm: int
    deterrence_ppm: int


class StakeCannotDeter(ValueError):
    """No probability up to one makes cheating a loss with this stake."""

    code = "stake-cannot-deter"


def check_rate(inputs: RateInputs) -> Rate:
    """The check rate and its terms; StakeCannotDeter where even checking always does not deter."""
    terms = (
        inputs.floor_ppm,
        _PPM // max(1, inputs.streak),
        _reputation_ppm(inputs),
        _deterrence_ppm(inputs),
    )
    return Rate(_PPM if _in_any_case(inputs) else max(terms), *terms)


def _in_any_case(inputs: RateInputs) -> list[str]:
    """Returns the reasons for which a worker is checked in any case."""
    changed = inputs.checks_since_key_change
    rules = (
        (
            inputs.streak < inputs.trusted_streak,
            f"its streak is {inputs.streak}, below {inputs.trusted_streak}",
        ),
        (inputs.jailed_recently, "it was in jail lately"),
        (inputs.on_probation, "it was drawn from the probation lane"),
        (
            inputs.price_units > inputs.price_jump * inputs.mean_price_units,
            f"the price {inputs.price_units} is over {inputs.price_jump} times its mean {inputs.mean_price_units}",
        ),
        (
            changed is not None and changed < inputs.key_change_checks,
            f"its key changed {changed} checks ago",
        ),
    )
    return [reason for holds, reason in rules if holds]


def _reputation_ppm(inputs: RateInputs) -> int:
    """clip(scale * (base + slope * (1 - P)), floor, 1)."""
    doubt = inputs.reputation_base_ppm * _PPM + inputs.reputation_slope_ppm * (_PPM - inputs.priority_ppm)
    return min(_PPM, max(inputs.reputation_floor_ppm, inputs.reputation_scale_ppm * doubt // _PPM**2))


def _deterrence_ppm(inputs: RateInputs) -> int:
    saved = min(inputs.work_saved_units, inputs.price_units)
    if saved <= 0:
        return 0
    loss = inputs.catch_ppm * (inputs.price_units * _PPM + inputs.slash_ppm * inputs.stake_units)
    if loss * _PPM <= saved * _PPM**3:
        raise StakeCannotDeter("even a certain check does not make cheating a loss: offer a larger stake")
    return saved * _PPM**3 // loss + 1


# -- in words


def percent(ppm: int) -> str:
    """A share in percent, to a hundredth, rounded down."""
    return f"{ppm // 10_000}.{ppm % 10_000 // 100:02d} %"


def why_this_rate(rate: Rate, inputs: RateInputs) -> str:
    """The check rate, what decides it, and its terms; says so where it does not follow from its inputs."""
    try:
        follows = check_rate(inputs) == rate
    except StakeCannotDeter:
        follows = False
    reasons = _in_any_case(inputs)
    why = f"because {' and '.join(reasons)}" if reasons else "the largest of its terms"
    false = "" if follows else " THIS DOES NOT FOLLOW FROM ITS INPUTS."
    return (
        f"It is checked with probability {percent(rate.p_ppm)}, {why}. Terms: {_terms(rate, inputs)}.{false}"
    )


def what_decides(rate: Rate, inputs: RateInputs) -> str:
    """In a few words what the check rate follows from: that the worker is checked in any case, or its largest term."""
    if reasons := _in_any_case(inputs):
        return " and ".join(reasons)
    terms = (
        (rate.floor_ppm, "nobody is checked less"),
        (rate.streak_ppm, f"that is one in its streak of {inputs.streak}"),
        (rate.reputation_ppm, f"its record, a priority of {percent(inputs.priority_ppm)}, asks for that"),
        (rate.deterrence_ppm, "with less, cheating would pay"),
    )
    return max(terms)[1]


def _terms(rate: Rate, inputs: RateInputs) -> str:
    return (
        f"floor {percent(rate.floor_ppm)}; 1/streak {percent(rate.streak_ppm)}; "
        f"reputation {percent(rate.reputation_ppm)} at a priority of {percent(inputs.priority_ppm)}; "
        f"deterrence {percent(rate.deterrence_ppm)}, the least p for which "
        f"p x {percent(inputs.catch_ppm)} x ({inputs.price_units} + {percent(inputs.slash_ppm)} x "
        f"{inputs.stake_units}) > {min(inputs.work_saved_units, inputs.price_units)}"
    )
