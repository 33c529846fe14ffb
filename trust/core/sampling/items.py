"""Batch work: which items a panel looks at, and what their votes come to (docs/rules.md 5, Batch work).

- The panel together draws m of N items without replacement; each seat has its own share, and a part of every
  share is held by another seat too.
- An item counts bad only when at least two seats say bad. It is disputed when holders differ, or when one
  seat calls it bad and no second one judged it.
- The batch fails when more than `accept_count` items of one of its samples count bad. While the disputed items could
  change that, there is no verdict.
- All probabilities are hypergeometric and exact: ratios of binomials, never floats.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from functools import lru_cache
from math import comb
from typing import Literal

import msgspec

from trust.core.sampling.draw import Stream

OVERLAP_PPM = 300_000
SIGNIFICANCE_PPM = 10_000

_PPM = 1_000_000
_SEATS_TO_CONVICT = 2


class Tally(msgspec.Struct, frozen=True):
    """The outcome of the votes on a batch, items sorted. One that counts bad may be disputed all the same.

    `verdict` is None where there is no agreement.
    """

    bad: tuple[int, ...]
    disputed: tuple[int, ...]
    verdict: Literal["pass", "fail"] | None


def sample_size(total: int, batch_sample_items: int) -> int:
    """m: how many of `total` items are looked at."""
    return min(total, batch_sample_items)


def draw_items(stream: Stream, total: int, size: int) -> tuple[int, ...]:
    """`size` of the indices 0..total-1 without replacement, sorted (Floyd's algorithm: no memory for all)."""
    if not 0 <= size <= total:
        raise ValueError(f"cannot draw {size} of {total} items")
    drawn: set[int] = set()
    for last in range(total - size, total):
        index = stream.below(last + 1)
        drawn.add(last if index in drawn else index)
    return tuple(sorted(drawn))


def share(items: Sequence[int], seats: int, overlap_ppm: int = OVERLAP_PPM) -> tuple[tuple[int, ...], ...]:
    """The items of each seat, sorted: its own, dealt in turn, and the first part of the next seat's own.

    The part is `overlap_ppm` of the next seat's items, rounded up; a panel of one has nobody to overlap with.
    """
    own = [items[seat::seats] for seat in range(seats)]
    if seats == 1:
        return (tuple(sorted(own[0])),)
    shares = []
    for seat in range(seats):
        following = own[(seat + 1) % seats]
        overlap = following[: -(-len(following) * overlap_ppm // _PPM)]
        shares.append(tuple(sorted({*own[seat], *overlap})))
    return tuple(shares)


@lru_cache(maxsize=4_096)
def accept_count(total: int, size: int, tolerated_ppm: int, significance_ppm: int = SIGNIFICANCE_PPM) -> int:
    """The least a with P(X > a) <= significance: X bad among `size` drawn when the tolerated share is bad."""
    bad = total * tolerated_ppm // _PPM
    draws = comb(total, size)
    above = draws
    for accepted in range(size + 1):
        above -= _ways(total, size, bad, accepted)
        if above * _PPM <= significance_ppm * draws:
            return accepted
    raise AssertionError("nothing is above the sample size")


@lru_cache(maxsize=4_096)
def detection_ppm(total: int, size: int, accepted: int, bad: int) -> int:
    """P(X > accepted) where `bad` of `total` items are bad, rounded down to ppm."""
    draws = comb(total, size)
    missed = sum(_ways(total, size, bad, hits) for hits in range(accepted + 1))
    return (draws - missed) * _PPM // draws


def _ways(total: int, size: int, bad: int, hits: int) -> int:
    """Returns the number of samples that hold exactly `found` bad items."""
    if hits > size:
        return 0
    return comb(bad, hits) * comb(total - bad, size - hits)


def unanimous(holders: int) -> int:
    """The equal votes that an item needs in the first round: all of them."""
    return holders


def tally(
    held: Mapping[int, Set[int]],
    votes: Mapping[tuple[int, int], bool],
    accepted: int,
    needed: Callable[[int], int] = unanimous,
    samples: Sequence[Collection[int]] = (),
    *,
    last: bool = False,
) -> Tally:
    """Returns the outcome of votes, (seat, item) -> good; `held` says which seats had to judge each item.

    Where holders differ, `needed(number of holders)` equal votes settle the item: all in the first round,
    the round's quorum in later ones. After the last round nobody is left to confirm what one seat alone calls
    bad: it stays disputed, so nobody was wrong by it, and counts for nothing. Without these two a single seat could
    keep every verdict away. Each of the `samples` is held against `accepted` by itself; without any, all items are one
    sample.
    """
    bad, disputed = [], []
    for item, seats in sorted(held.items()):
        good_votes = sum(votes.get((seat, item)) is True for seat in seats)
        bad_votes = sum(votes.get((seat, item)) is False for seat in seats)
        convicted = bad_votes >= _SEATS_TO_CONVICT
        quorum = needed(len(seats)) if good_votes else 0
        if bad_votes == 0 or 0 < quorum <= good_votes:
            continue
        if convicted:
            bad.append(item)
        if not convicted or bad_votes < quorum:
            disputed.append(item)
    doubtful = set(disputed).intersection(bad) if last else set(disputed)
    return Tally(tuple(bad), tuple(disputed), _verdict(set(bad), doubtful, accepted, samples or [held]))


def _verdict(
    bad: set[int], disputed: set[int], accepted: int, samples: Sequence[Collection[int]]
) -> Literal["pass", "fail"] | None:
    if any(len((bad - disputed).intersection(sample)) > accepted for sample in samples):
        return "fail"
    possible = max(len((bad | disputed).intersection(sample)) for sample in samples)
    return "pass" if possible <= accepted else None
