"""The check rate: what makes it one, what it is the largest of, and that cheating never pays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from trust.core.rate import Rate, RateInputs, StakeCannotDeter, check_rate

TRUSTED = RateInputs(
    streak=100,
    jailed_recently=False,
    checks_since_key_change=None,
    price_units=1_000,
    mean_price_units=1_000,
    stake_units=10_000,
    work_saved_units=500,
    slash_ppm=1_000_000,
    priority_ppm=1_000_000,
    on_probation=False,
    floor_ppm=50_000,
    trusted_streak=10,
    price_jump=3,
    key_change_checks=10,
    reputation_scale_ppm=100_000,
    reputation_base_ppm=250_000,
    reputation_slope_ppm=1_350_000,
    reputation_floor_ppm=20_000,
    catch_ppm=950_000,
)


def test_a_trusted_worker_is_checked_at_the_largest_term() -> None:
    assert check_rate(TRUSTED) == Rate(50_000, 50_000, 10_000, 25_000, 47_847)
    assert check_rate(replace(TRUSTED, streak=12)).p_ppm == 83_333
    assert check_rate(replace(TRUSTED, priority_ppm=0)).p_ppm == 160_000
    assert check_rate(replace(TRUSTED, stake_units=2_000)).p_ppm == 175_439


@pytest.mark.parametrize(
    "change",
    [
        {"streak": 9},
        {"streak": 0},
        {"jailed_recently": True},
        {"price_units": 3_001},
        {"mean_price_units": 0},
        {"checks_since_key_change": 0},
        {"checks_since_key_change": 9},
    ],
)
def test_the_new_the_jailed_the_dear_and_the_rekeyed_are_always_checked(change: dict[str, Any]) -> None:
    assert check_rate(replace(TRUSTED, **change)).p_ppm == 1_000_000


@pytest.mark.parametrize(
    "change",
    [{"streak": 10}, {"price_units": 3_000}, {"checks_since_key_change": 10}, {"mean_price_units": 334}],
)
def test_at_the_edge_they_no_longer_are(change: dict[str, Any]) -> None:
    assert check_rate(replace(TRUSTED, **change)).p_ppm < 1_000_000


def test_the_reputation_term_runs_from_a_fortieth_to_a_sixth_and_is_clipped() -> None:
    term = [check_rate(replace(TRUSTED, priority_ppm=ppm)).reputation_ppm for ppm in (0, 500_000, 1_000_000)]
    assert term == [160_000, 92_500, 25_000]
    assert check_rate(replace(TRUSTED, reputation_base_ppm=0)).reputation_ppm == 20_000
    wild = replace(TRUSTED, reputation_scale_ppm=1_000_000, reputation_slope_ppm=9_000_000, priority_ppm=0)
    assert check_rate(wild).reputation_ppm == 1_000_000


def test_where_nothing_is_saved_nothing_need_deter() -> None:
    free = replace(TRUSTED, price_units=0, mean_price_units=0, work_saved_units=7, stake_units=0)
    assert check_rate(free).deterrence_ppm == 0
    assert check_rate(replace(TRUSTED, work_saved_units=0, catch_ppm=0)).deterrence_ppm == 0


@pytest.mark.parametrize(
    "change",
    [
        {"catch_ppm": 0},
        {"stake_units": 0, "work_saved_units": 1_000},
        {"stake_units": 0, "catch_ppm": 500_000},
        {"slash_ppm": 0, "work_saved_units": 950},
    ],
)
def test_a_stake_that_cannot_deter_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(StakeCannotDeter) as refused:
        check_rate(replace(TRUSTED, **change))
    assert refused.value.code == "stake-cannot-deter"


def test_just_short_of_even_it_is_accepted() -> None:
    assert check_rate(replace(TRUSTED, slash_ppm=0, work_saved_units=949)).deterrence_ppm == 998_948


amounts = st.integers(0, 10**12)
shares = st.integers(0, 1_000_000)


@settings(max_examples=300)
@given(amounts, amounts, amounts, shares, shares)
def test_the_deterrence_is_the_least_rate_at_which_cheating_loses(
    price: int, stake: int, saved: int, caught: int, slashed: int
) -> None:
    assume(0 < saved <= price)
    inputs = replace(
        TRUSTED,
        price_units=price,
        stake_units=stake,
        work_saved_units=saved,
        catch_ppm=caught,
        slash_ppm=slashed,
    )

    def loses(p_ppm: int) -> bool:
        return p_ppm * caught * (price * 10**6 + slashed * stake) > saved * 10**18

    try:
        rate = check_rate(inputs)
    except StakeCannotDeter:
        assert not loses(1_000_000)
        return
    assert loses(rate.deterrence_ppm)
    assert not loses(rate.deterrence_ppm - 1)
    assert 0 <= rate.deterrence_ppm <= rate.p_ppm <= 1_000_000


def test_work_saved_counts_up_to_the_price() -> None:
    greedy = replace(TRUSTED, work_saved_units=10**9)
    assert check_rate(greedy) == check_rate(replace(TRUSTED, work_saved_units=1_000))
