"""The graph pass in arrays is the one in plain integers, bit for bit; what trust may and may not do."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trust.services import eigentrust
from trust.services.eigentrust import ITERATIONS, MOST_MILLI, ONE

Rating = tuple[int, int, int]
Shares = dict[tuple[int, int], int]


def in_plain_integers(accounts: int, ratings: list[Rating], pretrusted: list[int]) -> list[int]:
    """All forty iterations in full, as the docstring of the module tells them."""
    net: dict[tuple[int, int], int] = defaultdict(int)
    for rater, target, milli in ratings:
        if rater != target:
            net[rater, target] += milli
    good = {pair: min(milli, MOST_MILLI) for pair, milli in net.items() if milli > 0}
    bad = {pair: min(-milli, MOST_MILLI) for pair, milli in net.items() if milli < 0}
    praise, said = [0] * accounts, [0] * accounts
    for (rater, _), milli in good.items():
        praise[rater] += milli
        said[rater] += milli
    for (rater, _), milli in bad.items():
        said[rater] += milli
    shares = {pair: (milli << 30) // praise[pair[0]] for pair, milli in good.items()}
    blame = {pair: (milli << 30) // said[pair[0]] for pair, milli in bad.items()}
    trust = list(pretrusted)
    for _ in range(ITERATIONS):
        given = _given(accounts, shares, trust)
        idle = sum(trust[rater] for rater in range(accounts) if not praise[rater])
        trust = [
            (7 * ((given[one] >> 30) + (pretrusted[one] * idle >> 30)) + 3 * pretrusted[one]) // 10
            for one in range(accounts)
        ]
    distrust = _given(accounts, blame, trust)
    return [max(0, trust[one] - (distrust[one] >> 30)) for one in range(accounts)]


def _given(accounts: int, shares: Shares, trust: list[int]) -> list[int]:
    given = [0] * accounts
    for (rater, target), share in shares.items():
        given[target] += share * trust[rater]
    return given


def in_arrays(accounts: int, ratings: list[Rating], pretrusted: list[int]) -> list[int]:
    columns = np.array(ratings, np.int64).reshape(-1, 3)
    matrix = eigentrust.matrix(accounts, columns[:, 0], columns[:, 1], columns[:, 2])
    found: list[int] = eigentrust.trust(matrix, np.array(pretrusted, np.int64)).tolist()
    return found


@st.composite
def networks(draw: st.DrawFn) -> tuple[int, list[Rating], list[int]]:
    accounts = draw(st.integers(1, 12))
    who = st.integers(0, accounts - 1)
    milli = st.one_of(st.integers(-8_000, 8_000), st.integers(-(2**40), 2**40))
    ratings = draw(st.lists(st.tuples(who, who, milli), max_size=40))
    seeds = draw(st.sets(who, min_size=1))
    return accounts, ratings, [ONE // len(seeds) if one in seeds else 0 for one in range(accounts)]


@settings(max_examples=60, deadline=None)
@given(networks())
def test_arrays_and_plain_integers_agree_to_the_bit(network: tuple[int, list[Rating], list[int]]) -> None:
    assert in_arrays(*network) == in_plain_integers(*network)


@pytest.mark.parametrize("few", [0, 32, 10**9], ids=["looks at few", "as it is", "looks at all"])
@pytest.mark.parametrize("mend", [0, 6, 10**9], ids=["mended", "as it is", "made anew"])
def test_mending_the_sums_and_making_them_anew_agree(
    mend: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eigentrust, "_MEND", mend)
    monkeypatch.setattr(eigentrust, "_FEW", few)
    rng = np.random.default_rng(5)
    accounts = 300
    ratings = [
        (int(r), int(t), int(w))
        for r, t, w in zip(
            rng.integers(0, accounts, 3_000),
            rng.zipf(1.5, 3_000) % accounts,
            rng.integers(-2_000, 8_000, 3_000),
            strict=True,
        )
    ]
    pretrusted = [ONE // 10] * 10 + [0] * (accounts - 10)
    assert in_arrays(accounts, ratings, pretrusted) == in_plain_integers(accounts, ratings, pretrusted)


@settings(max_examples=60, deadline=None)
@given(networks(), st.randoms(use_true_random=False))
def test_neither_the_order_nor_the_splitting_of_ratings_changes_a_bit(
    network: tuple[int, list[Rating], list[int]], rng: object
) -> None:
    accounts, ratings, pretrusted = network
    halves = [
        (rater, target, part)
        for rater, target, milli in reversed(ratings)
        for part in (milli // 2, milli - milli // 2)
    ]
    assert in_arrays(accounts, halves, pretrusted) == in_arrays(accounts, ratings, pretrusted)


@settings(max_examples=60, deadline=None)
@given(networks())
def test_all_trust_together_never_exceeds_one(network: tuple[int, list[Rating], list[int]]) -> None:
    found = in_arrays(*network)
    assert all(trust >= 0 for trust in found)
    assert sum(found) <= ONE


def test_a_ring_that_no_trusted_account_praises_has_no_trust() -> None:
    ring = [(one, other, 10**6) for one in (2, 3, 4) for other in (2, 3, 4)]
    found = in_arrays(5, [(0, 1, 1_000), *ring], [ONE, 0, 0, 0, 0])
    assert found[1] > 0
    assert found[2:] == [0, 0, 0]


def test_distrust_is_taken_off_in_the_share_that_it_has_of_all_that_the_rater_said() -> None:
    liked = in_arrays(3, [(0, 1, 3_000), (0, 2, 1_000), (1, 2, 1_000)], [ONE, 0, 0])
    blamed = in_arrays(3, [(0, 1, 3_000), (0, 2, -1_000), (1, 2, 1_000)], [ONE, 0, 0])
    assert blamed[2] < liked[2]
    assert in_arrays(3, [(0, 1, 3_000), (0, 2, -(10**9)), (1, 2, 1_000)], [ONE, 0, 0])[2] == 0


def test_the_median_account_counts_half() -> None:
    trusted = np.array([0, 10, 30, 90, 0], np.int64)
    assert eigentrust.weights_ppm(trusted).tolist() == [0, 250_000, 500_000, 750_000, 0]
    assert eigentrust.weights_ppm(np.zeros(3, np.int64)).tolist() == [0, 0, 0]


def test_a_hundred_thousand_ratings_that_are_as_large_as_can_be_do_not_overflow() -> None:
    accounts = 400
    ratings = [(rater, target, 2**40) for rater in range(accounts) for target in range(0, accounts, 2)]
    pretrusted = [ONE // accounts] * accounts
    found = in_arrays(accounts, ratings, pretrusted)
    assert found == in_plain_integers(accounts, ratings, pretrusted)
    assert sum(found) > ONE * 9 // 10
