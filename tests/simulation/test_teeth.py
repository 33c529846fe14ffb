"""What was wrong with rules 1 pays where it is put back, and the search finds the burst by itself."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.simulation.old_rules import put_back_the_burst, put_back_the_freeze
from tests.simulation.worlds import standard
from trust.core.policy import Policy
from trust.simulation.exploit.opening import Opening
from trust.simulation.exploit.play import play
from trust.simulation.exploit.search import Search, Strategy
from trust.simulation.players import Burst, Freeze, Player

WITHOUT_TRAPS = ("post", "task.post")
"""A requester's trap pays at once, so a search that may set one finds little else."""
SEEDS = range(6)


def mean_gain(policy: Policy, player: type[Player]) -> float:
    opening = Opening(policy)
    return sum(play(opening, player.history, seed).gain_units for seed in SEEDS) / len(SEEDS)


def ends(policy: Policy, player: type[Player]) -> Counter[str]:
    opening = Opening(policy)
    counted: Counter[str] = Counter()
    for seed in SEEDS:
        counted.update(play(opening, player.history, seed).ends)
    return counted


def of_kind(found: Strategy, ending: str) -> int:
    return sum(
        count
        for label, count in found.ends.items()
        if label.startswith("garbage of ours") and ending in label
    )


@pytest.fixture
def policy() -> Policy:
    return standard()


def test_a_lenient_check_rate_makes_a_burst_pay(monkeypatch: pytest.MonkeyPatch, policy: Policy) -> None:
    before = mean_gain(policy, Burst)
    put_back_the_burst(monkeypatch)
    assert mean_gain(policy, Burst) > max(0, before) + 1_000


def test_passing_over_busy_verifiers_lets_garbage_go_unjudged(
    monkeypatch: pytest.MonkeyPatch, policy: Policy
) -> None:
    assert mean_gain(policy, Freeze) < -10_000
    put_back_the_freeze(monkeypatch)
    assert mean_gain(policy, Freeze) > 1_000
    counted = ends(policy, Freeze)
    assert counted["garbage of ours for theirs voided"] > counted["garbage of ours for theirs rejected"]


@pytest.mark.slow
def test_the_search_finds_the_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    put_back_the_burst(monkeypatch)
    found = Search(standard(), 3_000, without=WITHOUT_TRAPS).run()
    assert found.best.gain_units.low > 0
    assert of_kind(found.best, "accepted") >= 5
    assert any(move.args.get("output") == "garbage" for move in found.best.moves)
