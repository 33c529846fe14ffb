"""Forecasts of ratings: what a rater weighs, what praise earns, and the figures on other people's data."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.benchmarks import reputation as benchmark
from tests.benchmarks.forecast import RATINGS, Forecast, Rating, score_events
from tests.shared import DATA, need
from trust.core.decay import Decay

DAY_MS = 86_400_000
T0 = 1_700_000_000_000
DECAY = Decay(T0)

names = st.sampled_from("abcde")
ratings = st.lists(
    st.tuples(
        names, names, st.booleans(), st.integers(0, 5_000), st.integers(0, 500).map(lambda d: T0 + d * DAY_MS)
    ),
    max_size=20,
)


def after(*seen: Rating) -> Forecast:
    forecast = Forecast(DECAY, RATINGS)
    for rating in seen:
        forecast.add(*rating)
    return forecast


def test_an_account_nobody_has_rated_is_expected_to_do_as_the_prior_says() -> None:
    assert after().expected_ppm("new", T0) == 900_000
    assert after().observed("new", T0) == (0, 0, 0, 0)


def test_each_rating_is_told_the_score_before_it() -> None:
    forecast = after(("r", "a", False, 1_000, T0))
    before = forecast.expected_ppm("a", T0 + DAY_MS)
    assert (
        forecast.add("s", "a", False, 1_000, T0 + DAY_MS) == before > forecast.expected_ppm("a", T0 + DAY_MS)
    )


def test_a_rater_weighs_by_the_square_of_its_own_standing() -> None:
    assert after(("r", "a", True, 1_000, T0)).observed("a", T0) == (810, 0, 810, 0)
    assert after(("r", "a", False, 1_000, T0)).observed("a", T0) == (0, 2_430, 0, 2_430)
    scorned = after(*[("r", "liar", False, 1_000, T0)] * 9, ("liar", "a", False, 1_000, T0))
    assert scorned.observed("a", T0)[1] < 300


def test_praise_for_the_good_lifts_the_one_who_gives_it_by_no_more_than_a_prior() -> None:
    fan = [("fan", f"a{n}", True, 1_000, T0) for n in range(400)]
    assert after(fan[0]).expected_ppm("fan", T0) > after().expected_ppm("fan", T0)
    bad = [("r", "fan", False, 1_000, T0)] * 20
    lone = after(*bad).expected_ppm("fan", T0)
    assert lone < after(*fan, *bad).expected_ppm("fan", T0) < 2 * lone + 50_000


def test_praise_for_the_bad_earns_nothing() -> None:
    bad = [("r", "liar", False, 1_000, T0)] * 9
    praise = ("fan", "liar", True, 1_000, T0)
    forecast = after(*bad, praise)
    assert forecast.expected_ppm("fan", T0) == forecast.expected_ppm("new", T0)


def test_praise_given_never_makes_a_priority() -> None:
    seen = [("fan", "a", True, 5_000, T0), ("a", "fan", False, 1, T0)]
    assert score_events(seen, DECAY, weights="raters")["fan"].priority_ppm == 0


def test_newcomers_are_expected_to_do_worse_while_much_that_is_said_is_bad() -> None:
    bad = [(f"r{n}", f"liar{n}", False, 1_000, T0) for n in range(100)]
    now, later = (after(*bad).expected_ppm("new", T0 + days * DAY_MS) for days in (0, 400))
    assert now < 600_000
    assert 899_000 < later <= 900_000


@settings(max_examples=60)
@given(ratings, st.randoms(use_true_random=False))
def test_the_order_of_a_list_of_ratings_changes_no_score(seen: list[Rating], rng: random.Random) -> None:
    scores = score_events(seen, DECAY, weights="raters")
    assert scores == score_events(rng.sample(seen, len(seen)), DECAY, weights="raters")
    assert all(0 <= score.expected_ppm <= 1_000_000 for score in scores.values())
    assert all(0 <= score.priority_ppm <= 1_000_000 for score in scores.values())


@settings(max_examples=60)
@given(ratings, names)
def test_praise_of_oneself_changes_nothing(seen: list[Rating], name: str) -> None:
    praise = (name, name, True, 5_000, T0)
    assert score_events([praise, *seen], DECAY, weights="raters") == score_events(
        seen, DECAY, weights="raters"
    )
    assert after(praise, *seen).expected_ppm(name, T0 + 500 * DAY_MS) == after(*seen).expected_ppm(
        name, T0 + 500 * DAY_MS
    )


def test_quality_counts_equal_scores_as_one_threshold() -> None:
    apart = benchmark.quality([1, 2, 3, 4], [True, False, True, False])
    assert (apart.auc, apart.precision) == pytest.approx((0.75, 5 / 6))
    assert benchmark.quality([1, 1, 1, 1], [True, False, False, False]) == benchmark.Quality(0.5, 0.25)


@pytest.mark.parametrize("data", [benchmark.OTC, benchmark.ALPHA], ids=lambda data: data.name)
def test_the_next_rating_of_other_peoples_data_is_forecast_as_well_as_promised(
    data: benchmark.DataSet,
) -> None:
    need(DATA / data.file)
    events = data.events()
    first = int(len(events) * benchmark.TEST_FROM)
    negative = [event[2] < 0 for event in events[first:]]
    reached = benchmark.quality(benchmark.ours(events, RATINGS)[first:], negative)
    assert reached.auc >= data.goal.auc
    assert reached.precision >= data.goal.precision
