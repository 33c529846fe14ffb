"""How a score came to be: walking back gives what folding forward gave, to the ppm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.services.observed import founded, observe, seen
from tests.services.statements import KIND, Town
from trust.core import rawsums
from trust.core.decay import Decay
from trust.core.rawsums import Sums
from trust.services import history as histories
from trust.services.scoring import read_outs, record_of, resolve
from trust.storage.engine import Database
from trust.storage.reading import reading

WEIGHTS: list[dict[str, Any]] = [
    {"good_milli": 3_600},
    {"bad_milli": 3_000, "why": "expired"},
    {"good_milli": 900},
    {"failure_milli": 24_000, "why": "fraud"},
    {"good_milli": 0},
]


@pytest.fixture
def town(database: Database, tmp_path: Path) -> Town:
    """A worker with twenty observations in one kind, others in between."""
    town = founded(database, tmp_path)
    worker, other = (each.did for each in town.workers[:2])
    observed = [seen(3 * number, worker, **WEIGHTS[number % 5]) for number in range(20)]
    observed += [seen(70, worker, role="verifier", good_milli=1_000), seen(71, other, good_milli=9_000)]
    observed += [seen(72, worker, task_kind="essay", good_milli=100)]
    observe(database, *observed)
    return town


def history(database: Database, town: Town, points: int = 100, role: str = "worker") -> dict[str, Any]:
    with reading(database) as reader:
        party = resolve(reader, town.workers[0].did)
        assert party is not None
        return histories.history(reader, party, role, KIND, points)


def test_each_point_is_what_the_record_said_just_after_it(database: Database, town: Town) -> None:
    told = history(database, town)
    assert told["complete"]
    assert told["observations"] == len(told["points"]) == 20
    decay = Decay(town.genesis().t0_ms, town.genesis().slow_half_life_ms, town.genesis().fast_half_life_ms)
    sums = Sums()
    for number, point in enumerate(told["points"]):
        weights = WEIGHTS[number % 5]
        for kind in ("good", "bad", "failure"):
            sums = rawsums.add(sums, decay, kind, weights.get(f"{kind}_milli", 0), point["at_ms"])
        expected = read_outs("worker", rawsums.read(sums, decay, point["at_ms"]))
        assert {name: point[name] for name in expected} == expected


def test_fewer_points_are_some_of_them_with_the_first_and_the_last(database: Database, town: Town) -> None:
    everything = history(database, town)["points"]
    some = history(database, town, points=7)["points"]
    assert [some[0], some[-1]] == [everything[0], everything[-1]]
    assert len(some) == 7
    assert all(point in everything for point in some)
    assert history(database, town, points=1)["points"] == [everything[-1]]


def test_a_long_record_is_told_from_its_end(
    database: Database, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = history(database, town)["points"]
    monkeypatch.setattr(histories, "MAX_OBSERVATIONS", 8)
    told = history(database, town)
    assert not told["complete"]
    assert told["points"] == everything[-8:]


def test_a_verifiers_points_are_called_accuracy_and_a_newcomer_has_none(
    database: Database, town: Town
) -> None:
    [point] = history(database, town, role="verifier")["points"]
    assert "accuracy_ppm" in point
    assert "priority_ppm" not in point
    empty = history(database, town, role="relay")
    assert (empty["points"], empty["observations"], empty["complete"]) == ([], 0, True)


def test_what_moved_a_record_most_is_what_weighs_most_today(database: Database, town: Town) -> None:
    with reading(database) as reader:
        party = resolve(reader, town.workers[0].did)
        assert party is not None
        record = record_of(reader, party, KIND, "worker")
    moved = record["moved_most"]
    assert [each["why"] for each in moved[:4]] == ["fraud"] * 4
    weights = [abs(each["worth_milli"]) for each in moved]
    assert weights == sorted(weights, reverse=True)
    assert all(each["entry"] == f"/v1/receipts/{each['index']}" for each in moved)
    [score] = record["scores"]
    low, high = score["interval_ppm"]
    assert low < score["components"]["slow_mean_ppm"] < high
    assert score["priority_ppm"] == max(
        0,
        min(score["components"]["slow_bound_ppm"], score["components"]["fast_bound_ppm"])
        - score["components"]["newcomer_bound_ppm"],
    )
