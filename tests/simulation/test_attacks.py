"""Attacks are played by the real rules and meet every score alike; what should come of them does."""

from __future__ import annotations

import pytest

from tests.core.invariants import Checker, check_log
from tests.simulation.worlds import standard
from trust.core import events as e
from trust.simulation import scores
from trust.simulation.attacks import ATTACKS, Attack, Checks, Scale, terms
from trust.simulation.market import CANDIDATES, Market
from trust.simulation.relayed import Relayed
from trust.simulation.spoils import MEASURES, Spoils

TINY = Scale(agents=12, days=4, seeds=2)
SMALL = Scale(agents=24, days=10, seeds=1)
SHARE = 300_000
HONEST = Attack(name="honest", habit="never")


def market(attack: Attack, scale: Scale = TINY, share: int = SHARE, seed: int = 1) -> Market:
    return Market(attack, share, scale, seed)


def relayed(
    of: Market, checks: Checks = "tenth", *, proven: bool = False, named: bool = False, appeals: bool = False
) -> Relayed:
    """A world whose log is kept; only where its draws are `proven` it is one that an auditor takes."""
    world = Relayed(of, terms(standard(), checks), named=named, appeals=appeals, keep_log=True)
    world.net.proven = proven
    return world


def spoiled(played: Spoils) -> float:
    return MEASURES["spoiled"](played)


def opened(world: Relayed) -> list[e.ClaimOpened]:
    return [
        event for decided in world.net.log for event in decided.events if isinstance(event, e.ClaimOpened)
    ]


@pytest.fixture(scope="module")
def ring() -> Relayed:
    """A ring that washes and comes again, with proven draws, played."""
    world = relayed(market(ATTACKS["ring-whitewash"]), proven=True)
    world.play()
    return world


@pytest.fixture(scope="module")
def named() -> Relayed:
    """A relay that names its candidates, with proven draws, played."""
    world = relayed(market(ATTACKS["always-bad"]), proven=True, named=True)
    world.play()
    return world


@pytest.fixture(scope="module")
def always_bad() -> Spoils:
    return relayed(market(ATTACKS["always-bad"], SMALL)).play()


@pytest.mark.parametrize("name", ["ring", "named"])
def test_the_log_of_a_world_replays_to_the_same_bytes_and_records(
    name: str, request: pytest.FixtureRequest
) -> None:
    played: Relayed = request.getfixturevalue(name)
    records, log = played.net.state.records, played.net.log
    check_log(log, records)
    Checker().check(records, log, played.net.now_ms)
    assert len(log) == played.spoils.entries


def test_one_seed_is_one_world_and_another_is_another() -> None:
    one, again, other = (relayed(market(ATTACKS["ring"], seed=seed)).play() for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_where_all_but_one_are_malicious_nearly_everything_is_spoiled() -> None:
    """The simulation can fail: no rule and no score knows who is malicious."""
    only = market(ATTACKS["always-bad"], share=950_000)
    only.joins = ()
    assert len(only.honest) == 1
    assert spoiled(relayed(only).play()) > 0.95
    assert all(spoiled(scores.play(name, only, 100_000)) == 1 for name in scores.SCORES)


def test_where_nobody_is_malicious_nothing_is_spoiled_and_everything_is_done() -> None:
    played = relayed(market(HONEST)).play()
    assert sum(played.spoiled) == 0
    assert played.unserved == 0
    assert sum(played.posted) == TINY.agents * TINY.days


def test_who_always_spoils_is_hardly_drawn_again(always_bad: Spoils) -> None:
    assert sum(always_bad.spoiled[:4]) >= 10
    assert spoiled(always_bad) < 0.02


def test_a_ring_s_tasks_come_first_and_count_a_fiftieth_and_honest_ones_are_drawn(ring: Relayed) -> None:
    ways = {(event.task[0], event.route, event.delta_ppm) for event in opened(ring)}
    assert {way[1] for way in ways if way[0] == "d"} == {"allocated", "probation"}
    assert {way[1:] for way in ways if way[0] == "w"} == {("first-come", 20_000)}


def test_who_is_drawn_among_eight_that_the_relay_names_is_praised_a_fiftieth(named: Relayed) -> None:
    assert {event.delta_ppm for event in opened(named)} == {20_000}


def test_an_appeal_saves_most_good_work_that_a_check_failed() -> None:
    without, appealed = (
        relayed(market(HONEST, SMALL), "standard", appeals=appeals).play() for appeals in (False, True)
    )
    assert without.appeals == 0
    assert appealed.appeals >= 5
    assert appealed.honest_failed < without.honest_failed / 3


def test_where_nobody_is_left_to_judge_an_appeal_the_verdict_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trust.simulation.relayed.SEATED", 6)
    played = relayed(market(HONEST, SMALL), "standard", appeals=True).play()
    assert played.appeals == 0
    assert played.honest_failed >= 5


def test_who_is_caught_comes_again_only_where_the_attack_says_so(ring: Relayed, always_bad: Spoils) -> None:
    assert ring.spoils.registered_anew > 0
    assert always_bad.registered_anew == 0


@pytest.mark.parametrize("name", ATTACKS)
def test_candidates_are_eight_others_and_newcomers_are_among_them_once_they_joined(name: str) -> None:
    of = market(ATTACKS[name], SMALL)
    last = list(of.errands(SMALL.days - 1))
    assert all(len(set(each.candidates)) == CANDIDATES for each in last)
    assert all(each.requester not in each.candidates and each.requester in of.honest for each in last)
    assert max(max(each.candidates) for each in last) >= SMALL.agents
    assert max(max(each.candidates) for each in of.errands(0)) < SMALL.agents
    assert len(list(of.washed(0))) == of.malicious * ATTACKS[name].washed
    assert all(each.friend != each.requester for each in of.washed(0))


@pytest.mark.parametrize(
    ("name", "days"),
    [("always-bad", {0, 10, 39, 40}), ("traitor", {40}), ("on-off", {10, 39}), ("camouflage", set())],
)
def test_the_malicious_spoil_when_their_attack_says_and_the_honest_never(name: str, days: set[int]) -> None:
    of = Market(ATTACKS[name], SHARE, Scale(agents=40, days=60), 1)
    spoilt = {
        day: [of.spoils(agent, errand) for errand in of.errands(day) for agent in (0, 39)]
        for day in (0, 10, 39, 40)
    }
    assert not any(any(found[1::2]) for found in spoilt.values())
    assert {day for day, found in spoilt.items() if all(found[::2])} == days
    if name == "camouflage":
        assert 0.2 < sum(map(sum, spoilt.values())) / 160 < 0.4


def test_a_ring_fools_a_score_that_counts_every_task_and_not_one_that_counts_allocated_ones() -> None:
    of = market(ATTACKS["ring"], Scale(agents=60, days=40))
    fooled, control = (spoiled(scores.play(name, of, 100_000)) for name in (scores.IEXEC, scores.CONTROL))
    assert fooled > 0.2
    assert control < 0.1


def test_a_name_that_is_given_up_is_as_good_as_new() -> None:
    of = market(ATTACKS["whitewash"])
    seen = [scores.Seen(11, 0, good=True, checked=True, washed=False)]
    for name in scores.SCORES:
        score = scores.score(name, of)
        before = score.rank(0)
        score.learn(seen)
        assert score.rank(0) > before
        score.forget(0)
        assert score.rank(0) == before


@pytest.mark.parametrize("checks", ["standard", "tenth", "fortieth"])
def test_only_what_a_world_says_about_checks_differs_from_the_policy(checks: Checks) -> None:
    policy, played = standard(), terms(standard(), checks)
    assert played.reputation == policy.reputation
    assert played.allocation == policy.allocation
    assert (played.checks == policy.checks) == (checks == "standard")
    assert (played.faults == policy.faults) == (checks == "standard")
