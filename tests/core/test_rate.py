"""The check rate: what makes it one, what it is the largest of, and that a cheat never gains over staying away."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.terms import EXACT, JUDGED, policy_of
from trust.core.rate import AtStake, Rate, RateInputs, StakeCannotDeter, check_rate

TRUSTED = RateInputs(streak=100, priority_ppm=1_000_000)
DEAR = AtStake(EXACT, 1_000, 20_000)
POLICY = policy_of()


def p_ppm(inputs: RateInputs = TRUSTED, at_stake: AtStake = DEAR, **terms: object) -> int:
    return check_rate(inputs, at_stake, policy_of(**terms)).p_ppm


def test_a_trusted_worker_is_checked_at_the_largest_term() -> None:
    assert check_rate(TRUSTED, DEAR, POLICY) == Rate(55_556, 50_000, 10_000, 25_000, 55_556)
    assert p_ppm(replace(TRUSTED, streak=12)) == 83_333
    assert p_ppm(replace(TRUSTED, priority_ppm=0)) == 160_000
    assert p_ppm(at_stake=replace(DEAR, stake_units=2_000)) == 388_889
    assert p_ppm(at_stake=replace(DEAR, stake_units=100_000)) == 50_000


@pytest.mark.parametrize(
    "change",
    [
        {"streak": 9},
        {"streak": 0},
        {"watched": True},
        {"checks_since_key_change": 0},
        {"checks_since_key_change": 9},
    ],
)
def test_the_new_the_watched_and_the_rekeyed_are_always_checked(change: dict[str, Any]) -> None:
    assert p_ppm(replace(TRUSTED, **change)) == 1_000_000


def test_who_is_on_probation_is_always_checked() -> None:
    assert p_ppm(at_stake=replace(DEAR, on_probation=True)) == 1_000_000


@pytest.mark.parametrize("change", [{"streak": 10}, {"checks_since_key_change": 10}])
def test_at_the_edge_they_no_longer_are(change: dict[str, Any]) -> None:
    assert p_ppm(replace(TRUSTED, **change)) < 1_000_000


def test_the_reputation_term_runs_from_a_fortieth_to_a_sixth_and_is_clipped() -> None:
    def term(ppm: int, **terms: object) -> int:
        return check_rate(replace(TRUSTED, priority_ppm=ppm), DEAR, policy_of(**terms)).reputation_ppm

    assert [term(ppm) for ppm in (0, 500_000, 1_000_000)] == [160_000, 92_500, 25_000]
    assert term(1_000_000, reputation_base_ppm=0) == 20_000
    assert term(0, reputation_scale_ppm=1_000_000, reputation_slope_ppm=9_000_000) == 1_000_000


def test_where_nothing_is_paid_nothing_need_deter() -> None:
    assert check_rate(TRUSTED, AtStake(EXACT, 0, 0), POLICY).deterrence_ppm == 0


@pytest.mark.parametrize(
    ("at_stake", "inputs"),
    [
        (AtStake(EXACT, 1_000, 166), TRUSTED),
        (AtStake(JUDGED, 1_000, 833), TRUSTED),
        (AtStake(EXACT, 1_000, 833), replace(TRUSTED, appealable=False)),
    ],
)
def test_a_stake_that_cannot_deter_is_refused(at_stake: AtStake, inputs: RateInputs) -> None:
    """Judged work, and exact work whose fail nobody could appeal, costs a fifth of the stake."""
    with pytest.raises(StakeCannotDeter) as refused:
        check_rate(inputs, at_stake, POLICY)
    assert refused.value.code == "stake-cannot-deter"
    check_rate(inputs, replace(at_stake, stake_units=at_stake.stake_units + 1), POLICY)


amounts = st.integers(0, 10**12)
shares = st.integers(0, 1_000_000)


@settings(max_examples=300)
@given(st.integers(1, 10**12), amounts, st.integers(1, 1_000_000), shares, shares)
def test_the_deterrence_is_the_least_rate_at_which_a_cheat_loses_by_the_margin(
    price: int, stake: int, caught: int, slashed: int, margin: int
) -> None:
    policy = policy_of()
    policy = replace(policy, checks=replace(policy.checks, catch_ppm=caught, margin_ppm=margin))

    def loses(p_ppm: int) -> bool:
        return p_ppm * caught * (price * 10**6 + slashed * stake) > price * (10**6 + margin) * 10**12

    least = policy.deterrence_ppm(price, stake, slashed)
    assert loses(least)
    assert not loses(least - 1)
