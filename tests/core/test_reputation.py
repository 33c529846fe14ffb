"""Scores: exact decay, read-outs by hand, and what no order of events may change."""

from __future__ import annotations

import random
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.benchmarks.forecast import Score, score_events
from trust.core import decay, rawsums, reputation
from trust.core.decay import Decay
from trust.core.rawsums import Kind, Reading, Sums

DAY_MS = 86_400_000
CENTURY_MS = 36_525 * DAY_MS
T0 = 1_700_000_000_000
DECAY = Decay(T0)

Event = tuple[Kind, int, int]

events = st.lists(
    st.tuples(
        st.sampled_from(["good", "bad", "failure"]), st.integers(1, 24_000), st.integers(T0, T0 + CENTURY_MS)
    ),
    max_size=12,
)
milli = st.one_of(st.integers(0, 3_000), st.integers(0, 10**6))


def folded(seen: list[Event], sums: Sums | None = None) -> Sums:
    result = sums or Sums()
    for kind, weight, t_ms in seen:
        result = rawsums.add(result, DECAY, kind, weight, t_ms)
    return result


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    """What decay can leave: the fast record never exceeds the slow one."""
    good, bad = draw(milli), draw(milli)
    return Reading(good, bad, draw(st.integers(0, good)), draw(st.integers(0, bad)))


# -- decay


def test_an_observation_halves_with_each_half_life() -> None:
    sums = folded([("good", 8_000, T0 + DAY_MS)])
    at = T0 + DAY_MS
    assert rawsums.read(sums, DECAY, at) == Reading(8_000, 0, 8_000, 0)
    assert rawsums.read(sums, DECAY, at + 60 * DAY_MS).good_slow == 4_000
    assert rawsums.read(sums, DECAY, at + 28 * DAY_MS).good_fast == 2_000


def test_a_failure_is_bad_news_that_lasts_four_times_as_long() -> None:
    sums = folded([("failure", 8_000, T0)])
    assert rawsums.read(sums, DECAY, T0) == Reading(0, 8_000, 0, 8_000)
    assert rawsums.read(sums, DECAY, T0 + 240 * DAY_MS).bad_slow == 4_000
    assert rawsums.read(sums, DECAY, T0 + 56 * DAY_MS).bad_fast == 4_000


# -- what no order may change


@settings(max_examples=60)
@given(events, st.randoms(use_true_random=False), st.integers(0, 12))
def test_order_and_snapshots_change_no_bit(seen: list[Event], rng: random.Random, cut: int) -> None:
    whole = folded(seen)
    shuffled = rng.sample(seen, len(seen))
    assert folded(shuffled) == whole
    assert folded(shuffled[cut:], folded(shuffled[:cut])) == whole
    snapshot = rawsums.decode(rawsums.encode(folded(seen[:cut])))
    assert folded(seen[cut:], snapshot) == whole


@settings(max_examples=60)
@given(events)
def test_scores_stay_in_range_over_a_century(seen: list[Event]) -> None:
    reading = rawsums.read(folded(seen), DECAY, T0 + CENTURY_MS)
    assert 0 <= reputation.expected_ppm(reading) <= 1_000_000
    assert 0 <= reputation.priority_ppm(reading) <= 1_000_000


def test_a_century_of_good_work_fits_in_a_few_hundred_bytes() -> None:
    sums = folded([("good", 4_000, T0 + year * 365 * DAY_MS) for year in range(100)])
    assert len(rawsums.encode(sums)) < 500
    assert reputation.priority_ppm(rawsums.read(sums, DECAY, T0 + 99 * 365 * DAY_MS)) > 0


# -- read-outs


def test_a_newcomer_is_expected_to_do_well_and_has_no_priority() -> None:
    nothing = Reading(0, 0, 0, 0)
    assert reputation.expected_ppm(nothing) == 900_000
    assert reputation.priority_ppm(nothing) == 0


def test_the_lower_bound_equals_the_formula() -> None:
    assert reputation.lower_bound_ppm(1_000, 1_000, 1_000) == 211_324  # (1 - sqrt(1/3)) / 2
    assert reputation.lower_bound_ppm(1_280, 1_000, 1_000) == 130_495
    assert reputation.lower_bound_ppm(0, 3_000, 1_000) == 750_000
    assert reputation.lower_bound_ppm(1_000, 1_000, 0) == 1_000_000


@given(st.integers(0, 3_000), st.integers(1, 10**6), st.integers(0, 10**6))
def test_the_lower_bound_is_the_exact_floor(z: int, a: int, b: int) -> None:
    bound = reputation.lower_bound_ppm(z, a, b)
    squared = Fraction(10**9 * z * z * a * b, a + b + 1_000)

    def at_most_the_value(ppm: int) -> bool:
        room = 10**6 * a - ppm * (a + b)
        return room >= 0 and room * room >= squared

    assert at_most_the_value(bound)
    assert not at_most_the_value(bound + 1)


@given(readings())
def test_expected_is_the_exact_mixture_of_two_means(reading: Reading) -> None:
    slow = Fraction(4_500 + reading.good_slow, 5_000 + reading.good_slow + reading.bad_slow)
    fast = Fraction(4_500 + reading.good_fast, 5_000 + reading.good_fast + reading.bad_fast)
    exact = (3 * slow + 7 * fast) * 100_000
    assert reputation.expected_ppm(reading) == exact.numerator // exact.denominator


@given(readings())
def test_priority_is_the_lesser_of_two_bounds_over_the_newcomers(reading: Reading) -> None:
    slow = reputation.lower_bound_ppm(1_280, 1_000 + reading.good_slow, 1_000 + reading.bad_slow)
    alone = reputation.lower_bound_ppm(1_280, 1_000 + reading.good_slow, 1_000)
    good_part = Fraction(4_500 + reading.good_slow, 5_000 + reading.good_slow)
    fast = Fraction(4_500 + reading.good_fast, 5_000 + reading.good_fast + reading.bad_fast)
    about = min(Fraction(slow), alone - (good_part - fast) * 10**6) - 130_495
    expected = max(Fraction(0), about) if reading.good_slow >= 500 else Fraction(0)
    assert abs(reputation.priority_ppm(reading) - expected) <= 1


@given(milli, st.integers(0, 10**6))
def test_without_bad_observations_priority_is_the_bound_less_what_the_fast_mean_lost(
    good: int, fast: int
) -> None:
    reading = Reading(good, 0, min(good, fast), 0)
    slow_mean = Fraction(4_500 + good, 5_000 + good)
    fast_mean = Fraction(4_500 + reading.good_fast, 5_000 + reading.good_fast)
    bound = reputation.lower_bound_ppm(1_280, 1_000 + good, 1_000)
    about = bound - 130_495 - max(Fraction(0), slow_mean - fast_mean) * 10**6
    expected = max(Fraction(0), about) if good >= 500 else Fraction(0)
    assert abs(reputation.priority_ppm(reading) - expected) <= 1


def test_the_fast_record_lowers_priority_and_never_lifts_it_over_the_slow_ones() -> None:
    ceiling = reputation.lower_bound_ppm(1_280, 41_000, 5_000) - 130_495
    assert reputation.priority_ppm(Reading(40_000, 4_000, 40_000, 0)) == ceiling
    assert reputation.priority_ppm(Reading(40_000, 4_000, 40_000, 4_000)) == ceiling
    assert reputation.priority_ppm(Reading(40_000, 4_000, 5_000, 4_000)) < ceiling - 190_000


@settings(max_examples=200)
@given(readings(), st.integers(1, 30_000), st.data())
def test_more_good_never_lowers_and_more_bad_never_raises_a_score(
    before: Reading, weight: int, data: st.DataObject
) -> None:
    left = data.draw(
        st.integers(0, weight), label="what an observation of any age still weighs in the fast record"
    )
    good = msgspec.structs.replace(
        before, good_slow=before.good_slow + weight, good_fast=before.good_fast + left
    )
    bad = msgspec.structs.replace(before, bad_slow=before.bad_slow + weight, bad_fast=before.bad_fast + left)
    for score in (reputation.expected_ppm, reputation.priority_ppm):
        assert score(bad) <= score(before) <= score(good)


def test_an_old_bad_observation_does_not_shrink_what_the_fast_mean_fell_behind() -> None:
    before = Reading(20_000, 0, 2_000, 6_000)
    older = msgspec.structs.replace(before, bad_slow=12_000)
    assert reputation.priority_ppm(older) <= reputation.priority_ppm(before)


@settings(max_examples=100)
@given(
    events,
    st.sampled_from(["good", "bad", "failure"]),
    st.integers(1, 20_000),
    st.integers(T0, T0 + CENTURY_MS),
    st.integers(0, CENTURY_MS),
)
def test_the_same_holds_for_events_of_any_age_on_any_record(
    seen: list[Event], kind: Kind, weight: int, t_ms: int, later_ms: int
) -> None:
    now = max([t_ms, *(event[2] for event in seen)]) + later_ms
    before = rawsums.read(folded(seen), DECAY, now)
    after = rawsums.read(folded([*seen, (kind, weight, t_ms)]), DECAY, now)
    for score in (reputation.expected_ppm, reputation.priority_ppm):
        assert score(after) >= score(before) if kind == "good" else score(after) <= score(before)


recent = st.lists(
    st.tuples(
        st.sampled_from(["good", "bad", "failure"]), st.integers(1, 24_000), st.integers(T0, T0 + 90 * DAY_MS)
    ),
    max_size=12,
)


@settings(max_examples=200)
@given(recent, st.integers(0, 400 * DAY_MS))
def test_waiting_lifts_no_priority_over_what_the_slow_record_was_worth_before(
    seen: list[Event], wait_ms: int
) -> None:
    """A burst of bad news fades from the fast record; what the slow one is worth only falls, up to the rounding of a
    milli-unit in its decay.
    """
    now = T0 + 90 * DAY_MS
    before = rawsums.read(folded(seen), DECAY, now)
    after = rawsums.read(folded(seen), DECAY, now + wait_ms)
    ceiling = reputation.lower_bound_ppm(1_280, 1_001 + before.good_slow, 999 + before.bad_slow) - 130_495
    rounded = msgspec.structs.replace(after, bad_slow=after.bad_slow + 1)
    assert reputation.priority_ppm(rounded) <= max(0, ceiling)


@given(recent)
def test_all_waiting_ends_at_the_newcomers_floor(seen: list[Event]) -> None:
    ended = rawsums.read(folded(seen), DECAY, T0 + CENTURY_MS)
    assert reputation.priority_ppm(ended) == reputation.priority_ppm(Reading(0, 0, 0, 0)) == 0


@given(readings())
def test_registering_anew_never_pays(reading: Reading) -> None:
    assert reputation.priority_ppm(Reading(0, 0, 0, 0)) <= reputation.priority_ppm(reading)


def test_a_first_bad_observation_cannot_lift_a_record_over_the_half_unit() -> None:
    assert reputation.priority_ppm(Reading(499, 0, 499, 0)) == 0
    assert reputation.priority_ppm(Reading(499, 10, 499, 10)) == 0
    assert reputation.priority_ppm(Reading(500, 0, 500, 0)) > 0


def test_liveness_counts_from_one() -> None:
    assert reputation.liveness_ppm(0, 0) == 1_000_000
    assert reputation.liveness_ppm(0, 1_000) == 500_000
    assert reputation.liveness_ppm(8_000, 1_000) == 900_000


def test_a_rater_without_a_past_counts_little_and_one_that_panels_confirm_counts() -> None:
    assert reputation.rater_weight_ppm(0, 0) == 20_000
    assert reputation.rater_weight_ppm(0, 50_000) == 20_000
    assert reputation.rater_weight_ppm(20_000, 0) > 800_000
    assert reputation.rater_weight_ppm(20_000, 0) > reputation.rater_weight_ppm(20_000, 1_000)


# -- weights


def test_delta_follows_from_how_the_worker_came_to_the_task() -> None:
    assert reputation.delta_ppm("own") == 0
    assert reputation.delta_ppm("assigned") == 50_000
    assert reputation.delta_ppm("first-come") == 200_000
    assert reputation.delta_ppm("allocated", shortlist=3, eligible=30, owners=30) == 900_000
    assert reputation.delta_ppm("allocated", shortlist=9, eligible=10, owners=10) == 200_000
    assert reputation.delta_ppm("allocated", shortlist=20, eligible=12, owners=12) == 200_000
    assert reputation.delta_ppm("allocated", shortlist=3, eligible=300, owners=9) == 50_000


def test_each_lapse_of_an_allocation_divides_the_requesters_deltas() -> None:
    terms = {"shortlist": 3, "eligible": 30, "owners": 30}
    assert reputation.delta_ppm("allocated", **terms, lapses_milli=1_000) == 450_000
    assert reputation.delta_ppm("allocated", **terms, lapses_milli=2_000) == 300_000


def test_good_is_discounted_and_bad_counts_three_times() -> None:
    assert reputation.good_milli(4_000, 900_000) == 3_600
    assert reputation.good_milli(4_000, 900_000, earlier_milli=1_000) == 1_800
    assert reputation.good_milli(4_000, 900_000, small=True) == 1_800
    assert reputation.good_milli(1_000, 900_000, rater_ppm=500_000) == 450
    assert reputation.good_milli(4_000, 0) == 0
    assert reputation.bad_milli(4_000) == 12_000
    assert reputation.bad_milli(4_000, small=True) == 6_000


# -- bytes


class Row(msgspec.Struct, frozen=True):
    name: str
    good_slow: bytes = b""
    bad_slow: bytes = b""
    failure_slow: bytes = b""
    good_fast: bytes = b""
    bad_fast: bytes = b""
    failure_fast: bytes = b""


class Seen(msgspec.Struct, frozen=True):
    good_milli: int = 0
    bad_milli: int = 0
    failure_milli: int = 0


@given(st.integers(0, 2**3000))
def test_a_packed_sum_is_the_shortest_and_reads_back(total: int) -> None:
    data = rawsums.pack(total)
    assert rawsums.unpack(data) == total
    assert data[:1] != b"\0"


@given(events)
def test_sums_read_back_from_bytes(seen: list[Event]) -> None:
    sums = folded(seen)
    assert rawsums.decode(rawsums.encode(sums)) == sums


@pytest.mark.parametrize(
    "data", [b"", b"\0\0" * 5, b"\0\0" * 7, b"\0\1" + b"\0\0" * 5, b"\0\1\0" + b"\0\0" * 5]
)
def test_bytes_that_are_not_six_minimal_sums_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="raw sum"):
        rawsums.decode(data)


def test_a_record_of_packed_sums_accumulates_like_sums() -> None:
    later = T0 + 5 * DAY_MS
    row = rawsums.accumulate(Row("x"), Seen(good_milli=3_600, failure_milli=24_000), later, DECAY)
    row = rawsums.accumulate(row, Seen(bad_milli=3_000), later + DAY_MS, DECAY)
    assert row.name == "x"
    assert rawsums.stored(row) == folded(
        [("good", 3_600, later), ("failure", 24_000, later), ("bad", 3_000, later + DAY_MS)]
    )


def test_a_single_packed_sum_is_scaled_alike() -> None:
    once = rawsums.scaled(b"", 1_000, T0, T0, DAY_MS)
    twice = rawsums.scaled(once, 1_000, T0 + DAY_MS, T0, DAY_MS)
    assert decay.decayed(rawsums.unpack(twice), T0 + DAY_MS, T0, DAY_MS) == 1_500


# -- lists of events


def test_events_give_scores_in_whatever_order_they_come() -> None:
    seen = [
        ("r1", "honest", True, 4_000, T0),
        ("r2", "honest", True, 4_000, T0 + DAY_MS),
        ("r1", "liar", True, 4_000, T0),
        ("r2", "liar", False, 24_000, T0 + DAY_MS),
        ("liar", "liar", True, 90_000, T0 + DAY_MS),
    ]
    scores = score_events(seen, DECAY)
    assert scores == score_events(reversed(seen), DECAY)
    assert scores["honest"].priority_ppm > 0
    assert scores["liar"].priority_ppm == 0
    assert scores["liar"].events == 2
    reading = rawsums.read(folded([("good", 4_000, T0), ("good", 4_000, T0 + DAY_MS)]), DECAY, T0 + DAY_MS)
    assert scores["honest"] == Score(
        reputation.expected_ppm(reading), reputation.priority_ppm(reading), events=2
    )


def test_scores_fade_towards_the_newcomers_as_time_passes() -> None:
    seen = [("r", "a", True, 40_000, T0)]
    now, later, much_later = (
        score_events(seen, DECAY, T0 + days * DAY_MS)["a"].priority_ppm for days in (0, 60, 3_000)
    )
    assert now > later > much_later == 0


def test_no_events_give_no_scores() -> None:
    assert score_events([], DECAY) == {}
