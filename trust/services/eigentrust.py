"""EigenTrust with one step of distrust, in 64-bit integers (docs/reputation.md 3; Kamvar et al. 2003).

- Trust is in Q30: all there is comes to 2^30. Of what a rater is trusted with, every account that it praises gets the
  share of its praise; who praises nobody trusts the pre-trusted. a = 0.3 of all trust returns to them each time.
- Nothing is a float. A rater's shares come to at most 2^30 and so does all trust, so a sum of products stays at or
  under 2^60. Such a sum is exact and rounded down once, so no order of additions, machine or database changes a bit.
- A sum that is exact can be mended: while few accounts change, only what changed is added, and where very few do, only
  where it arrives is anything looked at. When none does, the iterations that are left would change nothing either.
- At the end each rater's distrust is taken off once: the share of its complaints in all that it said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Ints = NDArray[np.int64]

ONE = 1 << 30
JUMP_TENTHS = 3
ITERATIONS = 40
MOST_MILLI = (1 << 33) - 1
PPM = 1_000_000
_MEND = 6
_FEW = 32


@dataclass(frozen=True)
class Matrix:
    """Shares in Q30 among all accounts: praise by its rater and by its target, complaints (`blame`) by their rater.

    Only what whole vectors are multiplied by is kept in 64 bits.
    """

    by_rater: csr_array
    by_target: csr_array
    blame: csr_array

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        parts = (self.by_rater, self.by_target, self.blame)
        return sum(part.data.nbytes + part.indices.nbytes + part.indptr.nbytes for part in parts)


def matrix(accounts: int, raters: Ints, targets: Ints, net_milli: Ints) -> Matrix:
    """The matrix of ratings; several of one pair are summed, what an account says of itself is left out."""
    from scipy.sparse import coo_array  # a tenth of a service's start

    others = raters != targets
    pairs = raters[others].astype(np.int32), targets[others].astype(np.int32)
    net = coo_array((net_milli[others], pairs), (accounts, accounts)).tocsr()
    rows = np.repeat(np.arange(accounts, dtype=np.int32), np.diff(net.indptr))
    good = np.clip(net.data, 0, MOST_MILLI)
    praise = totals(accounts, rows, good)
    liked = _shares(net, rows, good, praise)
    bad = np.clip(-net.data, 0, MOST_MILLI, out=good)
    judged = praise + totals(accounts, rows, bad)
    blamed = _shares(net, rows, bad, judged)
    del net, rows, good, bad
    return Matrix(liked.astype(np.int32), liked.T.tocsr(), blamed)


def totals(accounts: int, whose: NDArray[np.integer], values: Ints) -> Ints:
    """Returns the sum of the values for each account; exact, which `np.bincount` with its floats is not."""
    sums = np.zeros(accounts, np.int64)
    np.add.at(sums, whose, values)
    return sums


def _shares(net: csr_array, rows: NDArray[np.int32], milli: Ints, whole: Ints) -> csr_array:
    """The share that each entry has of its row's whole, where it has any."""
    from scipy.sparse import csr_array

    some = np.flatnonzero(milli)
    starts = np.searchsorted(some, net.indptr).astype(np.int32)
    shares = milli[some]
    shares <<= 30
    shares //= whole[rows[some]]
    return csr_array((shares, net.indices[some], starts), net.shape)


def trust(ratings: Matrix, pretrusted: Ints) -> Ints:
    """The trust of every account in Q30, from what the pre-trusted (in Q30, together at most 2^30) start with."""
    idle, everybody = np.diff(ratings.by_rater.indptr) == 0, np.arange(len(pretrusted))
    seeds = np.flatnonzero(pretrusted)
    given, now, loose = np.zeros(len(pretrusted), np.int64), pretrusted.copy(), 0
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
    blamed: Ints = now @ ratings.blame
    return np.maximum(0, now - (blamed >> 30))


def _hand_out(ratings: Matrix, given: Ints, now: Ints, moved: Ints, change: Ints) -> Ints | None:
    """Brings what each account is given of everybody's trust, in Q60, up to date with what the `moved` have more or
    less; returns whom that reaches (None: anybody)."""
    starts = ratings.by_rater.indptr
    handed = int((starts[moved + 1] - starts[moved]).sum())
    if _MEND * handed > ratings.by_rater.nnz:
        given[:] = ratings.by_target @ now
        return None
    rows = ratings.by_rater[moved].astype(np.int64)
    if _FEW * handed > len(now):
        given += change @ rows
        return None
    np.add.at(given, rows.indices, rows.data * np.repeat(change, np.diff(rows.indptr)))
    return np.unique(rows.indices)


def weights_ppm(trusted: Ints) -> Ints:
    """k = t / (t + median t), the median of those who are trusted at all; how far each one's acceptances count."""
    some = trusted[trusted > 0]
    if not some.size:
        return np.zeros_like(trusted)
    middle = (some.size - 1) // 2
    median = int(np.partition(some, middle)[middle])
    return trusted * PPM // (trusted + median)
