"""EigenTrust with one step of distrust, in 64-bit integers (reputation.md 3; Kamvar et al. 2003).

- Trust is in Q30: all there is comes to 2^30. Of what a rater is trusted with, every account that it praises gets the
  share of its praise; who praises nobody trusts the pre-trusted. a = 0.3 of all trust returns to them each time.
- Nothing is a float. A rater's shares come to at most 2^30 and so does all trust, so a sum of products stays at or
  under 2^60. Such a sum is exact and rounded down once, so no order of additions, machine or database changes a bit.
- A sum that is exact can be mended: while few accounts change, only what changed is added, and only where it arrives is
  anything looked at. When none does, the iterations that are left would change nothing either.
- At the end each rater's distrust is taken off once: the share of its complaints in all that it said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Small = NDArray[np.int32]

ONE = 1 << 30
JUMP_TENTHS = 3
ITERATIONS = 40
MOST_MILLI = (1 << 33) - 1
PPM = 1_000_000
_SLICE = 1 << 14
_MEND = 6
_FEW = 32


@dataclass(frozen=True)
class Edges:
    """A sparse matrix of shares in Q30 by its rows: row r is [start[r], start[r + 1]) of the other two."""

    start: Ints
    column: Small
    share: Small

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        return self.start.nbytes + self.column.nbytes + self.share.nbytes


@dataclass(frozen=True)
class Matrix:
    """Praise by its rater and by its target, and complaints (`blame`) by their target, over accounts 0..accounts-1."""

    by_rater: Edges
    by_target: Edges
    blame: Edges

    @property
    def accounts(self) -> int:
        """How many accounts there are."""
        return len(self.by_rater.start) - 1

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        return self.by_rater.nbytes + self.by_target.nbytes + self.blame.nbytes


def matrix(accounts: int, raters: Ints, targets: Ints, net_milli: Ints) -> Matrix:
    """The matrix of ratings; several of one pair are summed, what an account says of itself is left out."""
    raters, targets, net = _pairs(raters, targets, net_milli)
    good, bad = np.clip(net, 0, MOST_MILLI), np.clip(-net, 0, MOST_MILLI)
    praise = _totals(accounts, raters, good)
    said = praise + _totals(accounts, raters, bad)
    liked, disliked = good > 0, bad > 0
    shares = (good[liked] << 30) // praise[raters[liked]]
    by_rater = _rows(accounts, raters[liked], targets[liked], shares)
    blamed = (bad[disliked] << 30) // said[raters[disliked]]
    return Matrix(
        by_rater,
        _by_target(accounts, raters[liked], targets[liked], shares),
        _by_target(accounts, raters[disliked], targets[disliked], blamed),
    )


def _by_target(accounts: int, raters: Ints, targets: Ints, shares: Ints) -> Edges:
    order = _order(targets)
    return _rows(accounts, targets[order], raters[order], shares[order])


def _pairs(raters: Ints, targets: Ints, net: Ints) -> tuple[Ints, Ints, Ints]:
    """Each pair once, by rater and target, with the sum of its ratings."""
    others = np.flatnonzero(raters != targets)
    order = others[_order(targets[others])]
    order = order[_order(raters[order])]
    raters, targets, net = raters[order], targets[order], net[order]
    another = (np.diff(raters, prepend=-1) != 0) | (np.diff(targets, prepend=-1) != 0)
    first = np.flatnonzero(another)
    summed = np.add.reduceat(net, first) if first.size else net
    return raters[first], targets[first], summed


def _order(rows: Ints) -> Ints:
    """The positions of `rows` in their order, ties as they stand: a sort of numbers is much faster than argsort."""
    count = max(1, len(rows))
    return np.sort(rows * count + np.arange(len(rows))) % count


def _totals(accounts: int, rows: Ints, values: Ints) -> Ints:
    totals = np.zeros(accounts, np.int64)
    np.add.at(totals, rows, values)
    return totals


def _rows(accounts: int, rows: Ints, columns: Ints, shares: Ints) -> Edges:
    start = np.searchsorted(rows, np.arange(accounts + 1)).astype(np.int64)
    return Edges(start, columns.astype(np.int32), shares.astype(np.int32))


def trust(ratings: Matrix, pretrusted: Ints) -> Ints:
    """The trust of every account in Q30, from what the pre-trusted (in Q30, together at most 2^30) start with."""
    idle, everybody = np.diff(ratings.by_rater.start) == 0, np.arange(ratings.accounts)
    seeds = np.flatnonzero(pretrusted)
    given, now, loose = np.zeros(ratings.accounts, np.int64), pretrusted.copy(), 0
    moved, change = seeds, pretrusted[seeds]
    for _ in range(ITERATIONS):
        if not moved.size:
            break
        loose += int(change[idle[moved]].sum())
        among = _hand_out(ratings, given, now, moved, change)
        reached = everybody if among is None else np.union1d(among, seeds)
        places: slice | Ints = slice(None) if among is None else reached
        source = pretrusted[places]
        handed = (given[places] >> 30) + (source * loose >> 30)
        change = ((10 - JUMP_TENTHS) * handed + JUMP_TENTHS * source) // 10 - now[places]
        now[places] += change
        different = np.flatnonzero(change)
        moved, change = reached[different], change[different]
    return np.maximum(0, now - (_gathered(ratings.blame, now) >> 30))


def _hand_out(ratings: Matrix, given: Ints, now: Ints, moved: Ints, change: Ints) -> Ints | None:
    """Brings what each account is given of everybody's trust, in Q60, up to date with what the `moved` have more or
    less; returns whom that reaches (None: anybody)."""
    start = ratings.by_rater.start
    counts = start[moved + 1] - start[moved]
    handed = int(counts.sum())
    if _MEND * handed > int(start[-1]):
        given[:] = _gathered(ratings.by_target, now)
        return None
    reached = _scatter(ratings.by_rater, moved, counts, change, given)
    return np.unique(np.concatenate(reached)) if _FEW * handed < len(now) else None


def _scatter(edges: Edges, rows: Ints, counts: Ints, values: Ints, into: Ints) -> list[Ints]:
    """Adds to `into` what these rows hand out of their values, in slices as below: for few rows. Returns to whom."""
    ends = np.cumsum(counts)
    reached = [edges.start[:0]]
    begin = 0
    while begin < len(rows):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + _SLICE, side="right")))
        few, upto = counts[begin:end], ends[begin:end] - before
        at = np.arange(upto[-1]) + np.repeat(edges.start[rows[begin:end]] - upto + few, few)
        columns = edges.column.take(at).astype(np.intp)
        np.add.at(into, columns, edges.share.take(at) * np.repeat(values[begin:end], few))
        reached.append(columns)
        begin = end
    return reached


def _gathered(edges: Edges, values: Ints) -> Ints:
    """What each row takes of all values. In slices, so that what is in work stays in the processor's cache."""
    result = np.zeros(len(edges.start) - 1, np.int64)
    rows = np.flatnonzero(np.diff(edges.start))
    starts = np.append(edges.start[rows], edges.start[-1])
    taken = np.zeros(len(rows), np.int64)
    small = values.astype(np.int32)  # at most 2^30: half as much to keep in the cache
    begin = 0
    while begin < len(rows):
        end = max(begin + 1, int(np.searchsorted(starts, starts[begin] + _SLICE, side="right")) - 1)
        low, high = int(starts[begin]), int(starts[end])
        products = small.take(edges.column[low:high].astype(np.intp), mode="clip").astype(np.int64)
        products *= edges.share[low:high].astype(np.int64)
        np.add.reduceat(products, starts[begin:end] - low, out=taken[begin:end])
        begin = end
    result[rows] = taken
    return result


def weights_ppm(trusted: Ints) -> Ints:
    """k = t / (t + median t), the median of those who are trusted at all; how far each one's acceptances count."""
    some = trusted[trusted > 0]
    if not some.size:
        return np.zeros_like(trusted)
    middle = (some.size - 1) // 2
    median = int(np.partition(some, middle)[middle])
    return trusted * PPM // (trusted + median)
