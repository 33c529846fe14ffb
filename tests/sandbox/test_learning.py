"""A bandit learns to coordinate: it beats chance, finds what is plainly best, and sees only its own choices."""

from __future__ import annotations

import random

import pytest

from trust.cli import run
from trust.sandbox import learning
from trust.sandbox.learning import ARMS, Bandit, Costs, Load, learned, named, played


def test_a_bandit_finds_the_shortest_of_ways_that_differ() -> None:
    dice, bandit, chosen = random.Random(1), Bandit(4, random.Random(2)), []
    for _ in range(200):
        arm = bandit.choose()
        chosen.append(arm)
        bandit.see(arm, (400, 300, 200, 500)[arm] * dice.uniform(0.7, 1.3))
    assert chosen[:8] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert chosen[-50:].count(2) >= 48


def test_regret_is_under_that_of_chance_on_every_kind_of_work() -> None:
    for each in learned(rounds=40, seeds=1):
        assert 0 <= each.regret_ms < each.chance_ms, each.kind
        assert each.regret_least_ms == each.regret_ms == each.regret_most_ms


def test_the_same_seeds_give_the_same_regret(monkeypatch: pytest.MonkeyPatch) -> None:
    """After twenty rounds the bandit has tried every choice twice, and draws."""
    monkeypatch.setattr(learning, "LOADS", (Load("few", work_ms=100, every_ms=20, tasks=5),))
    one, again, other = (learned(rounds=30, seeds=1, first_seed=seed) for seed in (3, 3, 4))
    assert one == again
    assert one != other


def test_the_model_charges_what_each_pattern_pays() -> None:
    """A router is a bottleneck for many short tasks, rivals for a long first offer, a busy peer for long work."""
    costs, short = Costs(), Load("short", work_ms=50, every_ms=20)
    lives = {arm: played(short, arm, costs, "x") for arm in ARMS}
    assert lives["hierarchical", 1] > lives["event-driven", 4]
    assert lives["event-driven", 32] > lives["event-driven", 4]
    assert lives["hybrid", 4] > lives["event-driven", 4]
    long = Load("long", work_ms=2_000, every_ms=150)
    assert played(long, ("p2p", 1), costs, "x") > played(long, ("hierarchical", 1), costs, "x")


@pytest.mark.parametrize("arm", ARMS, ids=named)
def test_no_task_lives_shorter_than_its_work_and_its_settlement(arm: tuple[str, int]) -> None:
    one = Load("one", work_ms=100, every_ms=10_000, tasks=5)
    assert played(one, arm, Costs(), "y") >= Costs().settle_ms + Costs().claim_ms


def test_the_command_prints_regret_a_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sandbox", "learn", "--rounds", "20", "--seeds", "1"]) == 0
    said = capsys.readouterr().out
    assert "20 rounds of 40 tasks, 1 seeds" in said
    assert all(f"| {kind} |" in said for kind in ("review", "lint", "burst", "rare"))
    assert run(["sandbox", "learn", "--rounds", "5"]) == 2
