"""Allocation over HTTP: a task is allocated, drawn, shown with its proof, claimed, and proven offline by its bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.house import House, house
from tests.services.statements import ORIGIN
from trust.core import payloads
from trust.core.bundle import Bundle
from trust.core.identity import key_of
from trust.core.rules.shortlists import shortlist_seed
from trust.core.sampling import vrf
from trust.core.strict import b64, base64_of
from trust.errors import CODES
from trust.log.note import Verifier
from trust.verify.bundles import verify_bundle
from trust.verify.failures import NotProven

CREW = 11
EXCLUSIVE_MS = 20_000


@pytest.fixture
def crew(tmp_path: Path, database_url: str) -> Iterator[House]:
    """Eleven agents that offer one kind of work, on each kind of database; no probation lane."""
    with house(tmp_path, database_url, probation_ppm=0) as running:
        running.settle_in()
        running.workers = running.capable(CREW)
        yield running


def allocation(crew: House, task: str, candidates: tuple[str, ...] = (), **fields: Any) -> Any:
    said = {"relay": crew.relay, "candidates": candidates, "shortlist": 2, "exclusive_ms": EXCLUSIVE_MS}
    return crew.say(payloads.TaskAllocate, crew.coordinator, task=task, **{**said, **fields})


def drawn(crew: House, task: str, candidates: tuple[str, ...] = ()) -> dict[str, Any]:
    """A task once the draw of its shortlist is made."""
    crew.done("/v1/tasks", crew.task_post(task, relay=crew.relay))
    crew.wait(lambda: crew.post_to("/v1/tasks", allocation(crew, task, candidates)).status_code == 201)
    found: dict[str, Any] = crew.wait(
        lambda: (
            (now := crew.get(f"/v1/tasks/{task}"))["state"] == "open" and now["allocation"]["draw"] and now
        )
    )
    return found


def claimed_by(crew: House, task: dict[str, Any], did: str) -> str:
    hand = next(hand for hand in crew.workers if hand.did == did)
    return str(crew.done("/v1/claims", crew.claim(task["task"], task["index"], hand))["result"]["claim"])


@pytest.mark.parametrize("named", [False, True], ids=["all", "named"])
def test_a_task_shows_whom_the_draw_gave_and_its_bundle_proves_it(crew: House, named: bool) -> None:
    candidates = tuple(hand.did for hand in crew.workers) if named else ()
    task = drawn(crew, "t1", candidates)
    allocation = task["allocation"]
    assert (allocation["state"], allocation["eligible"], allocation["owners"]) == ("drawn", CREW, CREW)
    beacon = allocation["draw"]["beacons"][0]
    seed = shortlist_seed(ORIGIN, "t1", allocation["statement"])
    assert vrf.verify(key_of(beacon["key"]), seed, bytes.fromhex(beacon["pi"])).hex() == beacon["beta"]
    shortlist = [place["agent"] for place in allocation["shortlist"]]
    outsider = next(hand for hand in crew.workers if hand.did not in shortlist)
    refused = crew.post_to("/v1/claims", crew.claim("t1", task["index"], outsider))
    assert (refused.status_code, refused.json()["code"]) == (403, "not-allocated")
    claim = claimed_by(crew, task, shortlist[1])
    told = [words for entry in crew.get("/v1/tasks/t1/timeline")["entries"] for words in entry["words"]]
    assert any("The draw gives" in words for words in told)
    data = crew.client.get(f"/v1/claims/{claim}/bundle").content
    case = verify_bundle(data, Verifier.parse(crew.vkey))
    assert (case.route, case.delta_ppm, case.worker) == (
        "allocated",
        200_000 if named else 818_181,
        shortlist[1],
    )
    assert case.shortlist is not None
    assert (list(case.shortlist.agents), case.shortlist.passed) == (shortlist, ())
    assert case.shortlist.index == allocation["draw"]["index"]
    refuses_without(data, crew.vkey, "task.allocated")
    refuses_without(data, crew.vkey, "task.allocating")


def refuses_without(data: bytes, vkey: str, kind: str) -> None:
    """The same bundle proves nothing once an entry is left out."""
    whole = json.loads(data)
    kept = [each for each in whole["entries"] if kind.encode() not in b64(each["entry"])]
    assert len(kept) == len(whole["entries"]) - 1
    places = sorted({place for each in kept for place in each["path"]})
    for each in kept:
        each["path"] = [places.index(place) for place in each["path"]]
    whole |= {"entries": kept, "hashes": [whole["hashes"][place] for place in places]}
    with pytest.raises(NotProven):
        verify_bundle(json.dumps(whole).encode(), Verifier.parse(vkey))


def test_a_bundle_of_a_drawn_claim_without_its_pool_is_believed_and_says_so(crew: House) -> None:
    task = drawn(crew, "t1")
    claim = claimed_by(crew, task, task["allocation"]["shortlist"][0]["agent"])
    whole = json.loads(crew.client.get(f"/v1/claims/{claim}/bundle").content)
    assert whole["pool"]
    packed = Bundle(
        **{**whole, "pool": (), "entries": tuple(whole["entries"]), "hashes": tuple(whole["hashes"])}
    )
    case = verify_bundle(packed.encode(), Verifier.parse(crew.vkey))
    assert case.shortlist is not None
    assert case.shortlist.passed is None
    broken = [base64_of(b64(node)[:-1] + b"?") for node in whole["pool"]]
    with pytest.raises(NotProven):
        verify_bundle(json.dumps({**whole, "pool": broken}).encode(), Verifier.parse(crew.vkey))


def test_what_may_not_be_allocated_is_refused_with_a_hint_and_changes_nothing(crew: House) -> None:
    for task, relay in (("t1", crew.relay), ("free", None)):
        crew.done("/v1/tasks", crew.task_post(task, relay=relay))
    hands = tuple(hand.did for hand in crew.workers)
    refused = (
        ("shortlist-too-large", allocation(crew, "t1", hands[:1])),
        ("shortlist-too-large", allocation(crew, "t1", hands, shortlist=17)),
        ("nobody-eligible", allocation(crew, "t1", (crew.requester.did, crew.operator.did))),
        ("bad-candidates", allocation(crew, "t1", (hands[0], hands[0]))),
        ("bad-exclusive", allocation(crew, "t1", hands, exclusive_ms=0)),
        ("unknown-task", allocation(crew, "nothing", hands)),
        ("wrong-relay", allocation(crew, "free", hands)),
    )
    before = crew.client.get("/health/live").headers["trust-size"]
    for code, said in refused:
        answer = crew.post_to("/v1/tasks", said)
        problem = answer.json()
        assert (problem["code"], answer.status_code) == (code, CODES[code].status)
        assert problem["hint"] == CODES[code].hint
        assert "refusal" in problem or answer.status_code == 404
    state = crew.get("/v1/tasks/t1")
    assert (state["state"], state["allocation"]) == ("open", None)
    assert (
        int(crew.client.get("/health/live").headers["trust-size"]) - int(before) <= 6
    )  # clock entries and seals
    drawn(crew, "t2", hands)
    again = crew.post_to("/v1/tasks", allocation(crew, "t2", hands))
    assert (again.status_code, again.json()["code"]) == (409, "already-allocated")
    cancelled = crew.post_to("/v1/tasks", crew.say(payloads.TaskCancel, crew.requester, task="t2"))
    assert (cancelled.status_code, cancelled.json()["code"]) == (409, "task-allocated")
