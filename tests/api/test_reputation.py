"""Scores over HTTP: what a relay asks, what a chart asks, and what is refused with a code and a hint."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.house import House, house
from tests.services.observed import observe
from tests.services.statements import KIND, Party
from trust.core.events import Observed, PartyJailed
from trust.errors import CODES
from trust.storage.unit import unit


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A town in which the first worker has a record."""
    directory: Path = tmp_path_factory.mktemp("house")
    with house(directory, f"sqlite:///{directory / 'trust.db'}") as running:
        running.settle_in()
        yield running


def said(town: House, worker: int = 0, **fields: Any) -> tuple[int, Observed]:
    event = {"role": "worker", "task_kind": KIND, "why": "verdict", "good_milli": 3_600, **fields}
    return time.time_ns() // 1_000_000, Observed(agent=town.workers[worker].did, **event)


def asked(town: House, *candidates: str, kind: str = KIND, **fields: Any) -> Any:
    body = {"task_kind": kind, "candidates": list(candidates), **fields}
    return town.client.post("/v1/priorities", json=body)


def reputation(town: House, worker: int = 0, **parameters: Any) -> Any:
    return town.get(f"/v1/agents/{town.workers[worker].did}/reputation", **parameters)


# -- priorities


def test_a_stranger_stands_last_with_a_code_and_a_hint(rated: House) -> None:
    stranger = Party("stranger").did
    first, last = asked(rated, stranger, rated.workers[0].did).json()["candidates"]
    assert (first["agent"], first["eligible"], first["reason"], first["hint"]) == (
        rated.workers[0].did,
        True,
        "",
        "",
    )
    assert (last["agent"], last["eligible"], last["reason"]) == (stranger, False, "unknown-agent")
    assert last["hint"] == CODES["unknown-agent"].hint


def test_a_kind_that_a_candidate_does_not_offer_puts_it_last(rated: House) -> None:
    [only] = asked(rated, rated.workers[0].did, kind="never-heard-of").json()["candidates"]
    assert (only["eligible"], only["reason"], only["hint"]) == (
        False,
        "not-capable",
        CODES["not-capable"].hint,
    )


def test_a_candidate_in_jail_stands_last(rated: House) -> None:
    until_ms = time.time_ns() // 1_000_000 + 600_000
    prisoner = rated.workers[1].did
    observe(rated.database, (until_ms - 600_000, PartyJailed(party=prisoner, until_ms=until_ms)))
    ranked = asked(rated, prisoner, rated.workers[0].did).json()["candidates"]
    assert [(each["agent"], each["reason"]) for each in ranked] == [
        (rated.workers[0].did, ""),
        (prisoner, "jailed"),
    ]
    assert ranked[1]["hint"] == CODES["jailed"].hint
    assert reputation(rated, 1)["jailed_until_ms"] == until_ms


@pytest.mark.parametrize(
    ("count", "code", "status"),
    [(1_001, "too-large", 413), (10_000, "too-large", 413), (0, "malformed", 400)],
)
def test_too_many_candidates_or_none_are_refused(rated: House, count: int, code: str, status: int) -> None:
    candidates = [f"did:key:z6Mk{number:044}".replace("0", "z") for number in range(1, count + 1)]
    answer = asked(rated, *candidates)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["hint"] == CODES[code].hint


def test_a_candidate_who_is_named_twice_is_refused(rated: House) -> None:
    answer = asked(rated, rated.workers[0].did, rated.workers[0].did)
    assert (answer.status_code, answer.json()["code"]) == (400, "named-twice")
    assert rated.workers[0].did in answer.json()["detail"]


@pytest.mark.parametrize(
    "body", [{"candidates": ["bob"]}, {"candidates": [7]}, {"task_kind": "No kind"}, {"extra": 1}]
)
def test_a_question_that_is_malformed_is_refused(rated: House, body: dict[str, Any]) -> None:
    answer = asked(rated, rated.workers[0].did, **body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


# -- an agent's record


def test_a_record_has_its_scores_what_they_are_made_of_and_what_moved_them(rated: House) -> None:
    observe(rated.database, said(rated), said(rated, why="expired", good_milli=0, bad_milli=3_000))
    record = reputation(rated, task_kind=KIND, role="worker")
    [score] = record["scores"]
    low, high = score["interval_ppm"]
    assert 0 <= low < score["components"]["slow_mean_ppm"] < high <= 1_000_000
    assert score["expected_ppm"] < 900_000
    assert [each["why"] for each in record["moved_most"][:2]] == ["verdict", "expired"]
    assert reputation(rated, role="verifier")["scores"] == []


def test_the_graph_pass_stands_beside_it_once_there_is_one(rated: House) -> None:
    observe(rated.database, said(rated))
    record = reputation(rated)
    assert record["graph"] is None or record["graph"]["as_of"]["size"] < record["as_of"]["size"]
    rated.graph.renew(rated.database)
    record = reputation(rated)
    assert record["graph"]["as_of"] == record["as_of"]
    assert record["graph"]["trust_q30"] > 0
    assert 0 < record["graph"]["weight_ppm"] <= 1_000_000


def test_a_record_that_did_not_change_is_not_sent_again(rated: House) -> None:
    path = f"/v1/agents/{rated.workers[0].did}/reputation"
    first = rated.client.get(path)
    assert first.headers["cache-control"] == "no-cache"
    same = rated.client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    observe(rated.database, said(rated))
    changed = rated.client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_reads_go_on_while_somebody_holds_the_write_lock(rated: House) -> None:
    with unit(rated.database):
        assert reputation(rated)["agent"] == rated.workers[0].did
        assert asked(rated, rated.workers[0].did).status_code == 200
        path = f"/v1/agents/{rated.workers[0].did}/reputation/history"
        assert rated.client.get(path, params={"task_kind": KIND}).status_code == 200


def test_a_history_ends_at_the_last_observation(rated: House) -> None:
    observe(rated.database, said(rated), said(rated))
    path = f"/v1/agents/{rated.workers[0].did}/reputation/history"
    told = rated.get(path, task_kind=KIND, points=2)
    assert len(told["points"]) == 2
    assert told["points"][-1]["index"] == told["as_of"]["size"] - 1
    assert told["points"][-1]["priority_ppm"] == reputation(rated)["scores"][0]["priority_ppm"]


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("reputation", {"role": "king"}),
        ("reputation", {"task_kind": "No"}),
        ("reputation/history", {}),
        ("reputation/history", {"task_kind": ""}),
        ("reputation/history", {"task_kind": KIND, "points": 0}),
        ("reputation/history", {"task_kind": KIND, "points": 1_001}),
        ("reputation/history", {"task_kind": KIND, "role": ""}),
    ],
)
def test_a_parameter_out_of_range_is_named(rated: House, path: str, parameters: dict[str, Any]) -> None:
    answer = rated.client.get(f"/v1/agents/{rated.workers[0].did}/{path}", params=parameters)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-parameter")


def test_a_history_of_nobody_is_unknown(rated: House) -> None:
    answer = rated.client.get(
        f"/v1/agents/{Party('stranger').did}/reputation/history", params={"task_kind": KIND}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-agent")
