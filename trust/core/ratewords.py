"""Why a claim is checked with the probability that its entry names: every term of rules.md 5, computed again."""

from __future__ import annotations

from trust.core.sampling.rate import Rate, RateInputs, StakeCannotDeter, check_rate

_PPM = 1_000_000


def percent(ppm: int) -> str:
    """A share in percent, to a hundredth, rounded down."""
    return f"{ppm // 10_000}.{ppm % 10_000 // 100:02d} %"


def why_this_rate(rate: Rate, inputs: RateInputs) -> str:
    """The check rate, what decides it, and its terms; says so where it does not follow from its inputs."""
    try:
        follows = check_rate(inputs) == rate
    except StakeCannotDeter:
        follows = False
    reasons = _always(inputs)
    why = f"because {' and '.join(reasons)}" if reasons else "the largest of its terms"
    false = "" if follows else " THIS DOES NOT FOLLOW FROM ITS INPUTS."
    return (
        f"It is checked with probability {percent(rate.p_ppm)}, {why}. Terms: {_terms(rate, inputs)}.{false}"
    )


def what_decides(rate: Rate, inputs: RateInputs) -> str:
    """In a few words what the check rate follows from: that the worker is checked in any case, or its largest term."""
    if reasons := _always(inputs):
        return " and ".join(reasons)
    terms = (
        (rate.floor_ppm, "nobody is checked less"),
        (rate.streak_ppm, f"that is one in its streak of {inputs.streak}"),
        (rate.reputation_ppm, f"its record, a priority of {percent(inputs.priority_ppm)}, asks for that"),
        (rate.deterrence_ppm, "with less, cheating would pay"),
    )
    return max(terms)[1]


def _always(inputs: RateInputs) -> list[str]:
    """What has a worker checked in any case."""
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


def _terms(rate: Rate, inputs: RateInputs) -> str:
    return (
        f"floor {percent(rate.floor_ppm)}; 1/streak {percent(rate.streak_ppm)}; "
        f"reputation {percent(rate.reputation_ppm)} at a priority of {percent(inputs.priority_ppm)}; "
        f"deterrence {percent(rate.deterrence_ppm)}, the least p for which "
        f"p x {percent(inputs.catch_ppm)} x ({inputs.price_units} + {percent(inputs.slash_ppm)} x "
        f"{inputs.stake_units}) > {min(inputs.work_saved_units, inputs.price_units)}"
    )
