"""Batch checks: the published numbers, and what votes on items come to."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trust.core.sampling import items
from trust.core.sampling.draw import Stream
from trust.core.sampling.items import Tally

GOOD, BAD = True, False


def majority(holders: int) -> int:
    return holders // 2 + 1


def judged(votes: dict[int, str]) -> tuple[dict[int, set[int]], dict[tuple[int, int], bool]]:
    """Holders and votes from a word an item: g(ood), b(ad) or .(silent), one letter a seat that holds it."""
    held = {item: set(range(len(word))) for item, word in votes.items()}
    cast = {
        (seat, item): letter == "g"
        for item, word in votes.items()
        for seat, letter in enumerate(word)
        if letter != "."
    }
    return held, cast


def test_a_thousand_items_with_five_percent_bad_need_fifty_seven() -> None:
    assert items.detection_ppm(1000, 57, 0, 50) >= 950_000
    assert items.detection_ppm(1000, 56, 0, 50) < 950_000


def test_a_small_batch_is_looked_at_whole() -> None:
    assert items.sample_size(10, 57) == 10
    assert items.sample_size(1000, 57) == 57


@given(st.integers(0, 300), st.data())
def test_drawn_items_are_distinct_sorted_and_in_range(total: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(0, total))
    drawn = items.draw_items(Stream(b"", b"items"), total, size)
    assert list(drawn) == sorted(set(drawn))
    assert len(drawn) == size
    assert all(0 <= index < total for index in drawn)


def test_every_sample_is_equally_likely() -> None:
    seen = dict.fromkeys(combinations(range(5), 2), 0)
    for number in range(10_000):
        seen[items.draw_items(Stream(number.to_bytes(2), b""), 5, 2)] += 1  # type: ignore[index]
    assert sum((count - 1000) ** 2 / 1000 for count in seen.values()) < 27.9  # 9 d.f., 0.1 %


def test_items_of_an_astronomic_batch_are_drawn_at_once() -> None:
    assert len(items.draw_items(Stream(b"", b""), 2**53, 57)) == 57
    assert items.accept_count(2**53 - 1, 57, 10_000) == 3
    with_replacement_ppm = 1_000_000 - 1_000_000 * 19**57 // 20**57 - 1
    assert items.detection_ppm(2**53 - 1, 57, 0, 2**53 // 20) == with_replacement_ppm


def test_more_items_than_there_are_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="cannot draw"):
        items.draw_items(Stream(b"", b""), 3, 4)


@given(st.lists(st.integers(0, 10**6), unique=True, max_size=60).map(sorted), st.integers(2, 15))
def test_every_item_is_held_and_three_tenths_twice(drawn: list[int], seats: int) -> None:
    shares = items.share(drawn, seats)
    own = [drawn[seat::seats] for seat in range(seats)]
    holders = {item: [seat for seat in range(seats) if item in shares[seat]] for item in drawn}
    assert all(1 <= len(seats_of) <= 2 for seats_of in holders.values())
    for seat in range(seats):
        twice = sum(len(holders[item]) == 2 for item in own[seat])
        assert twice == -(-len(own[seat]) * 3 // 10)
        assert list(shares[seat]) == sorted(set(shares[seat]))


def test_a_panel_of_one_holds_everything_alone() -> None:
    assert items.share([3, 1, 2], 1) == ((1, 2, 3),)


def exact_tail(total: int, size: int, bad: int, accepted: int) -> Fraction:
    """P(X > accepted), by counting the samples one by one."""
    samples = list(combinations(range(total), size))
    return Fraction(sum(sum(item < bad for item in sample) > accepted for sample in samples), len(samples))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.data())
def test_accept_count_and_detection_equal_enumeration(total: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, total))
    tolerated_ppm = data.draw(st.integers(0, 1_000_000))
    bad = data.draw(st.integers(0, total))
    accepted = items.accept_count(total, size, tolerated_ppm)
    tolerated = total * tolerated_ppm // 1_000_000
    assert exact_tail(total, size, tolerated, accepted) <= Fraction(1, 100)
    assert accepted == 0 or exact_tail(total, size, tolerated, accepted - 1) > Fraction(1, 100)
    found = exact_tail(total, size, bad, accepted) * 1_000_000
    assert items.detection_ppm(total, size, accepted, bad) == found.numerator // found.denominator


@pytest.mark.parametrize(
    ("votes", "accepted", "expected"),
    [
        ({1: "g", 2: "gg", 3: "g"}, 0, Tally((), (), "pass")),
        ({1: "g", 2: "bb"}, 0, Tally((2,), (), "fail")),
        ({1: "g", 2: "bb"}, 1, Tally((2,), (), "pass")),
        ({1: "b", 2: "gg"}, 0, Tally((), (1,), None)),
        ({1: "b", 2: "gg"}, 1, Tally((), (1,), "pass")),
        ({1: "gb", 2: "gg"}, 0, Tally((), (1,), None)),
        ({1: "gb", 2: "bb"}, 0, Tally((2,), (1,), "fail")),
        ({1: "gb", 2: "bb"}, 1, Tally((2,), (1,), None)),
        ({1: "gbb"}, 0, Tally((1,), (1,), None)),
        ({1: "b."}, 0, Tally((), (1,), None)),
        ({1: "bb."}, 0, Tally((1,), (), "fail")),
        ({1: ".", 2: "g."}, 0, Tally((), (), "pass")),
        ({}, 0, Tally((), (), "pass")),
    ],
)
def test_votes_on_items_come_to_what_the_rules_say(
    votes: dict[int, str], accepted: int, expected: Tally
) -> None:
    assert items.tally(*judged(votes), accepted) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("b" * 8 + "g" * 7, Tally((1,), (), "fail")),
        ("b" * 7 + "g" * 8, Tally((), (), "pass")),
        ("b" * 7 + "g" * 7 + ".", Tally((1,), (1,), None)),
        ("bg" + "." * 13, Tally((), (1,), None)),
    ],
)
def test_in_later_rounds_the_quorum_settles_an_item_on_which_holders_differ(
    word: str, expected: Tally
) -> None:
    assert items.tally(*judged({1: word}), 0, majority) == expected


@pytest.mark.parametrize("word", ["b", "bg", "b."])
def test_in_the_last_round_one_seat_alone_cannot_keep_the_verdict_away(word: str) -> None:
    assert items.tally(*judged({1: word}), 0, majority).verdict is None
    assert items.tally(*judged({1: word}), 0, majority, last=True) == Tally((), (1,), "pass")
    assert items.tally(*judged({1: "bb"}), 0, majority, last=True).verdict == "fail"


def test_votes_of_seats_that_do_not_hold_the_item_count_for_nothing() -> None:
    assert items.tally({1: {0}}, {(0, 1): GOOD, (5, 1): BAD, (6, 1): BAD}, 0).verdict == "pass"


words = st.dictionaries(st.integers(0, 9), st.text(alphabet="gb.", min_size=1, max_size=5), max_size=6)


def still_open(result: Tally, last: bool) -> set[int]:
    """The disputed items that bear on the verdict; what one seat alone calls bad in the last round does not."""
    return set(result.disputed).intersection(result.bad) if last else set(result.disputed)


@given(words, st.integers(0, 4), st.booleans(), st.data())
def test_no_settling_of_disputed_items_overturns_a_verdict(
    votes: dict[int, str], accepted: int, last: bool, data: st.DataObject
) -> None:
    result = items.tally(*judged(votes), accepted, last=last)
    doubtful = sorted(still_open(result, last))
    turned_out_bad = data.draw(st.sets(st.sampled_from(doubtful))) if doubtful else set()
    final = (set(result.bad) - set(result.disputed)) | turned_out_bad
    if result.verdict:
        assert result.verdict == ("fail" if len(final) > accepted else "pass")


samples = st.lists(st.frozensets(st.integers(0, 9)), min_size=1, max_size=3)


@given(words, samples, st.integers(0, 3), st.booleans(), st.data())
def test_each_sample_is_held_against_the_accept_count_by_itself(
    votes: dict[int, str], drawn: list[frozenset[int]], accepted: int, last: bool, data: st.DataObject
) -> None:
    result = items.tally(*judged(votes), accepted, samples=drawn, last=last)
    doubtful = sorted(still_open(result, last))
    turned_out_bad = data.draw(st.sets(st.sampled_from(doubtful))) if doubtful else set()
    final = (set(result.bad) - set(result.disputed)) | turned_out_bad
    if result.verdict:
        assert result.verdict == (
            "fail" if any(len(final & sample) > accepted for sample in drawn) else "pass"
        )
    plain = items.tally(*judged(votes), accepted, last=last)
    assert (result.bad, result.disputed) == (plain.bad, plain.disputed)
