"""Shortlists: each place by weight or out of the lane, without replacement, the same for whoever draws again."""

from __future__ import annotations

import math
from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trust.core.sampling import shortlist, sumtree
from trust.core.sampling.draw import Stream
from trust.core.sampling.shortlist import Candidate, Named, NotDrawn, Sealed, Shortlisted, drawn, retrace
from trust.core.sampling.sumtree import Root, Slot

PPM = 1_000_000
LANE_PPM = 50_000
DRAWS = 4_000


class Tree:
    """A sealed pool of agents with these weights."""

    def __init__(self, weights: dict[str, int], nodes: dict[bytes, bytes]) -> None:
        slots = [Slot(agent, f"owner of {agent}", weight) for agent, weight in weights.items()]
        self.root: Root = sumtree.build(slots, nodes.__setitem__)


class Town:
    """A pool and its lane; `eligible` are those who may claim."""

    def __init__(self, weights: dict[str, int], newcomers: set[str]) -> None:
        self.nodes: dict[bytes, bytes] = {}
        self.weights, self.newcomers = weights, newcomers
        self.pool = Tree(weights, self.nodes).root
        self.lane = Tree({agent: int(agent in newcomers) for agent in weights}, self.nodes).root
        self.eligible = set(weights)
        self.looked: list[str] = []

    def accept(self, agent: str, lane: bool) -> bool:
        self.looked.append(agent)
        return agent in self.eligible and not (lane and agent not in self.newcomers)

    def sealed(self, number: int, size: int = 1, lane_ppm: int = LANE_PPM) -> tuple[Shortlisted, ...]:
        stream = stream_of(number)
        source = Sealed(stream, self.pool, self.lane, self.nodes.__getitem__, self.accept)
        return drawn(stream, size, lane_ppm, source)

    def named(self, number: int, size: int = 1, lane_ppm: int = LANE_PPM) -> tuple[Shortlisted, ...]:
        stream = stream_of(number)
        among = [Candidate(agent, weight, agent in self.newcomers) for agent, weight in self.weights.items()]
        return drawn(
            stream, size, lane_ppm, Named(stream, [one for one in among if one.agent in self.eligible])
        )

    def retrace(self, number: int, told: tuple[Shortlisted, ...], size: int) -> tuple[str, ...]:
        get = self.nodes.__getitem__
        return retrace(stream_of(number), size, LANE_PPM, self.pool, self.lane, get, told)


def stream_of(number: int) -> Stream:
    return Stream(sha256(b"%d" % number).digest(), shortlist.LABEL)


def weight_of(priority_ppm: int) -> int:
    return 1 + priority_ppm**4 // 10**15


def is_near(found: int, share: float, draws: int = DRAWS) -> bool:
    """Within four standard deviations of what is expected."""
    deviation = math.sqrt(draws * share * (1 - share))
    return abs(found - draws * share) <= 4 * deviation + 1


@pytest.mark.parametrize("way", ["sealed", "named"])
def test_places_are_drawn_by_the_fourth_power_of_the_priority(way: str) -> None:
    priorities = {"ada": 800_000, "bob": 700_000, "cleo": 500_000, "dan": 300_000, "eve": 0}
    town = Town({agent: weight_of(priority) for agent, priority in priorities.items()}, set())
    found = Counter(getattr(town, way)(number)[0].agent for number in range(DRAWS))
    total = sum(priority**4 for priority in priorities.values())
    for agent, priority in priorities.items():
        assert is_near(found[agent], priority**4 / total), (agent, found)


@pytest.mark.parametrize("way", ["sealed", "named"])
def test_where_no_record_says_anything_all_are_equally_likely(way: str) -> None:
    town = Town({f"agent {number}": weight_of(0) for number in range(7)}, set())
    found = Counter(getattr(town, way)(number)[0].agent for number in range(DRAWS))
    assert len(found) == 7
    assert all(is_near(count, 1 / 7) for count in found.values())


@pytest.mark.parametrize("way", ["sealed", "named"])
def test_the_lane_has_its_share_of_all_places_and_newcomers_equal_parts_of_it(way: str) -> None:
    known = {f"known {number}": weight_of(700_000) for number in range(6)}
    newcomers = {f"newcomer {number}": 1 for number in range(4)}
    town = Town(known | newcomers, set(newcomers))
    places = [place for number in range(DRAWS) for place in getattr(town, way)(number, 2)]
    lane = Counter(place.agent for place in places if place.probation)
    assert is_near(lane.total(), LANE_PPM / PPM, len(places))
    assert lane.keys() == newcomers.keys()
    assert all(is_near(count, LANE_PPM / PPM / 4, len(places)) for count in lane.values())


def test_a_lane_of_nobody_leaves_its_places_to_the_others() -> None:
    town = Town({"ada": 5, "bob": 0}, set())
    assert town.sealed(1, 2, lane_ppm=PPM) == (Shortlisted("ada", probation=False),)
    assert town.named(1, 2, lane_ppm=PPM)[0].probation is False


def test_who_left_is_never_come_upon() -> None:
    town = Town({"ada": 1, "gone": 0, "bob": 1}, set())
    for number in range(40):
        assert {place.agent for place in town.sealed(number, 3)} == {"ada", "bob"}
    assert "gone" not in town.looked


def test_a_draw_looks_at_so_many_slots_and_no_more() -> None:
    agents = {f"agent {number}": 1 for number in range(2_000)}
    town = Town(agents, set(agents))
    town.eligible = set()
    assert town.sealed(1, 16, lane_ppm=PPM) == ()
    assert len(town.looked) == shortlist.MAX_LOOKS + shortlist.MAX_LANE_LOOKS


agents = st.dictionaries(
    st.sampled_from([f"agent {n}" for n in range(30)]), st.integers(0, 10**9), min_size=1
)


@given(agents, st.data(), st.integers(0, 10**6), st.integers(1, 16))
def test_a_shortlist_is_the_same_for_whoever_draws_again(
    weights: dict[str, int], data: st.DataObject, number: int, size: int
) -> None:
    town = Town(weights, data.draw(st.sets(st.sampled_from(sorted(weights)))))
    town.eligible = data.draw(st.sets(st.sampled_from(sorted(weights))))
    told = town.sealed(number, size)
    assert told == town.sealed(number, size)
    assert town.named(number, size) == town.named(number, size)
    assert len({place.agent for place in told}) == len(told) <= size
    assert {place.agent for place in told} <= town.eligible
    assert set(town.retrace(number, told, size)) <= set(weights)


def test_a_shortlist_that_the_draw_does_not_lead_to_is_found() -> None:
    town = Town({f"agent {number}": 10 - number for number in range(10)}, {"agent 7"})
    told = town.sealed(3, 4)
    assert town.retrace(3, told, 4) == ()
    first, second, *rest = told
    stranger = next(agent for agent in town.weights if agent not in {place.agent for place in told})
    for lie in (
        (second, first, *rest),
        (Shortlisted(first.agent, not first.probation), second, *rest),
        (Shortlisted("nobody", first.probation), second, *rest),
        (first, second, *rest, Shortlisted(stranger, probation=False)),
    ):
        with pytest.raises(NotDrawn):
            town.retrace(3, lie, 4)


def test_who_is_passed_over_is_named() -> None:
    town = Town({f"agent {number}": 1 for number in range(10)}, set())
    town.eligible = {"agent 4"}
    told = town.sealed(5, 1)
    passed = town.retrace(5, told, 1)
    assert told == (Shortlisted("agent 4", probation=False),)
    assert list(passed) == [agent for agent in dict.fromkeys(town.looked) if agent != "agent 4"]
