"""Nothing that anybody sends gives a 500, moves the log, or gets an answer without a stable code."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.house import JSON, KIND, House
from tests.services.logs import check_log
from tests.services.statements import ORIGIN, Party
from trust.core import envelope, payloads
from trust.core.commands import Spoken, parse
from trust.errors import CODES
from trust.verify.receipts import parse_key

CLAIM, SEAT = "clm_" + "a" * 26, "seat_" + "a" * 26
WRITES = (
    "/v1/agents", "/v1/tasks", "/v1/claims", "/v1/claims/check", "/v1/outputs", "/v1/votes", "/v1/challenges",
    "/v1/evidence", "/v1/stakes", "/v1/admin", "/v1/statements", "/v1/priorities", "/v1/draws",
)  # fmt: skip
READS = (
    "/v1/agents/{}", "/v1/agents/{}/reputation", "/v1/agents/{}/ledger", "/v1/agents/{}/seats", "/v1/agents/{}/tasks",
    "/v1/agents/{}/claims", "/v1/agents/{}/timeline", "/v1/tasks/{}", "/v1/tasks/{}/timeline", "/v1/claims/{}",
    "/v1/claims/{}/timeline", "/v1/receipts/{}", "/v1/blobs/{}", "/log/tile/{}", "/log/leaf/{}", "/v1/{}", "/{}",
)  # fmt: skip
QUERIES = ("limit", "after", "state", "task_kind", "number", "index", "size", "from", "to", "min_size")


def _refused(home: House, path: str, spoken: Spoken) -> tuple[int, str]:
    before = home.get("/v1/stats")
    answer = home.post_to(path, spoken)
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    after = home.get("/v1/stats")
    assert {**after, "size": 0, "at_ms": 0, "entries": 0} == {**before, "size": 0, "at_ms": 0, "entries": 0}
    return answer.status_code, answer.json()["code"]


def _signed(fields: dict[str, Any], *parties: Party) -> bytes:
    return envelope.sign(json.dumps(fields).encode(), [party.seed for party in parties])


def _raw(home: House, path: str, party: Party, **fields: Any) -> tuple[int, str]:
    """A statement that no payload type would build."""
    now = time.time_ns() // 1_000_000
    common = {"network": ORIGIN, "actor": party.did, "issued_ms": now, "expires_ms": now + 60_000}
    answer = home.client.post(path, content=_signed({**common, **fields}, party), headers=JSON)
    return answer.status_code, answer.json()["code"]


def test_each_mistake_in_a_statement_has_its_code(town: House) -> None:
    worker, other, requester = *town.workers, town.requester
    task, elsewhere = town.task_post("known"), town.task_post("elsewhere").payload
    index = town.done("/v1/tasks", task)["receipt"]["index"]
    foreign = msgspec.structs.replace(elsewhere, network="trust.example.org/other")
    now = time.time_ns() // 1_000_000
    expired = msgspec.structs.replace(elsewhere, issued_ms=now - 2_000, expires_ms=now - 1_000)
    future = msgspec.structs.replace(elsewhere, issued_ms=now + 60_000, expires_ms=now + 61_000)
    eternal = msgspec.structs.replace(elsewhere, expires_ms=now + 3_700_000)
    said = town.say
    alone = said(
        payloads.ClaimRequest, worker, task="known", task_index=index, relay=town.relay, stake_units=1_000
    )
    poor = said(
        payloads.ClaimRequest, worker, town.coordinator,
        task="known", task_index=index, relay=town.relay, stake_units=1,
    )  # fmt: skip
    cases = {
        "unknown-task": (404, "/v1/claims", town.claim("nowhere", 3, worker)),
        "foreign-network": (403, "/v1/tasks", _spoken(foreign, requester)),
        "expired": (410, "/v1/tasks", _spoken(expired, requester)),
        "issued-in-future": (422, "/v1/tasks", _spoken(future, requester)),
        "lifetime-too-long": (422, "/v1/tasks", _spoken(eternal, requester)),
        "wrong-signer": (403, "/v1/tasks", _spoken(elsewhere, other)),
        "unknown-agent": (404, "/v1/stakes", said(payloads.StakeWithdraw, Party("nobody"), amount_units=1)),
        "threshold-not-met": (403, "/v1/claims", alone),
        "insufficient-stake": (402, "/v1/claims", poor),
        "wrong-task-index": (409, "/v1/claims", town.claim("known", index + 1, worker)),
        "task-exists": (409, "/v1/tasks", town.task_post("known", price_units=7)),
        "insufficient-funds": (402, "/v1/tasks", town.task_post("dear", price_units=2**52)),
        "not-treasurer": (403, "/v1/stakes", said(
            payloads.StakeDeposit, worker, account=worker.did, amount_units=1, reference="mine"
        )),
        "not-operator": (403, "/v1/admin", said(payloads.RoleGrant, worker, party=worker.did, role="treasurer")),
        "unknown-claim": (404, "/v1/claims", said(payloads.ClaimRenew, worker, claim=CLAIM)),
        "unknown-seat": (404, "/v1/votes", said(
            payloads.VoteCommit, worker, seat=SEAT, commitment="0" * 64
        )),
        "not-coordinator": (403, "/v1/tasks", said(
            payloads.TaskAllocate, worker, task="known", relay=town.relay, candidates=(), shortlist=3, exclusive_ms=1
        )),
    }  # fmt: skip
    for code, (status, path, spoken) in cases.items():
        assert _refused(town, path, spoken) == (status, code)


def _spoken(payload: payloads.Payload, *parties: Party) -> Spoken:
    return parse(envelope.sign(msgspec.json.encode(payload), [party.seed for party in parties]))


def test_an_output_is_its_workers_alone_and_there_is_one(town: House) -> None:
    claim = town.claimed("one-output")
    artifact = payloads.Artifact(name="a", sha256="0" * 64, size_bytes=1)
    worker, rival = town.workers
    stolen = town.say(payloads.OutputSubmit, rival, claim=claim, artifacts=(artifact,))
    assert _refused(town, "/v1/outputs", stolen) == (403, "not-yours")
    town.done("/v1/outputs", town.say(payloads.OutputSubmit, worker, claim=claim, artifacts=(artifact,)))
    second = town.say(payloads.OutputSubmit, worker, claim=claim, artifacts=(artifact, artifact))
    assert town.post_to("/v1/outputs", second).json()["code"] == "output-exists"


def test_an_output_after_the_lease_comes_too_late(home: House) -> None:
    home.settle_in()
    index = home.done("/v1/tasks", home.task_post("short", lease_ms=500))["receipt"]["index"]
    claim = home.done("/v1/claims", home.claim("short", index, home.workers[0]))["result"]["claim"]
    home.wait(lambda: home.get(f"/v1/claims/{claim}")["state"] == "expired")
    late = home.say(
        payloads.OutputSubmit,
        home.workers[0],
        claim=claim,
        artifacts=(payloads.Artifact(name="a", sha256="0" * 64, size_bytes=1),),
    )
    assert home.post_to("/v1/outputs", late).json()["code"] == "lease-over"


def test_a_key_that_was_rotated_or_revoked_signs_nothing_more(home: House) -> None:
    home.settle_in()
    old, new = home.workers[0], Party("new key")
    home.done("/v1/agents", home.say(payloads.AgentRotate, old, new, new_key=new.did))
    withdraw = {"amount_units": 5}
    retired = home.say(payloads.StakeWithdraw, old, **withdraw)
    assert _refused(home, "/v1/stakes", retired) == (403, "retired-key")
    home.done("/v1/stakes", home.say(payloads.StakeWithdraw, new, actor=old, **withdraw))
    home.done("/v1/agents", home.say(payloads.AgentRevoke, new, actor=old, reason="lost"))
    revoked = home.say(payloads.StakeWithdraw, new, actor=old, **withdraw)
    assert home.post_to("/v1/stakes", revoked).json()["code"] == "revoked"


@pytest.mark.parametrize("amount", [0, -1, 2**53, 2**63, 2**64, 10**400, 1.5, 1e3, True, None, "7"])
def test_an_amount_that_is_none_is_malformed(town: House, amount: object) -> None:
    fields = {
        "kind": "stake.deposit",
        "account": town.requester.did,
        "amount_units": amount,
        "reference": "bad",
    }
    assert _raw(town, "/v1/stakes", town.operator, **fields) == (400, "malformed")


@pytest.mark.parametrize(
    "name", ["", "UPPER", "ä", "a/b", "a b", ".dot", "x" * 65, "a\x00b", "a\nb", "\ud800"]
)
def test_a_name_outside_its_alphabet_is_malformed(town: House, name: str) -> None:
    now = time.time_ns() // 1_000_000
    fields = {
        "kind": "task.post", "task": name, "task_kind": KIND, "spec_sha256": "0" * 64, "price_units": 1,
        "deadline_ms": now + 1000,
    }  # fmt: skip
    assert _raw(town, "/v1/tasks", town.requester, **fields) == (400, "malformed")
    assert town.client.get(f"/v1/tasks/{json.dumps(name)[1:-1]}").status_code in (404, 405)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed"),
        (b"\xff\xfe{}", "malformed"),
        (b"\xef\xbb\xbf{}", "malformed"),
        (b"[" * 100_000, "too-large"),
        (b"[" * 5_000, "malformed"),
        (b'{"payloadType":1,"payloadType":1}', "malformed"),
        (b'{"payload":"' + b"A" * 70_000 + b'"}', "too-large"),
        (b"9" * 5_000, "malformed"),
        (b"null", "malformed"),
        (b'{"payloadType":"x","payload":"","signatures":[]}', "malformed"),
    ],
)
@pytest.mark.parametrize("path", WRITES[:10])
def test_a_body_that_is_no_envelope_is_refused_before_any_rule(
    town: House, path: str, body: bytes, code: str
) -> None:
    answer = town.client.post(path, content=body, headers=JSON)
    assert answer.status_code == CODES[code].status
    assert answer.json()["code"] == code


@pytest.mark.parametrize("path", [*WRITES[:10], "/v1/statements", "/v1/priorities"])
@pytest.mark.parametrize(
    "sent", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_a_body_of_another_type_is_refused(town: House, path: str, sent: str) -> None:
    headers = {"content-type": sent} if sent else {}
    answer = town.client.post(path, content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-type")
    squeezed = town.client.post(path, content=b"{}", headers={**JSON, "content-encoding": "gzip"})
    assert squeezed.status_code == 415


def test_a_batch_over_four_mebibytes_is_too_large_at_once(town: House) -> None:
    body = b"[" + b" " * (4 * 1024 * 1024) + b"{}]"
    assert town.client.post("/v1/statements", content=body, headers=JSON).status_code == 413


def test_priorities_take_only_what_they_know(town: House) -> None:
    known = {"task_kind": KIND, "candidates": [town.workers[0].did]}
    bad: list[dict[str, Any]] = [
        {}, {**known, "extra": 1}, {**known, "candidates": []}, {**known, "task_kind": "Ä"},
        {**known, "candidates": ["bob"]}, {**known, "candidates": [7]}, {**known, "task": ""},
    ]  # fmt: skip
    for body in bad:
        answer = town.client.post("/v1/priorities", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed"), body


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "limit=", "limit=99999999999999999999999", "after=%ff", "after=%00", "state=no",
     "limit=1&limit=2000", "limit=1.5", "after=" + "a" * 200],
)  # fmt: skip
def test_a_parameter_out_of_range_is_named(town: House, query: str) -> None:
    answer = town.client.get(f"/v1/agents/{town.workers[0].did}/seats?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-parameter"), answer.text


def test_a_method_that_is_not_there_and_a_path_that_is_not_there_are_problems(town: House) -> None:
    wrong = town.client.delete("/v1/tasks/x")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method-not-allowed")
    assert "GET" in wrong.headers["allow"]
    for path in ("/v2", "/v1", "/v1/tasks/x/y/z", "/log/tile/9/9/9", "/log/tile/x.p/", "/v1//tasks"):
        answer = town.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-path"), path


WORDS = st.one_of(
    st.text(max_size=40),
    st.from_regex(r"(clm|seat|wdr|rly)_[a-z2-7]{26}", fullmatch=True),
    st.from_regex(r"did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}", fullmatch=True),
    st.integers().map(str),
    st.sampled_from(
        ["@", "@bob", "0" * 64, "0/000", "entries/000.p/1", "0/x001/000", "%00", "%ff%fe", "..", "a%2fb"]
    ),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(READS),
    word=WORDS,
    query=st.dictionaries(st.sampled_from(QUERIES), WORDS, max_size=3),
)
def test_no_read_whatever_gives_a_500(town: House, path: str, word: str, query: dict[str, str]) -> None:
    word = word.encode("utf-8", "replace").decode()
    if "min_size" in query and query["min_size"].isdigit():
        query = {}  # that would only wait
    answer = town.client.get(path.format(quote(word, safe="/@:%")), params=query)
    assert answer.status_code < 500, (answer.url, answer.text)
    if answer.status_code >= 400:
        assert answer.json()["code"] in CODES


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(WRITES),
    body=st.binary(max_size=200) | JSONS.map(lambda value: json.dumps(value).encode()),
)
def test_no_body_whatever_gives_a_500(town: House, path: str, body: bytes) -> None:
    answer = town.client.post(path, content=body, headers=JSON)
    assert 400 <= answer.status_code < 500 or (path == "/v1/statements" and answer.status_code == 200), (
        answer.text
    )


KINDS = [
    kind for kind in vars(payloads).values() if isinstance(kind, type) and issubclass(kind, payloads.Payload)
][1:]
PARTS = st.one_of(
    JSONS, st.just("0" * 64), st.just(CLAIM), st.just(SEAT), st.just([]), st.integers(0, 2**53 - 1),
    st.sampled_from(["known", "code-review", "operator/bond", "AAAA", "treasurer", "pass", "log-fork", "draw", "log"]),
)  # fmt: skip


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(KINDS), data=st.data())
def test_no_statement_whatever_gives_a_500(
    town: House, kind: type[payloads.Payload], data: st.DataObject
) -> None:
    """Well signed, of every kind, with fields that may be anything."""
    now = time.time_ns() // 1_000_000
    fields: dict[str, Any] = {"kind": str(kind.__struct_config__.tag)}
    for field in msgspec.structs.fields(kind):
        if field.required or data.draw(st.booleans()):
            fields[field.name] = data.draw(PARTS)
    party = data.draw(st.sampled_from([town.operator, town.requester, town.workers[0], Party("nobody")]))
    fields |= {"network": ORIGIN, "actor": party.did, "issued_ms": now, "expires_ms": now + 1_000}
    try:
        body = _signed(fields, party)
    except (UnicodeEncodeError, ValueError):
        return
    answer = town.client.post("/v1/statements", content=b"[" + body + b"]", headers=JSON)
    assert answer.status_code == 200, answer.text
    assert answer.json()["results"][0]["status"] < 500


def test_the_log_still_verifies_after_all_that(town: House) -> None:
    assert check_log(town.database, parse_key(town.vkey)) is not None
    assert town.client.get("/health/ready").status_code == 200
    town.done(
        "/v1/agents", town.register(Party("who comes after"))
    )  # the others may have been revoked by now
