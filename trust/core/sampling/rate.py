"""How often a worker is checked: the probability p, in ppm (rules.md 5).

p = 1 for a worker who is new, was jailed lately, asks for a price out of its line, works with a new key or was drawn
from the probation lane.
Else it is the largest of the policy's floor, 1/streak, the term of its reputation (reputation.md 4) and the
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
    return Rate(_PPM if _always(inputs) else max(terms), *terms)


def _always(inputs: RateInputs) -> bool:
    changed = inputs.checks_since_key_change
    return (
        inputs.streak < inputs.trusted_streak
        or inputs.jailed_recently
        or inputs.on_probation
        or inputs.price_units > inputs.price_jump * inputs.mean_price_units
        or (changed is not None and changed < inputs.key_change_checks)
    )


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
