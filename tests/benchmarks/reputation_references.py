"""Published scores of accounts that rate one another, each from the ratings so far: what ours is measured against.

Ratings run from -10 to 10. A higher score is better; an account that nobody has rated scores as its source says.
Scores of the whole graph renew what raters are worth once in `RENEW` ratings, from where they stood before, and
read what was said of the target afresh each time.
"""

from __future__ import annotations

from collections import defaultdict
from math import sqrt
from typing import Protocol

from trust.core import rawsums, reputation
from trust.core.decay import Decay

RENEW = 300
ROUNDS = 5
TOP = 10
DAY_MS = 86_400_000


class Scoring(Protocol):
    """What is measured: a score from the past alone, then the rating that came."""

    def score(self, target: str, t_ms: int) -> float: ...
    def add(self, rater: str, target: str, rating: int, t_ms: int) -> None: ...


class Mean:
    """The mean rating, as ERC-8004 averages; 0 for a newcomer."""

    def __init__(self) -> None:
        self.totals: dict[str, tuple[int, int]] = {}

    def score(self, target: str, t_ms: int) -> float:
        total, count = self.totals.get(target, (0, 1))
        return total / count

    def add(self, rater: str, target: str, rating: int, t_ms: int) -> None:
        total, count = self.totals.get(target, (0, 0))
        self.totals[target] = total + rating, count + 1


class Beta:
    """The mean of Beta(4, 1) and the good and bad ratings (Josang and Ismail 2002), with a half-life or without."""

    def __init__(self, half_life_days: float | None = None) -> None:
        self.half_life_days = half_life_days
        self.seen: dict[str, tuple[float, float, int]] = {}

    def counts(self, target: str, t_ms: int) -> tuple[float, float]:
        good, bad, last_ms = self.seen.get(target, (0.0, 0.0, t_ms))
        fade = 1.0
        if self.half_life_days is not None:
            fade = 0.5 ** ((t_ms - last_ms) / (DAY_MS * self.half_life_days))
        return good * fade, bad * fade

    def score(self, target: str, t_ms: int) -> float:
        good, bad = self.counts(target, t_ms)
        return (4 + good) / (5 + good + bad)

    def add(self, rater: str, target: str, rating: int, t_ms: int) -> None:
        good, bad = self.counts(target, t_ms)
        self.seen[target] = good + (rating > 0), bad + (rating < 0), t_ms


class Wilson(Beta):
    """Wilson's lower bound of the share of good ratings, at 95 %; 0 for a newcomer."""

    def score(self, target: str, t_ms: int) -> float:
        good, bad = self.counts(target, t_ms)
        if not (count := good + bad):
            return 0.0
        share, z = good / count, 1.96
        spread = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
        return (share + z * z / (2 * count) - spread) / (1 + z * z / count)


class Folded:
    """The log's own fold and expected score, without anything about raters: every rating weighs one unit."""

    def __init__(self, t0_ms: int) -> None:
        self.decay = Decay(t0_ms)
        self.records: dict[str, rawsums.Sums] = defaultdict(rawsums.Sums)

    def score(self, target: str, t_ms: int) -> float:
        return reputation.expected_ppm(rawsums.read(self.records[target], self.decay, t_ms))

    def add(self, rater: str, target: str, rating: int, t_ms: int) -> None:
        kind: rawsums.Kind = "good" if rating > 0 else "bad"
        weight_milli = 1_000 if rating > 0 else reputation.bad_milli(1_000)
        self.records[target] = rawsums.add(self.records[target], self.decay, kind, weight_milli, t_ms)


class Graph:
    """Ratings by target and by rater, on a scale from -1 to 1."""

    def __init__(self) -> None:
        self.received: dict[str, list[tuple[str, float]]] = defaultdict(list)
        self.given: dict[str, list[tuple[str, float]]] = defaultdict(list)
        self.count = 0

    def add(self, rater: str, target: str, rating: int, t_ms: int) -> None:
        self.received[target].append((rater, rating / TOP))
        self.given[rater].append((target, rating / TOP))
        self.count += 1
        if self.count % RENEW == 0:
            self.renew()

    def renew(self) -> None:
        """Raters' worth from the graph as it is."""
        raise NotImplementedError


class EigenTrust(Graph):
    """EigenTrust (Kamvar et al. 2003), a = 0.15, every rater pre-trusted alike; with one step of distrust or not."""

    JUMP = 0.15

    def __init__(self, distrust: bool = False) -> None:
        super().__init__()
        self.distrust = distrust
        self.trust: dict[str, float] = {}
        self.praise: dict[str, float] = {}
        self.blame: dict[str, float] = {}

    def renew(self) -> None:
        self.praise = {rater: sum(r for _, r in said if r > 0) for rater, said in self.given.items()}
        self.blame = {rater: -sum(r for _, r in said if r < 0) for rater, said in self.given.items()}
        start = 1 / len(self.given)
        for _ in range(ROUNDS):
            fresh = dict.fromkeys(self.given, self.JUMP * start)
            for rater, said in self.given.items():
                if praise := self.praise[rater]:
                    share = (1 - self.JUMP) * self.trust.get(rater, start) / praise
                    for target, rating in said:
                        if rating > 0:
                            fresh[target] = fresh.get(target, 0.0) + share * rating
            self.trust = fresh

    def score(self, target: str, t_ms: int) -> float:
        total = 0.0
        for rater, rating in self.received[target]:
            worth = self.trust.get(rater, 0.0)
            if rating > 0:
                total += worth * rating / (self.praise.get(rater) or 1)
            elif self.distrust:
                total += worth * rating / (self.blame.get(rater) or 1)
        return total


class FairnessGoodness(Graph):
    """Fairness and Goodness (Kumar et al. 2016): what raters weigh is how near they are to the weighted mean."""

    def __init__(self) -> None:
        super().__init__()
        self.fairness: dict[str, float] = {}

    def score(self, target: str, t_ms: int) -> float:
        said = self.received[target]
        return sum(self.fairness.get(rater, 1.0) * rating for rater, rating in said) / (len(said) or 1)

    def renew(self) -> None:
        for _ in range(ROUNDS):
            goodness = {target: self.score(target, 0) for target in self.received}
            self.fairness = {
                rater: 1 - sum(abs(rating - goodness[target]) for target, rating in said) / (2 * len(said))
                for rater, said in self.given.items()
            }


class Rev2(Graph):
    """After REV2 (Kumar et al. 2018): reliability of each rating between fairness and goodness, smoothed priors."""

    PRIOR_COUNT = 1.0
    FAIRNESS, GOODNESS = 0.9, 0.5

    def __init__(self) -> None:
        super().__init__()
        self.fairness: dict[str, float] = {}
        self.goodness: dict[str, float] = {}

    def reliability(self, rater: str, target: str, rating: float) -> float:
        near = 1 - abs(rating - self.goodness.get(target, self.GOODNESS)) / 2
        return (self.fairness.get(rater, self.FAIRNESS) + near) / 2

    def score(self, target: str, t_ms: int) -> float:
        said = self.received[target]
        total = sum(self.reliability(rater, target, rating) * rating for rater, rating in said)
        return (total + self.PRIOR_COUNT * self.GOODNESS) / (len(said) + self.PRIOR_COUNT)

    def renew(self) -> None:
        for _ in range(ROUNDS):
            self.goodness = {target: self.score(target, 0) for target in self.received}
            self.fairness = {rater: self._fairness(rater, said) for rater, said in self.given.items()}

    def _fairness(self, rater: str, said: list[tuple[str, float]]) -> float:
        total = sum(self.reliability(rater, target, rating) for target, rating in said)
        return (total + self.PRIOR_COUNT * self.FAIRNESS) / (len(said) + self.PRIOR_COUNT)
