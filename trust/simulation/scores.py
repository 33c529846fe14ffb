"""Published scores, each ranking the same eight candidates on the same events: the best is taken, ties by chance.

One task in twenty goes to any candidate. A check looks at a fixed share of all tasks; the requesters say what they
think of every one that is not looked at, and a friend of what a friend did. What a day brings is known the next day.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Protocol

import msgspec

from trust.simulation.market import Errand, Market
from trust.simulation.spoils import Climb, Spoils, empty


class Seen(msgspec.Struct, frozen=True):
    """One finished task: `good` is the check's verdict where it was checked, else the requester's opinion."""

    requester: int
    worker: int
    good: bool
    checked: bool
    washed: bool


class Score(Protocol):
    """A way to rank: the higher the better. A day's tasks come at once; a name that is given up is forgotten."""

    def rank(self, agent: int) -> float: ...
    def learn(self, observations: list[Seen]) -> None: ...
    def forget(self, agent: int) -> None: ...


class Beta:
    """The mean of Beta(a, b) and of good and bad opinions, with a half-life in days or without.

    ERC-8004's registry gives the mean of all feedback; where there is none it stands at a half here. Josang and
    Ismail (2002): prior (4, 1), half-life 30 days.
    """

    def __init__(self, prior: tuple[float, float], half_life_days: float | None = None) -> None:
        self._prior = prior
        self._fade = 1.0 if half_life_days is None else 0.5 ** (1 / half_life_days)
        self._seen: defaultdict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def rank(self, agent: int) -> float:
        good, bad = (a + b for a, b in zip(self._prior, self._seen[agent], strict=True))
        return good / (good + bad) if good + bad else 0.5

    def learn(self, observations: list[Seen]) -> None:
        for counts in self._seen.values():
            counts[:] = counts[0] * self._fade, counts[1] * self._fade
        for each in observations:
            self._seen[each.worker][not each.good] += 1

    def forget(self, agent: int) -> None:
        self._seen.pop(agent, None)


class EigenTrust:
    """EigenTrust (Kamvar et al. 2003), a = 0.15, the first honest agents pre-trusted, less one step of distrust."""

    JUMP, ROUNDS, PRETRUSTED = 0.15, 5, 10

    def __init__(self, market: Market) -> None:
        start = market.honest[: self.PRETRUSTED]
        self._start = {agent: 1 / len(start) for agent in start}
        self._net: defaultdict[int, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
        self._trust, self._rank = dict(self._start), dict(self._start)

    def rank(self, agent: int) -> float:
        return self._rank.get(agent, 0.0)

    def learn(self, observations: list[Seen]) -> None:
        for each in observations:
            self._net[each.requester][each.worker] += 1 if each.good else -1
        for _ in range(self.ROUNDS):
            flowed = self._flow(1)
            self._trust = {
                agent: (1 - self.JUMP) * flowed.get(agent, 0.0) + self.JUMP * self._start.get(agent, 0.0)
                for agent in flowed.keys() | self._start.keys()
            }
        distrust = self._flow(-1)
        self._rank = {
            agent: self._trust.get(agent, 0.0) - distrust.get(agent, 0.0)
            for agent in sorted(self._trust.keys() | distrust.keys())
        }

    def _flow(self, sign: int) -> dict[int, float]:
        """Each agent's trust handed on to whom it is content (1) or discontent (-1) with."""
        flowed: defaultdict[int, float] = defaultdict(float)
        for rater, ratings in self._net.items():
            if not (trust := self._trust.get(rater, 0.0)):
                continue
            net = {agent: sign * count for agent, count in ratings.items() if sign * count > 0}
            whole = sum(net.values())
            for agent, count in net.items():
                flowed[agent] += trust * count / whole
        return flowed

    def forget(self, agent: int) -> None:
        for ratings in self._net.values():
            ratings.pop(agent, None)
        self._net.pop(agent, None)
        self._trust.pop(agent, None)
        self._rank.pop(agent, None)


class Boinc:
    """BOINC's error rate: a tenth at first, a twentieth less with each valid result, a tenth more with an invalid."""

    def __init__(self) -> None:
        self._rate: dict[int, float] = {}

    def rank(self, agent: int) -> float:
        return -self._rate.get(agent, 0.1)

    def learn(self, observations: list[Seen]) -> None:
        for each in observations:
            if each.checked:
                rate = self._rate.get(each.worker, 0.1)
                self._rate[each.worker] = rate * 0.95 if each.good else min(1.0, rate + 0.1)

    def forget(self, agent: int) -> None:
        self._rate.pop(agent, None)


class IExec:
    """iExec's score: one more with each valid contribution, fifty less with an invalid one, never below none.

    The control counts no task whose worker its requester had named.
    """

    LOST = 50

    def __init__(self, washed: bool = True) -> None:
        self._washed = washed
        self._score: defaultdict[int, int] = defaultdict(int)

    def rank(self, agent: int) -> float:
        return self._score[agent]

    def learn(self, observations: list[Seen]) -> None:
        for each in observations:
            if each.checked and (self._washed or not each.washed):
                after = self._score[each.worker] + (1 if each.good else -self.LOST)
                self._score[each.worker] = max(0, after)

    def forget(self, agent: int) -> None:
        self._score.pop(agent, None)


MEAN, BETA, EIGEN = "mean (ERC-8004)", "Beta, 30 d", "EigenTrust, distrust"
BOINC, IEXEC, CONTROL = "BOINC error rate", "iExec score", "control: iExec, allocated"
SCORES = (MEAN, BETA, EIGEN, BOINC, IEXEC, CONTROL)


def score(name: str, market: Market) -> Score:
    """A score with nothing seen yet."""
    match name:
        case "mean (ERC-8004)":
            return Beta((0.0, 0.0))
        case "Beta, 30 d":
            return Beta((4.0, 1.0), 30)
        case "EigenTrust, distrust":
            return EigenTrust(market)
        case "BOINC error rate":
            return Boinc()
        case _:
            return IExec(washed=name == IEXEC)


def play(name: str, market: Market, checked_ppm: int) -> Spoils:
    """One world under one score."""
    ranking, spoils, climb = score(name, market), empty(market), Climb(market)
    for day in range(market.scale.days):
        observations: list[Seen] = []
        for errand in sorted(market.errands(day), key=lambda errand: errand.offset_ms):
            worker = _chosen(ranking, market, errand)
            spoils.posted[day] += 1
            spoils.took(market, worker, errand)
            climb.took(worker, day * 100)
            observations.append(_done(market, worker, errand, checked_ppm))
            spoils.checked[day] += observations[-1].checked
        for errand in market.washed(day):
            assert errand.friend is not None
            observations.append(_done(market, errand.friend, errand, checked_ppm))
        ranking.learn(observations)
        if market.attack.returns:
            caught = {each.worker for each in observations if each.checked and not each.good}
            for agent in sorted(caught & set(range(market.malicious))):
                ranking.forget(agent)
                spoils.registered_anew += 1
    spoils.known = climb.known
    return spoils


def _chosen(ranking: Score, market: Market, errand: Errand) -> int:
    if market.explores(errand):
        return max(errand.candidates, key=lambda agent: market.tie(agent, errand))
    return max(errand.candidates, key=lambda agent: (ranking.rank(agent), market.tie(agent, errand)))


def _done(market: Market, worker: int, errand: Errand, checked_ppm: int) -> Seen:
    checked = market.looked_at(errand, checked_ppm)
    good = (market.passes if checked else market.likes)(worker, errand)
    return Seen(errand.requester, worker, good, checked, errand.friend is not None)
