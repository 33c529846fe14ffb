"""One claim's whole way over HTTP, on both databases: drawn, opened, voted on, settled, and told in words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.api.house import WORK, House, house
from tests.services.statements import ORIGIN
from trust.client.items import ItemTree
from trust.core import payloads, strict
from trust.core.events import Event
from trust.core.rules import votes
from trust.verify.bundles import verify_bundle
from trust.verify.receipts import parse_key


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory, shared_database_url: str) -> Iterator[House]:
    """A town with eight verifiers, on each kind of database."""
    with house(tmp_path_factory.mktemp("house"), shared_database_url) as running:
        running.settle_in(verifiers=8)
        yield running


def _drawn(home: House, claim: str) -> dict[str, Any]:
    shown: dict[str, Any] = home.get(f"/v1/claims/{claim}")
    return shown if shown["rounds"] else {}


def test_a_bad_output_is_drawn_found_out_and_costs_the_stake(checked: House) -> None:
    worker = checked.workers[0]
    before = checked.get(f"/v1/agents/{worker.did}")["balances"]["free_units"]
    claim = checked.delivered("bad-work")
    begun = time.monotonic()
    shown = checked.wait(lambda: _drawn(checked, claim))
    assert time.monotonic() - begun < 1
    assert (shown["state"], shown["rounds"][0]["phase"]) == ("checking", "opening")
    checked.done("/v1/outputs", checked.say(payloads.OutputOpen, worker, claim=claim))
    seats = checked.seated(claim, "commit")
    assert len(seats) == 3
    for _, seat in seats:
        assert seat["task"]["task"] == "bad-work"
        assert seat["until_ms"] > seat["task"]["posted_ms"]
        artifact = seat["output"]["artifacts"][0]
        assert checked.client.get(f"/v1/blobs/{artifact['sha256']}").content == WORK
    checked.vote(claim, "fail")
    due_ms = checked.get(f"/v1/claims/{claim}")["due"]["due_ms"]
    ended = checked.wait(lambda: checked.get(f"/v1/claims/{claim}")["ended_ms"])
    assert due_ms <= ended < due_ms + 500
    after = checked.get(f"/v1/agents/{worker.did}")["balances"]
    assert after["free_units"] == before - 1_000
    record = checked.get(f"/v1/agents/{worker.did}/reputation")
    moved = record["moved_most"][0]
    assert moved["why"] == "fraud"
    assert checked.get(moved["entry"])["index"] == moved["index"]
    assert record["scores"][0]["expected_ppm"] < record["newcomer"]["expected_ppm"]
    told = checked.get(f"/v1/claims/{claim}/timeline")["entries"]
    kinds = [each["kind"] for each in told]
    assert kinds[:5] == ["task.post", "claim.request", "output.submit", "draw", "output.open"]
    assert any("rejected" in words for words in told[-1]["words"])
    assert checked.get(f"/v1/agents/{seats[0][0].did}/seats", state="open")["seats"] == []


def test_a_batch_is_judged_item_by_item(checked: House) -> None:
    worker = checked.workers[0]
    items = [f"finding {number}".encode() for number in range(40)]
    tree = ItemTree(items)
    terms = payloads.Items(count=len(items), tolerated_bad_ppm=0)
    index = checked.done("/v1/tasks", checked.task_post("batch", items=terms))["receipt"]["index"]
    claim = checked.done("/v1/claims", checked.claim("batch", index, worker))["result"]["claim"]
    artifact = payloads.Artifact(name="all", sha256="0" * 64, size_bytes=1)
    output = {"claim": claim, "artifacts": (artifact,), "items_root": tree.root(), "items_count": len(items)}
    checked.done("/v1/outputs", checked.say(payloads.OutputSubmit, worker, **output))
    panel = checked.wait(lambda: _drawn(checked, claim))["rounds"][0]
    for seat in panel["seats"]:
        indices = [item["index"] for item in seat["items"]]
        assert seat["to_open"] == len(indices) > 0
        for at in range(0, len(indices), 16):
            _open(checked, tree, seat["seat"], indices[at : at + 16])
    for party, seat in checked.wait(lambda: checked.seated(claim, "commit")):
        assert all(item["leaf"] == tree.leaf(item["index"]).hex() for item in seat["items"])
        _judge(checked, party, seat)
    reveals = checked.wait(lambda: checked.seated(claim, "reveal"))
    for party, seat in reveals:
        checked.done("/v1/votes", _ballot(checked, party, seat))
    assert checked.get(f"/v1/claims/{claim}")["state"] == "passing"
    case = verify_bundle(checked.client.get(f"/v1/claims/{claim}/bundle").content, parse_key(checked.vkey))
    assert (case.verdict, case.panels[0].passed is None) == ("pass", False)


def _open(checked: House, tree: ItemTree, seat: str, indices: list[int]) -> None:
    for index in indices:
        assert checked.store(tree.blob(index), checked.workers[0]).status_code in (200, 201)
    opened = tuple(tree.opening(index) for index in indices)
    checked.done("/v1/outputs", checked.say(payloads.ItemsOpen, checked.workers[0], seat=seat, items=opened))


def _ballot(checked: House, party: Any, seat: dict[str, Any]) -> Any:
    judged = tuple(
        payloads.JudgedItem(
            index=item["index"], leaf=strict.base64_of(bytes.fromhex(item["leaf"])), good=True
        )
        for item in seat["items"]
    )
    salt = strict.base64_of(bytes(32))
    return checked.say(payloads.VoteReveal, party, seat=seat["seat"], verdict="pass", salt=salt, items=judged)


def _judge(checked: House, party: Any, seat: dict[str, Any]) -> None:
    commitment = votes.commitment(ORIGIN, seat["seat"], party.did, _ballot(checked, party, seat).payload)
    said = checked.say(payloads.VoteCommit, party, seat=seat["seat"], commitment=commitment)
    checked.done("/v1/votes", said)


def test_votes_out_of_turn_are_refused_with_their_codes(checked: House) -> None:
    worker = checked.workers[0]
    claim = checked.delivered("out-of-turn")
    checked.wait(lambda: _drawn(checked, claim))
    (party, seat), *others = checked.seated(claim, "opening")
    commit = {"seat": seat["seat"], "commitment": "1" * 64}
    early = checked.say(payloads.VoteCommit, party, **commit)
    assert checked.post_to("/v1/votes", early).json()["code"] == "not-opened"
    checked.done("/v1/outputs", checked.say(payloads.OutputOpen, worker, claim=claim))
    stranger = checked.say(payloads.VoteCommit, worker, **commit)
    assert checked.post_to("/v1/votes", stranger).json()["code"] == "not-seated"
    checked.done("/v1/votes", checked.say(payloads.VoteCommit, party, **commit))
    second = checked.say(payloads.VoteCommit, party, seat=seat["seat"], commitment="2" * 64)
    assert checked.post_to("/v1/votes", second).json()["code"] == "already-committed"
    salt = strict.base64_of(bytes(32))
    reveal = {"seat": seat["seat"], "verdict": "pass", "salt": salt}
    assert (
        checked.post_to("/v1/votes", checked.say(payloads.VoteReveal, party, **reveal)).json()["code"]
        == "commits-open"
    )
    for voter, duty in others:
        checked.done(
            "/v1/votes", checked.say(payloads.VoteCommit, voter, seat=duty["seat"], commitment="3" * 64)
        )
    wrong = checked.post_to("/v1/votes", checked.say(payloads.VoteReveal, party, **reveal)).json()
    assert wrong["code"] == "commitment-mismatch"
    shown = checked.wait(lambda: _ended(checked, claim), timeout_s=15)
    assert shown["state"] == "voided"
    assert {each["outcome"] for each in shown["rounds"][0]["seats"]} == {"idle"}


def _ended(home: House, claim: str) -> dict[str, Any]:
    shown: dict[str, Any] = home.get(f"/v1/claims/{claim}")
    return shown if shown["ended_ms"] else {}


def test_every_kind_of_event_is_told_in_words(checked: House) -> None:
    head = checked.get("/v1/stats")["size"]
    for index in range(head):
        entry = strict.b64(checked.get(f"/v1/receipts/{index}")["entry"])
        assert msgspec.json.decode(entry)["v"] == 1
    told = checked.get(f"/v1/agents/{checked.verifiers[0].did}/timeline")["entries"]
    assert told
    assert all(each["words"] for each in told)
    assert not any("{" in words for each in told for words in each["words"])


def test_every_event_that_can_happen_has_its_sentence() -> None:
    for kind in Event.__subclasses__():
        assert kind.says or kind.sentence is not Event.sentence, kind
