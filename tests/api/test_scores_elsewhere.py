"""A score travels: one network proves it, another shows it beside its own and never mixes them.

Specified in docs/reputation.md 5.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.house import JSON, KIND, House, house
from trust.core import payloads
from trust.verify.failures import NotProven
from trust.verify.files import verify_file, verify_scores
from trust.verify.receipts import parse_key
from trust.verify.scores import AgentScores, NamedScore

OTHER = "trust.example.net/other"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Network A, where a worker was checked."""
    directory = tmp_path_factory.mktemp("first")
    with house(directory, f"sqlite:///{directory / 'trust.db'}") as running:
        running.settle_in(verifiers=5)
        running.checked("checked", "pass")
        yield running


def file_about(home: House, agent: str, is_new: Any = lambda _: True) -> bytes:
    """The file that a network gives about an agent, once it says what is waited for."""

    def asked() -> bytes | None:
        answer = home.client.get(f"/v1/agents/{agent}/reputation/proof")
        if answer.status_code == 409:
            assert answer.json()["code"] == "not-yet"
            return None
        assert answer.status_code == 200, answer.text
        return answer.content if is_new(verify_scores(answer.content, parse_key(home.vkey))) else None

    data: bytes = home.wait(asked)
    return data


def work(said: AgentScores) -> NamedScore:
    return next(score for score in said.scores if score.role == "worker")


def test_a_file_from_one_network_is_shown_by_another_that_recognises_it(
    first: House, tmp_path: Path, database_url: str
) -> None:
    worker = first.workers[0].did
    data = file_about(first, worker, lambda said: said.scores)
    with house(tmp_path, database_url, {"recognises": (first.vkey,)}, origin=OTHER) as second:
        second.settle_in()
        before = second.get(f"/v1/agents/{worker}/reputation")
        assert before["elsewhere"] == []
        brought = second.client.put(f"/v1/agents/{worker}/elsewhere", content=data, headers=JSON)
        assert brought.status_code == 201, brought.text
        after = second.get(f"/v1/agents/{worker}/reputation")
        (other,) = after["elsewhere"]
        assert other["network"] == first.origin
        (shown,) = other["scores"]
        assert shown["priority_ppm"] == work(verify_scores(data, parse_key(first.vkey))).priority_ppm > 0
        assert after["scores"] == before["scores"] == []
        asked = {"task_kind": KIND, "candidates": [worker, second.workers[1].did]}
        ranked = second.client.post("/v1/priorities", json=asked).json()["candidates"]
        by_agent = {each["agent"]: each for each in ranked}
        assert [each["network"] for each in by_agent[worker]["elsewhere"]] == [first.origin]
        assert by_agent[worker]["priority_ppm"] == by_agent[second.workers[1].did]["priority_ppm"] == 0
        refused_about(second, second.workers[1].did, data)
        refused_about(second, worker, data[:-30] + data[-29:])


def refused_about(home: House, agent: str, data: bytes) -> None:
    answer = home.client.put(f"/v1/agents/{agent}/elsewhere", content=data, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "proof-invalid")


def test_a_network_that_is_not_recognised_is_not_shown(first: House) -> None:
    refused_about(first, first.workers[0].did, file_about(first, first.workers[0].did))


def test_the_file_says_what_the_network_says_itself(first: House) -> None:
    worker = first.workers[0].did
    said = verify_scores(file_about(first, worker, lambda said: said.scores), parse_key(first.vkey))
    assert (said.network, said.agent, said.left) == (first.origin, worker, "")
    shown = first.get(f"/v1/agents/{worker}/reputation", task_kind=KIND)["scores"][0]
    assert (work(said).events, work(said).task_kind) == (shown["events"], KIND)
    assert abs(work(said).expected_ppm - shown["expected_ppm"]) <= 2  # the file is a moment older
    assert work(said).priority_ppm > 0


def test_who_was_revoked_is_shown_as_such(first: House) -> None:
    leaving = first.verifiers[0]
    first.done("/v1/agents", first.say(payloads.AgentRevoke, leaving, reason="done"))
    said = verify_scores(file_about(first, leaving.did, lambda said: said.left), parse_key(first.vkey))
    assert said.left == "revoked"


def test_who_has_no_record_is_proven_to_have_none(first: House) -> None:
    file_about(first, first.workers[0].did, lambda said: said.scores)
    nobody = first.workers[1].did
    assert verify_scores(file_about(first, nobody), parse_key(first.vkey)).scores == ()


def test_a_file_with_any_byte_changed_or_a_row_left_out_proves_nothing_about_the_agent(first: House) -> None:
    worker, key = first.workers[0].did, parse_key(first.vkey)
    data = file_about(first, worker, lambda said: said.scores)
    for at in range(0, len(data) - 1, 7):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            said = verify_scores(changed, key)
        except NotProven:
            continue
        assert (said.agent != worker, said.scores) == (True, ())  # of another name, and the truth about it
    members = json.loads(data)
    for at in range(len(members["rows"])):
        rows = [row for place, row in enumerate(members["rows"]) if place != at]
        with pytest.raises(NotProven):
            verify_file(json.dumps(members | {"rows": rows}).encode(), key)
    with pytest.raises(NotProven):
        verify_file(json.dumps(members | {"genesis": members["seal"]}).encode(), key)
