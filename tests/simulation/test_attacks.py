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

TINY = Scale(agents=16, days=6, seeds=2)
SMALL = Scale(agents=40, days=16, seeds=1)
SHARE = 300_000
HONEST = Attack(name="honest", habit="never")


def market(attack: Attack, scale: Scale = TINY, share: int = SHARE, seed: int = 1) -> Market:
    return Market(attack, share, scale, seed)


def relayed(attack: Attack, scale: Scale = TINY, share: int = SHARE, **terms_: bool) -> Relayed:
    return Relayed(market(attack, scale, share), terms(standard(), "tenth"), **terms_)


def spoiled(played: Spoils) -> float:
    return MEASURES["spoiled"](played)


@pytest.mark.parametrize("name", ["ring-whitewash", "on-off"])
def test_the_log_of_a_world_replays_to_the_same_bytes_and_records(name: str) -> None:
    played = relayed(ATTACKS[name], keep_log=True)
    counted = played.play()
    records, log = played.net.state.records, played.net.log
    check_log(log, records)
    Checker().check(records, log, played.net.now_ms)
    assert len(log) == counted.entries


def test_one_seed_is_one_world_and_another_is_another() -> None:
    one, again = (relayed(ATTACKS["ring"]).play() for _ in range(2))
    assert one == again
    other = Relayed(market(ATTACKS["ring"], seed=2), terms(standard(), "tenth")).play()
    assert one != other


def test_where_all_but_one_are_malicious_nearly_everything_is_spoiled() -> None:
    """The simulation can fail: no rule and no score knows who is malicious."""
    only = market(ATTACKS["always-bad"], share=950_000)
    only.joins = ()
    assert len(only.honest) == 1
    assert spoiled(Relayed(only, terms(standard(), "tenth")).play()) > 0.95
    assert all(spoiled(scores.play(name, only, 100_000)) == 1 for name in scores.SCORES)


def test_where_nobody_is_malicious_nothing_is_spoiled_and_everything_is_done() -> None:
    played = relayed(HONEST).play()
    assert sum(played.spoiled) == 0
    assert played.unserved == 0
    assert sum(played.posted) == TINY.agents * TINY.days


def test_who_always_spoils_is_hardly_drawn_again() -> None:
    played = relayed(ATTACKS["always-bad"], SMALL).play()
    assert sum(played.spoiled[:4]) >= 10
    assert spoiled(played) < 0.02


def test_a_ring_s_tasks_come_first_and_count_a_fiftieth_and_honest_ones_are_drawn() -> None:
    played = relayed(ATTACKS["ring"], keep_log=True)
    played.play()
    ways = {
        (event.task[0], event.route, event.delta_ppm)
        for decided in played.net.log
        for event in decided.events
        if isinstance(event, e.ClaimOpened)
    }
    assert {way[1] for way in ways if way[0] == "d"} == {"allocated", "probation"}
    assert {way[1:] for way in ways if way[0] == "w"} == {("first-come", 20_000)}


def test_who_is_drawn_among_eight_that_the_relay_names_is_praised_a_fiftieth() -> None:
    played = relayed(ATTACKS["always-bad"], named=True, keep_log=True)
    played.play()
    deltas = {
        event.delta_ppm
        for decided in played.net.log
        for event in decided.events
        if isinstance(event, e.ClaimOpened)
    }
    assert deltas == {20_000}


def test_an_appeal_saves_most_good_work_that_a_check_failed() -> None:
    without, appealed = (relayed(HONEST, SMALL, appeals=appeals).play() for appeals in (False, True))
    assert without.appeals == 0
    assert appealed.appeals >= 5
    assert appealed.honest_failed < without.honest_failed / 3


def test_where_nobody_is_left_to_judge_an_appeal_the_verdict_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trust.simulation.relayed.SEATED", 6)
    played = relayed(HONEST, SMALL, appeals=True).play()
    assert played.appeals == 0
    assert played.honest_failed >= 5


def test_who_is_caught_comes_again_only_where_the_attack_says_so() -> None:
    assert relayed(ATTACKS["whitewash"]).play().registered_anew > 0
    assert relayed(ATTACKS["always-bad"]).play().registered_anew == 0


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
    seen = [scores.Seen(12, 0, good=True, checked=True, washed=False)]
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
