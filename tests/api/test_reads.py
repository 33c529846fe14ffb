"""What is read fits what was written, comes in pages, and proves itself where it can."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256
from typing import Any

import pytest

from tests.api.house import KIND, House, body_of
from tests.services.statements import KIND as OFFERED
from tests.services.statements import ORIGIN
from trust.core import payloads
from trust.log import merkle, tiles
from trust.log.checkpoint import Checkpoint, open_checkpoint
from trust.storage.reading import reading
from trust.verify.receipts import parse_key


def _checkpoint(town: House) -> Checkpoint:
    return open_checkpoint(town.client.get("/log/checkpoint").content, ORIGIN, parse_key(town.vkey))


def _note(town: House) -> str:
    return str(town.client.get("/log/checkpoint").text)


def test_the_tiles_make_the_root_of_the_checkpoint(town: House) -> None:
    for number in range(2):
        bodies = b"[" + b",".join(_posts(town, f"tile-{number}", 200)) + b"]"
        assert town.client.post(
            "/v1/statements", content=bodies, headers={"content-type": "application/json"}
        )
    checkpoint = _checkpoint(town)
    assert checkpoint.size > 256
    leaves, entries = [], []
    for first in range(0, checkpoint.size, 256):
        width = min(256, checkpoint.size - first)
        path = str(tiles.TilePath(0, first // 256, width))
        tile = town.client.get(f"/log/{path}")
        assert "immutable" in tile.headers["cache-control"]
        leaves += merkle.hashes(tile.content)
        bundle = town.client.get(f"/log/{tiles.TilePath(None, first // 256, width)}").content
        entries += tiles.decode_bundle(bundle, width)
    assert [merkle.leaf_hash(entry) for entry in entries] == leaves
    tree = merkle.CompactRange()
    for leaf in leaves:
        tree.append(leaf)
    assert tree.root() == checkpoint.root


def _posts(town: House, name: str, count: int) -> list[bytes]:
    return [body_of(town.task_post(f"{name}-{number}")) for number in range(count)]


def test_proofs_as_json_verify(town: House) -> None:
    checkpoint = _checkpoint(town)
    for index in (0, 1, checkpoint.size - 1):
        proof = town.get("/log/proof/inclusion", index=index, size=checkpoint.size)
        path = list(map(bytes.fromhex, proof["path"]))
        leaf = bytes.fromhex(proof["leaf"])
        assert (proof["root"], proof["checkpoint"]) == (checkpoint.root.hex(), _note(town))
        merkle.verify_inclusion(leaf, index, checkpoint.size, path, checkpoint.root)
        assert town.get(f"/log/leaf/{proof['leaf']}")["index"] == index
    with reading(town.database) as reader:
        old = merkle.root(5, reader.nodes(checkpoint.size))
    proof = town.get("/log/proof/consistency", **{"from": 5, "to": checkpoint.size})
    path = list(map(bytes.fromhex, proof["path"]))
    assert (proof["root"], proof["size"], proof["checkpoint"]) == (
        checkpoint.root.hex(),
        checkpoint.size,
        _note(town),
    )
    earlier = town.get("/log/proof/inclusion", index=0, size=5)
    assert (earlier["root"], earlier["checkpoint"]) == (old.hex(), None)
    merkle.verify_consistency(5, old, checkpoint.size, checkpoint.root, path)


@pytest.mark.parametrize(
    "path",
    ["/log/proof/inclusion?index=99999999", "/log/proof/inclusion?index=0&size=99999999", "/log/leaf/" + "0" * 64,
     "/log/proof/consistency?from=0&to=99999999", "/log/proof/consistency?from=99999999", "/v1/receipts/99999999",
     f"/log/proof/inclusion?index={2**70}", f"/log/proof/inclusion?index=0&size={2**70}", f"/v1/receipts/{2**70}",
     f"/log/proof/consistency?from={2**70}", f"/v1/events?after={2**70}", "/log/tile/0/999", "/log/tile/1/000"],
)  # fmt: skip
def test_what_the_log_does_not_have_yet_is_unknown(town: House, path: str) -> None:
    answer = town.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-entry")


@pytest.mark.parametrize(
    "path",
    ["/log/leaf/zz", "/log/leaf/" + "A" * 64, "/v1/receipts/first", "/v1/receipts/-1", "/v1/receipts/01",
     "/log/proof/inclusion?index=-1", "/log/proof/inclusion?index=x", "/log/proof/consistency?from=2&to=1",
     "/v1/policy?number=-1", "/v1/events?after=-2"],
)  # fmt: skip
def test_what_cannot_be_is_a_bad_parameter(town: House, path: str) -> None:
    answer = town.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-parameter")


def test_a_policy_that_is_not_there_is_unknown(town: House) -> None:
    for number in (7, 2**70):
        answer = town.client.get("/v1/policy", params={"number": number})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-policy")


def test_a_tile_has_one_address_and_never_changes_whatever_its_width(town: House) -> None:
    first = town.client.get("/log/tile/0/000.p/5")
    assert "immutable" in first.headers["cache-control"]
    town.done("/v1/tasks", town.task_post("behind-the-tile"))
    assert town.client.get("/log/tile/0/000.p/5").content == first.content
    for path in ("/log/tile/0/000.p/5/", "/log/tile//0/000.p/5", "/log//tile/0/000.p/5", "/log/tile/0/0.p/5"):
        assert town.client.get(path).status_code == 404, path


def test_bundles_are_compressed_for_whoever_can_read_that(town: House) -> None:
    plain = town.client.get("/log/tile/entries/000.p/5", headers={"accept-encoding": "identity"})
    packed = town.client.get("/log/tile/entries/000.p/5", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < len(plain.content) * 2 // 3
    assert {plain.headers["vary"], packed.headers["vary"]} == {"Accept-Encoding"}
    hashes = town.client.get("/log/tile/0/000.p/5", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in hashes.headers


def test_an_agent_shows_its_money_and_its_ledger_adds_up(town: House) -> None:
    requester = town.requester.did
    town.done("/v1/tasks", town.task_post("ledger"))
    shown = town.get(f"/v1/agents/{requester}")
    postings: list[dict[str, Any]] = []
    after = None
    while True:
        parameters = {"limit": 7} if after is None else {"limit": 7, "after": after}
        page = town.get(f"/v1/agents/{requester}/ledger", **parameters)
        postings += page["postings"]
        after = page["after"]
        if after is None:
            break
    free = sum(each["change_units"] for each in postings if each["account"].endswith("/free"))
    assert free == shown["balances"]["free_units"]
    keys = [(each["index"], each["position"]) for each in postings]
    assert len(set(keys)) == len(keys)
    assert [index for index, _ in keys] == sorted((index for index, _ in keys), reverse=True)


def test_a_withdrawal_shows_where_it_stands(town: House) -> None:
    worker = town.workers[1]
    made = town.done("/v1/stakes", town.say(payloads.StakeWithdraw, worker, amount_units=70))["result"]
    page = town.get(f"/v1/agents/{worker.did}/ledger")
    assert page["balances"]["unbonding_units"] == 70
    assert page["withdrawals"][0]["withdrawal"] == made["withdrawal"]
    assert (page["withdrawals"][0]["state"], page["withdrawals"][0]["matures_ms"]) == (
        "unbonding",
        made["matures_ms"],
    )


def test_a_task_shows_its_claims_and_a_claim_its_task(town: House) -> None:
    claim = town.claimed("shown")
    task = town.get("/v1/tasks/shown")
    assert (task["state"], task["claim"], task["escrow_units"]) == (
        "claimed",
        claim,
        100 + task["fees_units"],
    )
    assert [each["claim"] for each in task["claims"]] == [claim]
    shown = town.get(f"/v1/claims/{claim}")
    assert shown["task"]["task"] == "shown"
    assert (shown["state"], shown["staked_units"], shown["due"]["kind"]) == ("claimed", 1_000, "lease")
    assert (shown["output"], shown["rounds"]) == (None, [])
    kinds = [each["kind"] for each in town.get(f"/v1/claims/{claim}/timeline")["entries"]]
    assert kinds[:2] == ["task.post", "claim.request"]
    assert town.get("/v1/tasks/shown/timeline")["task"] == "shown"


def test_lists_come_in_pages_that_join_up(town: House) -> None:
    names, after = [], ""
    while True:
        page = town.get(f"/v1/agents/{town.requester.did}/tasks", limit=50, after=after)
        names += [each["task"] for each in page["tasks"]]
        if page["after"] is None:
            break
        after = page["after"]
    assert len(names) == len(set(names)) == town.get("/v1/stats")["tasks"]


def test_priorities_rank_a_thousand_and_put_strangers_last(town: House) -> None:
    strangers = [
        f"did:key:z6Mk{sha256(bytes([n % 256, n // 256])).hexdigest().replace('0', 'z')[:44]}"
        for n in range(998)
    ]
    candidates = [*strangers, *(worker.did for worker in town.workers)]
    body = {"task_kind": OFFERED, "candidates": candidates}
    answer = town.client.post("/v1/priorities", json=body)
    assert answer.status_code == 200, answer.text
    ranked = answer.json()["candidates"]
    assert {each["agent"] for each in ranked[:2]} == {worker.did for worker in town.workers}
    assert all(each["eligible"] for each in ranked[:2])
    assert {each["reason"] for each in ranked[2:]} == {"unknown-agent"}
    assert answer.json()["as_of"]["size"] == int(answer.headers["trust-size"])


def test_a_newcomer_is_at_the_floor(town: House) -> None:
    record = town.get(f"/v1/agents/{town.workers[1].did}/reputation", task_kind=KIND)
    assert record["scores"] == []
    assert record["newcomer"] == {"expected_ppm": 900_000, "priority_ppm": 0}


def test_the_policy_names_the_network_and_its_keys(town: House) -> None:
    shown = town.get("/v1/policy")
    assert (shown["network"], shown["vkey"], shown["rules"]) == (ORIGIN, town.vkey, 2)
    assert shown["operator"] == town.operator.did
    assert shown["terms"]["name"] == "sandbox"
    assert town.get("/v1/policy", number=0)["terms"] == shown["terms"]
    assert town.client.get("/v1/policy", params={"number": 5}).status_code == 404


def test_the_sums_of_all_accounts_are_zero(town: House) -> None:
    stats = town.get("/v1/stats")
    assert (
        sum(stats[name] for name in stats if name.endswith("_units") and name != "overdue_payouts_units") == 0
    )


def test_the_metrics_and_the_health_are_there(town: House) -> None:
    text = town.client.get("/metrics").text
    assert f"trust_log_entries {float(town.get('/v1/stats')['size'])}" in text
    assert 'trust_http_requests_total{method="GET",path="/v1/stats",status="200"}' in text
    assert 'trust_statements_total{result="accepted"}' in text
    assert town.client.get("/health/live").status_code == town.client.get("/health/ready").status_code == 200
    assert town.get("/version")["vkey"] == town.vkey


def test_the_schema_describes_every_path_and_loads_nothing(town: House) -> None:
    document = town.get("/schema/openapi.json")
    assert "TaskPost" in document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert "default" in operation["responses"], path
            assert ("requestBody" in operation) == (method in ("post", "put")), path
    page = town.client.get("/schema").text
    assert "/v1/claims/check" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


def test_entries_in_a_receipt_are_the_bytes_of_the_log(town: House) -> None:
    receipt = town.get("/v1/receipts/3")
    with reading(town.database) as reader:
        stored = reader.entry(3)
    assert stored is not None
    assert b64decode(receipt["entry"]) == stored.data
