"""The graph pass as a read-out off the log (docs/reputation.md 3): never an input of a decision, the same for whoever
asks.

- Accounts are owners: what an owner's agents do for each other moves nothing, what one earns speaks for all. One more
  stands for the panels, and for whatever else the rules found out.
- A rating is an observation of a worker with its final weight, decayed as anywhere else and rounded down by itself.
- Half of the trust that is there starts from the panels, half from the policy's seeds, as many as have a bond's worth
  of free money; all of it from the panels where no seed has.
- Beside trust: what was seen of the account's work, acceptances scaled by k of who accepted, and their mean under the
  prior. Of a log as of a size all of this follows, so anybody gets the same numbers: `trust log graph`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trust.core import rawsums, reputation
from trust.core.decay import STEPS, TABLE, HalfLives
from trust.core.rawsums import Reading
from trust.services import eigentrust
from trust.services.eigentrust import ONE, PPM, Ints
from trust.storage import observations as stored
from trust.storage.projections import PANELS
from trust.storage.reading import Reader

_GONE = 60
_COLUMNS = 6
_TABLE = np.array(TABLE, np.int64)


class Ratings:
    """The ratings of the first `size` entries, 48 bytes each; owners by number, the panels are 0."""

    def __init__(self) -> None:
        self.size = 0
        self.numbers: dict[str, int] = {PANELS: 0}
        self._rows = np.zeros((0, _COLUMNS), np.int64)

    @property
    def rows(self) -> NDArray[np.int64]:
        """One row a rating: rater, target, time in ms, and good, bad and failure in milli-units."""
        return self._rows

    def take(self, reader: Reader, size: int) -> None:
        """Reads on, up to `size` entries."""
        new_ratings = stored.ratings(reader.connection, self.size, size)
        parts = [np.array([self._numbered(row) for row in part], np.int64) for part in new_ratings]
        self._rows = np.concatenate([self._rows, *parts])
        self.size = size

    def _numbered(self, row: stored.Rating) -> tuple[int, ...]:
        numbers = self.numbers
        return (
            numbers.setdefault(row[0], len(numbers)),
            numbers.setdefault(row[1], len(numbers)),
            *row[2:],
        )

    def number(self, owner: str) -> int:
        """An owner's number; a new one where nobody rated it yet."""
        return self.numbers.setdefault(owner, len(self.numbers))


@dataclass(frozen=True)
class Pass:
    """A graph pass as of `size` entries; arrays by the owner's number."""

    size: int
    at_ms: int
    ratings: int
    seeds: tuple[str, ...]
    numbers: dict[str, int]
    trust: Ints
    weight_ppm: Ints
    good_milli: Ints
    bad_milli: Ints

    def of(self, owner: str) -> dict[str, Any]:
        """Returns the figures of an owner; nothing trusted and nothing seen of one that nobody rated."""
        number = self.numbers.get(owner, len(self.trust))
        known = number < len(self.trust)
        trust, weight, good, bad = (
            (int(column[number]) if known else 0)
            for column in (self.trust, self.weight_ppm, self.good_milli, self.bad_milli)
        )
        return {
            "as_of": {"size": self.size, "at_ms": self.at_ms},
            "owner": owner,
            "trust_q30": trust,
            "weight_ppm": weight,
            "good_milli": good,
            "bad_milli": bad,
            "expected_ppm": reputation.expected_ppm(Reading(good, bad, good, bad)),
        }


@dataclass(frozen=True)
class Known:
    """All that a pass as of `size` entries needs of the log."""

    size: int
    at_ms: int
    ratings: Ratings
    decay: HalfLives
    seeds: tuple[str, ...]
    owners: tuple[str, ...]


def known_of(reader: Reader, ratings: Ratings, size: int) -> Known:
    """Returns the graph as of a log size; `ratings` are read on from where they stand."""
    at_ms = reader.entries(size - 1, size)[0].at_ms
    ratings.take(reader, size)
    seeds = _seeds(reader, at_ms, size)
    owners = sorted({stored.owner_of(reader, seed) for seed in seeds})
    return Known(size, at_ms, ratings, reader.network(), tuple(seeds), tuple(owners))


def graph_pass(known: Known) -> Pass:
    """The pass over what is known: seconds for millions of ratings, so no connection is held meanwhile."""
    rows, numbers = known.ratings.rows, known.ratings.numbers
    pretrusted = _pretrusted(known.ratings, known.owners)
    good, bad = _decayed(rows, known.decay, known.at_ms)
    raters, targets, accounts = rows[:, 0], rows[:, 1], len(numbers)
    trust = eigentrust.trust(eigentrust.matrix(accounts, raters, targets, good - bad), pretrusted)
    weight_ppm = eigentrust.weights_ppm(trust)
    scale = np.where(raters == 0, PPM, weight_ppm[raters])
    return Pass(
        size=known.size,
        at_ms=known.at_ms,
        ratings=len(rows),
        seeds=known.seeds,
        numbers=numbers,
        trust=trust,
        weight_ppm=weight_ppm,
        good_milli=eigentrust.totals(accounts, targets, good * scale // PPM),
        bad_milli=eigentrust.totals(accounts, targets, bad),
    )


def _seeds(reader: Reader, at_ms: int, size: int) -> list[str]:
    policy = stored.policy_at(reader, at_ms, size).terms
    return [
        seed
        for seed in sorted(set(policy.reputation.seeds))
        if stored.free_units(reader.connection, seed, size) >= policy.liability_units()
    ]


def _pretrusted(ratings: Ratings, owners: Sequence[str]) -> Ints:
    numbers = [ratings.number(owner) for owner in owners]
    shares = np.zeros(len(ratings.numbers), np.int64)
    shares[0] = ONE // 2 if numbers else ONE
    shares[numbers] = ONE // 2 // max(1, len(numbers))
    return shares


def _decayed(rows: NDArray[np.int64], decay: HalfLives, at_ms: int) -> tuple[Ints, Ints]:
    """Returns what each rating's good and bad observations are worth at a time, in milli-units."""
    slow_ms = decay.slow_half_life_ms
    good = _worth(rows[:, 3], rows[:, 2], decay.t0_ms, at_ms, slow_ms)
    bad = _worth(rows[:, 4], rows[:, 2], decay.t0_ms, at_ms, slow_ms)
    failure = _worth(rows[:, 5], rows[:, 2], decay.t0_ms, at_ms, slow_ms * rawsums.FAILURE_HALF_LIVES)
    return good, bad + failure


def _worth(milli: Ints, t_ms: Ints, t0_ms: int, at_ms: int, half_life_ms: int) -> Ints:
    """floor(w * G(t) / G(at)), as `core.decay` has G, where w * 2^17 stays under 2^63."""
    doublings, step = np.divmod((t_ms - t0_ms) * STEPS // half_life_ms, STEPS)
    last_doublings, last_step = divmod((at_ms - t0_ms) * STEPS // half_life_ms, STEPS)
    halvings = last_doublings - doublings
    worth: Ints = milli * _TABLE[step] // TABLE[last_step] >> np.minimum(halvings, _GONE)
    return worth


def graph_of(reader: Reader, agent: str, size: int) -> tuple[str, Pass]:
    """An agent's owner, and the pass as of a size from nothing but the log."""
    owner = stored.owner_of(reader, agent) if agent else ""
    return owner, graph_pass(known_of(reader, Ratings(), size))


def summary(made: Pass, most: int = 20) -> dict[str, Any]:
    """A pass as a whole, and the owners who are trusted most."""
    owners = sorted(made.numbers, key=lambda owner: (-int(made.trust[made.numbers[owner]]), owner))
    return {
        "as_of": {"size": made.size, "at_ms": made.at_ms},
        "owners": len(owners),
        "ratings": made.ratings,
        "seeds": list(made.seeds),
        "most_trusted": [made.of(owner) for owner in owners[:most]],
    }
