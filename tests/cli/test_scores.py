"""Scores in words: what each is made of, and what counts most."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.services.observed import founded, observe, seen
from tests.services.statements import KIND
from tests.storage.stores import database, migrated_url, sqlite_template
from trust.cli import scores
from trust.services import graph
from trust.services.scoring import record_of, resolve
from trust.storage.engine import Database
from trust.storage.reading import reading

__all__ = ["database", "migrated_url", "sqlite_template"]


@pytest.fixture
def facts(database: Database, tmp_path: Path) -> dict[str, Any]:
    """The record of a worker with a good verdict and a lease that ran out, as JSON gives it."""
    town = founded(database, tmp_path)
    worker = town.workers[0].did
    observe(database, seen(0, worker, good_milli=4_000), seen(1, worker, why="expired", bad_milli=3_000))
    with reading(database) as reader:
        party = resolve(reader, worker)
        assert party is not None
        _, made = graph.graph_of(reader, worker, reader.head().size)
        return dict(msgspec.json.decode(msgspec.json.encode(record_of(reader, party, graph=made))))


def test_the_named_scores_stand_in_a_line_each(facts: dict[str, Any]) -> None:
    first, score, *rest = scores.sentences(facts)
    assert first == f"{facts['agent']} as of entry {facts['as_of']['size'] - 1}"
    expected = facts["scores"][0]["expected_ppm"] / 10_000
    assert f"worker of {KIND}: expected {expected:.2f} %, priority" in score
    assert rest[-1].strip().startswith("graph as of entry")


def test_a_score_is_explained_by_its_parts_and_its_entries(facts: dict[str, Any]) -> None:
    lines = list(scores.explained(facts))
    parts = facts["scores"][0]["components"]
    assert any(
        f"{parts['slow_mean_ppm'] / 10_000:.2f} %, and 70.00 % of the fast mean" in line for line in lines
    )
    assert any(line.strip().startswith("priority: the lesser of") for line in lines)
    entries = [line for line in lines if line.startswith("  entry ")]
    assert "a panel's verdict" in entries[0]
    assert "the lease ran out" in entries[1]
    assert "-3.00" in entries[1]


def test_a_newcomer_is_told_that_it_is_one(facts: dict[str, Any]) -> None:
    newcomer = facts | {"scores": [], "moved_most": [], "graph": None}
    assert "a newcomer" in list(scores.sentences(newcomer))[1]
    assert "a newcomer's expected 90.00 %, priority 0.00 %" in list(scores.explained(newcomer))[1]
