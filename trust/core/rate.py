"""How often a worker is checked: the probability p, in ppm (docs/rules.md 5).

p = 1 for a worker who is new, was caught or in jail lately, works with a new key or was drawn from the probation lane.
Else it is the largest of the policy's floor, 1/streak, the term of its reputation (docs/reputation.md 4) and the
deterrence:
the least p for which a claim loses money for whoever does no work (`Policy.deterrence_ppm`). Rounded down, but for the
deterrence: its inequality is strict.
"""

from __future__ import annotations

import msgspec

from trust.core.policy import PPM, Checks, Policy


class RateInputs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The inputs of the check rate beside the policy, price and stake: the worker's streak and record in this kind,
    how many checks ago its key changed (None: never), whether it was caught or in jail lately, and whether the
    sealed pool could seat an appeal."""

    streak: int = 0
    priority_ppm: int = 0
    checks_since_key_change: int | None = None
    watched: bool = False
    appealable: bool = True


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """p, and the terms that it is the largest of; p is 1,000,000 where the worker is checked in any case."""

    p_ppm: int
    floor_ppm: int
    streak_ppm: int
    reputation_ppm: int
    deterrence_ppm: int


class AtStake(msgspec.Struct, frozen=True):
    """A claim's task kind, price and stake, and whether it is from the probation lane."""

    task_kind: str
    price_units: int
    stake_units: int
    on_probation: bool = False


class StakeCannotDeter(ValueError):
    """No probability up to one makes cheating a loss with this stake."""

    code = "stake-cannot-deter"


def check_rate(inputs: RateInputs, at_stake: AtStake, policy: Policy) -> Rate:
    """The check rate and its terms; StakeCannotDeter where even checking always does not deter."""
    slash_ppm = policy.slash_ppm(at_stake.task_kind, inputs.appealable)
    deterrence = policy.deterrence_ppm(at_stake.price_units, at_stake.stake_units, slash_ppm)
    if deterrence > PPM:
        raise StakeCannotDeter("even a certain check does not make cheating a loss: offer a larger stake")
    checks = policy.checks
    terms = (
        checks.floor_ppm,
        PPM // max(1, inputs.streak),
        _reputation_ppm(inputs.priority_ppm, checks),
        deterrence,
    )
    return Rate(PPM if _in_any_case(inputs, at_stake, checks) else max(terms), *terms)


def _in_any_case(inputs: RateInputs, at_stake: AtStake, checks: Checks) -> list[str]:
    """Returns the reasons for which a worker is checked in any case."""
    changed = inputs.checks_since_key_change
    rules = (
        (
            inputs.streak < checks.trusted_streak,
            f"its streak is {inputs.streak}, below {checks.trusted_streak}",
        ),
        (inputs.watched, "it was caught or in jail lately"),
        (at_stake.on_probation, "it was drawn from the probation lane"),
        (
            changed is not None and changed < checks.key_change_checks,
            f"its key changed {changed} checks ago",
        ),
    )
    return [reason for holds, reason in rules if holds]


def _reputation_ppm(priority_ppm: int, checks: Checks) -> int:
    """clip(scale * (base + slope * (1 - P)), floor, 1)."""
    doubt = checks.reputation_base_ppm * PPM + checks.reputation_slope_ppm * (PPM - priority_ppm)
    return min(PPM, max(checks.reputation_floor_ppm, checks.reputation_scale_ppm * doubt // PPM**2))


# -- in words


def percent(ppm: int) -> str:
    """A share in percent, to a hundredth, rounded down."""
    return f"{ppm // 10_000}.{ppm % 10_000 // 100:02d} %"


def in_words(inputs: RateInputs) -> str:
    """Returns in words the inputs of a check rate, beside the policy, the price and the stake."""
    changed = inputs.checks_since_key_change
    parts = (
        (True, f"a streak of {inputs.streak}"),
        (True, f"a priority of {percent(inputs.priority_ppm)}"),
        (changed is not None, f"a key that changed {changed} checks ago"),
        (inputs.watched, "a worker that was caught or in jail lately"),
        (not inputs.appealable, "a pool too small for an appeal"),
    )
    return ", ".join(words for holds, words in parts if holds)
