"""Statements over HTTP: what is answered, that it verifies offline, and that a mistake costs nobody else anything."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from tests.api.house import JSON, House, body_of
from tests.services.statements import Party
from trust.core import payloads, strict
from trust.core.entry import decode_entry
from trust.core.payloads import kind_of
from trust.core.receipt import Receipt
from trust.verify.receipts import parse_key, verify_receipt, verify_refusal


def _problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    body = answer.json()
    assert {"type", "title", "status", "detail", "code", "reasons", "hint"} <= body.keys()
    return dict(body)


def test_a_write_answers_with_a_receipt_that_verifies_offline(town: House) -> None:
    said = town.task_post("receipt")
    answer = town.done("/v1/tasks", said)
    receipt = msgspec.convert(answer["receipt"], Receipt)
    proven = verify_receipt(receipt, parse_key(town.vkey))
    assert proven.spoken is not None
    assert proven.spoken.id == answer["statement"] == said.id
    assert answer["result"] == {"task": "receipt"}
    assert not answer["repeated"]


def test_a_repeated_statement_gets_its_first_receipt_and_200(town: House) -> None:
    said = town.task_post("repeated")
    first = town.done("/v1/tasks", said)
    again = town.post_to("/v1/tasks", said)
    assert again.status_code == 200
    assert again.json()["repeated"]
    assert again.json()["receipt"]["entry"] == first["receipt"]["entry"]
    assert again.json()["receipt"]["index"] == first["receipt"]["index"]
    assert again.json()["result"] == first["result"]


def test_one_worker_wins_and_the_other_is_told_who_by_a_signed_refusal(town: House) -> None:
    index = town.done("/v1/tasks", town.task_post("contested"))["receipt"]["index"]
    won = town.done("/v1/claims", town.claim("contested", index, town.workers[0]))
    loser = town.claim("contested", index, town.workers[1])
    problem = _problem(town.post_to("/v1/claims", loser), 409, "already-claimed")
    assert problem["worker"] == town.workers[0].did
    assert problem["claim"] == won["result"]["claim"]
    note = verify_refusal(problem["refusal"].encode(), parse_key(town.vkey))
    assert (note.statement, note.code, note.size) == (loser.id, "already-claimed", problem["as_of"])


PATHS = {
    "/v1/agents": ("agent.", "verifier."),
    "/v1/tasks": ("task.",),
    "/v1/claims": ("claim.",),
    "/v1/claims/check": ("claim.",),
    "/v1/outputs": ("output.", "items."),
    "/v1/votes": ("vote.",),
    "/v1/challenges": ("verdict.",),
    "/v1/evidence": ("evidence.",),
    "/v1/stakes": ("stake.",),
    "/v1/admin": ("relay.register", "relay.update", "role.", "policy.", "rules.", "key.", "canary."),
}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_takes_only_its_own_kinds(town: House, path: str) -> None:
    said = town.task_post("astray") if path != "/v1/tasks" else town.deposit(town.requester.did)
    problem = _problem(town.post_to(path, said), 400, "wrong-endpoint")
    assert kind_of(said.payload) in problem["detail"]
    assert town.client.get("/v1/tasks/astray").status_code == 404


def test_a_statement_that_lives_off_the_log_is_taken_nowhere(town: House) -> None:
    said = town.say(
        payloads.RelayConfirm,
        town.coordinator,
        task="t",
        claim="clm_" + "a" * 26,
        worker=town.workers[0].did,
        index=1,
    )
    assert town.post_to("/v1/admin", said).status_code in (400, 409)
    results = town.client.post("/v1/statements", content=b"[" + body_of(said) + b"]", headers=JSON).json()[
        "results"
    ]
    assert results[0]["status"] == 409


def test_a_bad_item_in_a_batch_harms_no_other(town: House) -> None:
    good = [town.task_post(f"batch-{number}") for number in range(3)]
    unsigned = body_of(town.task_post("batch-forged")).replace(b'"sig":"', b'"sig":"AAAA')[:-10] + b'AAAA"}]}'
    forged = town.say(payloads.TaskCancel, town.requester, task="batch-0")
    stolen = json.loads(body_of(forged))
    stolen["signatures"][0]["sig"] = json.loads(body_of(good[0]))["signatures"][0]["sig"]
    items = [
        body_of(good[0]),
        b'{"payload": 7}',
        json.dumps(stolen).encode(),
        body_of(good[1]),
        unsigned,
        body_of(good[0]),
    ]
    answer = town.client.post("/v1/statements", content=b"[" + b", ".join(items) + b"]", headers=JSON)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [each["status"] for each in results] == [201, 400, 401, 201, 400, 200]
    assert results[2]["code"] == "bad-signature"
    assert results[5]["index"] == results[0]["index"]
    for each in (results[0], results[3], results[5]):
        receipt = Receipt(each["index"], each["entry"], each["proof"])
        assert verify_receipt(receipt, parse_key(town.vkey)).checkpoint.size == answer.json()["size"]
        assert each["proof"].endswith(answer.json()["checkpoint"])


def test_statements_of_one_batch_build_on_each_other_in_order(town: House) -> None:
    first = town.task_post("ordered")
    second = town.say(payloads.TaskCancel, town.requester, task="ordered")
    lines = b"\n".join([body_of(second), body_of(first), body_of(second), b""])
    answer = town.client.post(
        "/v1/statements", content=lines, headers={"content-type": "application/x-ndjson"}
    )
    results = answer.json()["results"]
    assert [each["status"] for each in results] == [404, 201, 201]
    assert results[0]["refusal"]
    assert town.get("/v1/tasks/ordered")["state"] == "closed"


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b"7", b"", b"[" + b"{}," * 1000 + b"{}]", b"[{}", b"[" * 100_000]
)
def test_what_is_no_batch_is_refused_as_a_whole(town: House, body: bytes) -> None:
    _problem(town.client.post("/v1/statements", content=body, headers=JSON), 400, "malformed")


def test_a_check_says_what_a_claim_would_get_and_changes_nothing(town: House) -> None:
    index = town.done("/v1/tasks", town.task_post("checked"))["receipt"]["index"]
    size = town.get("/v1/stats")["size"]
    said = town.claim("checked", index, town.workers[0])
    foreseen = town.post_to("/v1/claims/check", said).json()
    assert foreseen["status"] == 201
    assert foreseen["rate_ppm"] == 1_000_000  # nobody knows this worker yet
    assert town.get("/v1/stats")["size"] == size
    done = town.done("/v1/claims", said)
    opened = decode_entry(strict.b64(done["receipt"]["entry"])).events[0]
    assert msgspec.to_builtins(opened)["inputs"] == {"appealable": False}, "three verifiers seat no appeal"
    assert foreseen["inputs"] == msgspec.structs.asdict(opened.inputs)  # type: ignore[attr-defined]
    assert town.post_to("/v1/claims/check", said).json()["status"] == 200
    rival = town.post_to("/v1/claims/check", town.claim("checked", index, town.workers[1])).json()
    assert (rival["status"], rival["code"], rival["worker"]) == (409, "already-claimed", town.workers[0].did)
    assert "refusal" not in rival


def test_an_opening_without_its_blobs_is_not_let_in(town: House) -> None:
    claim = town.claimed("unheld")
    digest = sha256(b"nobody uploaded this").hexdigest()
    artifact = payloads.Artifact(name="a", sha256=digest, size_bytes=20)
    town.done(
        "/v1/outputs", town.say(payloads.OutputSubmit, town.workers[0], claim=claim, artifacts=(artifact,))
    )
    opening = town.say(payloads.OutputOpen, town.workers[0], claim=claim)
    problem = _problem(town.post_to("/v1/outputs", opening), 422, "blob-missing")
    assert problem["reasons"] == [f"missing: {digest}"]
    batch = town.client.post("/v1/statements", content=b"[" + body_of(opening) + b"]", headers=JSON).json()
    assert batch["results"][0]["code"] == "blob-missing"
    leaf = strict.base64_of(sha256(b"\0item").digest())
    item = payloads.OpenedItem(index=0, leaf=leaf, path=())
    items = town.say(payloads.ItemsOpen, town.workers[0], seat="seat_" + "a" * 26, items=(item,))
    _problem(town.post_to("/v1/outputs", items), 422, "blob-missing")
    assert town.store(b"\0item", town.workers[0]).status_code == 201
    _problem(town.post_to("/v1/outputs", items), 404, "unknown-seat")


def test_a_blob_comes_back_as_it_went_in(town: House) -> None:
    data = bytes(range(256)) * 100
    digest = sha256(data).hexdigest()
    assert town.client.get(f"/v1/blobs/{digest}").status_code == 404
    assert town.store(data, town.requester).status_code == 201
    assert town.store(data, town.requester).status_code == 200
    answer = town.client.get(f"/v1/blobs/{digest}")
    assert answer.content == data
    assert "immutable" in answer.headers["cache-control"]


def test_a_blob_whose_digest_differs_or_that_is_too_large_is_refused(town: House) -> None:
    _problem(town.store(b"other bytes", town.requester, "0" * 64), 422, "digest-mismatch")
    _problem(town.client.put("/v1/blobs/UPPER", content=b""), 422, "digest-mismatch")
    large = bytes(17 * 1024 * 1024)
    digest = sha256(large).hexdigest()
    _problem(town.store(large, town.requester), 413, "too-large")
    pieces = (large[start : start + 65_536] for start in range(0, len(large), 65_536))
    _problem(town.store(pieces, town.requester, digest), 413, "too-large")
    assert town.client.get(f"/v1/blobs/{digest}").status_code == 404


def test_every_answer_carries_an_id_and_the_log_size(town: House) -> None:
    given = town.client.get("/v1/policy", headers={"request-id": "my-own.id"})
    assert given.headers["request-id"] == "my-own.id"
    answers = [
        town.client.get(path) for path in ("/health/live", "/nowhere", "/v1/stats", "/v1/agents/@nobody")
    ]
    assert len({answer.headers["request-id"] for answer in answers}) == len(answers)
    assert all(int(answer.headers["trust-size"]) > 0 for answer in answers)
    forged = town.client.get("/v1/policy", headers={"request-id": "two words"})
    assert forged.headers["request-id"] != "two words"


def test_a_read_waits_for_the_size_that_it_asks_for_and_not_for_ever(town: House) -> None:
    size = town.get("/v1/stats")["size"]
    assert town.client.get("/v1/stats", params={"min_size": size}).status_code == 200
    answer = town.client.get("/v1/stats", params={"min_size": size + 1000})
    assert "retry-after" in answer.headers
    _problem(answer, 503, "behind")
    _problem(town.client.get("/v1/stats", params={"min_size": "-1"}), 400, "bad-parameter")


def test_anybodys_page_may_read_and_none_may_be_written_from(town: House) -> None:
    preflight = {"origin": "https://example.org", "access-control-request-method": "GET"}
    answer = town.client.options("/v1/policy", headers=preflight)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    assert town.client.get("/v1/policy").headers["access-control-allow-origin"] == "*"
    written = town.post_to("/v1/tasks", town.task_post("cors"))
    assert "access-control-allow-origin" not in written.headers


def test_the_stranger_registers_with_owner_and_handle(town: House) -> None:
    stranger, owner = Party("stranger"), Party("owner")
    nonce = next(n for n in map(str, range(10_000)) if _works(stranger, n))
    said = town.say(payloads.AgentRegister, stranger, owner, pow=nonce, handle="stranger", owner=owner.did)
    town.done("/v1/agents", said)
    shown = town.get("/v1/agents/@stranger")
    assert (shown["agent"], shown["owner"]) == (stranger.did, owner.did)


def _works(party: Party, nonce: str) -> bool:
    from tests.services.statements import ORIGIN
    from trust.core.rules.parties import work_bits

    return work_bits(ORIGIN, party.did, nonce) >= 4
