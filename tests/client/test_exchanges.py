"""What a client does with answers: retries what was not decided, believes nothing that does not verify."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.client.services import Handler, Log, Script, answer, problem
from tests.factories import log_signer, seed, statement
from trust.client import wire
from trust.client.exchanges import Accepted, Exchanges, Retry
from trust.client.problems import ServiceError, Unreachable
from trust.client.wire import Request, Response
from trust.core.commands import parse
from trust.errors import ClientError
from trust.verify.failures import NotProven

KEY = log_signer().verifier


@pytest.fixture
def talk() -> Exchanges:
    return Exchanges(KEY)


def _in_turn(*handlers: Handler | Response | Exception) -> Handler:
    turns: Iterator[Handler | Response | Exception] = iter(handlers)

    def handle(request: Request) -> Response | Exception:
        turn = next(turns)
        return turn(request) if callable(turn) else turn

    return handle


def test_a_write_returns_its_proven_entry(talk: Exchanges) -> None:
    log = Log()
    log.events = lambda spoken: [{"kind": "claim.opened", "claim": "clm_x"}]
    sent = statement("claim.request")
    script = Script(log.handle)
    accepted = script.run(talk.send(sent))
    assert (accepted.index, accepted.repeated, accepted.statement) == (0, False, parse(sent).id)
    assert accepted.created == {"claim": "clm_x"}
    assert [(each.method, each.path, each.body) for each in script.requests] == [("POST", "/v1/claims", sent)]


@pytest.mark.parametrize(
    ("kind", "path"),
    [("agent.register", "agents"), ("verifier.enroll", "agents"), ("items.open", "outputs"), ("vote.commit", "votes"),
     ("verdict.challenge", "challenges"), ("stake.deposit", "stakes"), ("relay.register", "admin"),
     ("canary.open", "admin"), ("evidence.submit", "evidence"), ("task.allocate", "tasks")],
)  # fmt: skip
def test_each_kind_of_statement_goes_to_its_audience(kind: str, path: str) -> None:
    assert wire.write_path(kind) == f"/v1/{path}"


def test_an_answer_that_was_lost_is_asked_for_again_with_the_same_bytes_and_gives_the_first_receipt(
    talk: Exchanges,
) -> None:
    log = Log()

    def lose(request: Request) -> Exception:
        log.handle(request)
        return Unreachable("the line is dead")

    script = Script(_in_turn(lose, problem(502, "bad-gateway"), log.handle))
    accepted = script.run(talk.send(statement("task.cancel")))
    assert (accepted.index, accepted.repeated) == (0, True)
    assert len({request.body for request in script.requests}) == 1
    assert len(log.entries) == 1


def test_retry_after_is_honoured_and_waits_grow_but_are_bounded(talk: Exchanges) -> None:
    busy = answer(503, {"code": "overloaded"}, retry_after="2")
    script = Script(_in_turn(busy, answer(429, {"code": "rate-limited"}), busy, Log().handle))
    script.run(talk.send(statement("task.cancel")))
    assert script.waits_ms[0] == script.waits_ms[2] == 2_000
    assert 50 <= script.waits_ms[1] <= 200

    never = Script(lambda request: answer(503, {"code": "log-frozen", "hint": "ask the operator"}))
    with pytest.raises(ServiceError) as caught:
        never.run(talk.send(statement("task.cancel")))
    assert (caught.value.code, caught.value.hint) == ("log-frozen", "ask the operator")
    assert sum(never.waits_ms) <= 30_000
    assert never.waits_ms[-1] >= 2_500


def test_a_retry_after_beyond_the_budget_is_not_waited_for(talk: Exchanges) -> None:
    script = Script(lambda request: answer(503, {"code": "shutting-down"}, retry_after="86400"))
    with pytest.raises(ServiceError):
        script.run(talk.send(statement("task.cancel")))
    assert script.waits_ms == []


@pytest.mark.parametrize("retry", [Retry(1, 5_000, 10), Retry(20, 400, 60_000), Retry(0, 0, 100)])
def test_a_service_that_is_not_there_is_unreachable_in_the_end(retry: Retry) -> None:
    """However small the waits are to the time that they may take in all: hundreds of attempts, too."""
    script = Script(lambda request: Unreachable("nobody listens"))
    with pytest.raises(Unreachable):
        script.run(Exchanges(KEY, retry).send(statement("task.cancel")))
    assert retry.total_ms - retry.longest_ms <= sum(script.waits_ms) <= retry.total_ms


def test_a_refusal_keeps_code_reasons_facts_and_its_verified_note(talk: Exchanges) -> None:
    log, sent = Log(), statement("claim.request")
    log.append(statement("task.cancel"))
    note = log.refusal(parse(sent).id, "already-claimed")
    said = problem(409, "already-claimed", reasons=["first wins"], worker="did:x", as_of=1, refusal=note)
    with pytest.raises(ServiceError) as caught:
        Script(lambda request: said).run(talk.send(sent))
    error = caught.value
    assert (error.code, error.status, error.reasons) == ("already-claimed", 409, ("first wins",))
    assert (error.extra["worker"], error.extra["refusal"]) == ("did:x", note)
    assert error.hint == "the winner is named in detail; take another task"


@pytest.mark.parametrize(("about", "code"), [("sha256:" + "00" * 32, "jailed"), ("", "expired")])
def test_a_refusal_whose_note_is_about_something_else_is_not_believed(
    talk: Exchanges, about: str, code: str
) -> None:
    sent = statement("claim.request")
    note = Log().refusal(about or parse(sent).id, code)
    with pytest.raises(NotProven):
        Script(lambda request: problem(403, "jailed", refusal=note)).run(talk.send(sent))


def test_a_code_that_this_release_does_not_know_is_kept(talk: Exchanges) -> None:
    with pytest.raises(ServiceError) as caught:
        Script(lambda request: problem(422, "from-the-future")).run(talk.send(statement("task.cancel")))
    assert (caught.value.code, caught.value.hint) == ("from-the-future", "")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"\xff", b'{"statement":"x","receipt":{"index":"0"}}', b"<html>", b"[" * 5_000],
)
def test_an_answer_that_is_no_receipt_is_never_taken_for_one(talk: Exchanges, body: bytes) -> None:
    with pytest.raises(NotProven):
        Script(lambda request: Response(201, body)).run(talk.send(statement("task.cancel")))


def test_a_problem_that_is_no_json_is_still_an_error_with_a_code(talk: Exchanges) -> None:
    with pytest.raises(ServiceError) as caught:
        Script(lambda request: Response(404, b"<html>")).run(talk.send(statement("task.cancel")))
    assert caught.value.code == "http-404"


def test_a_batch_answers_each_statement_in_order(talk: Exchanges) -> None:
    log = Log()
    first, again, bad = (statement("task.cancel", task=name) for name in ("one", "one", "two"))

    def handle(request: Request) -> Response | Exception:
        given = json.loads(request.body)
        answered = log.handle(Request("POST", request.path, json.dumps(given[:2]).encode()))
        assert isinstance(answered, Response)
        body = json.loads(answered.body)
        body["results"].append({"status": 409, "code": "task-closed", "detail": "late"})
        return answer(200, body)

    results = Script(handle).run(talk.send_many([first, again, bad]))
    assert isinstance(results[0], Accepted)
    assert isinstance(results[1], Accepted)
    assert isinstance(results[2], ServiceError)
    assert (results[0].index, results[1].index, results[2].code) == (0, 0, "task-closed")


def test_a_batch_with_results_missing_is_not_believed(talk: Exchanges) -> None:
    empty = answer(200, {"checkpoint": "", "size": 0, "results": []})
    with pytest.raises(NotProven):
        Script(lambda request: empty).run(talk.send_many([statement("task.cancel")]))


def test_batches_keep_order_and_limits() -> None:
    envelopes = [b"x" * 1_500_000] * 5 + [b"y"] * 2_100
    cut = wire.batches(envelopes)
    assert [each for batch in cut for each in batch] == envelopes
    assert all(len(wire.batch(batch).body) <= wire.MAX_BATCH_BYTES for batch in cut)
    assert max(map(len, cut)) == wire.MAX_BATCH_STATEMENTS
    assert wire.batches([]) == []


def test_a_blob_is_checked_against_its_digest(talk: Exchanges) -> None:
    log = Log()
    script = Script(log.handle)
    digest = script.run(talk.put_blob(b"spec"))
    assert script.run(talk.get_blob(digest)) == b"spec"
    log.blobs[digest] = b"other"
    with pytest.raises(NotProven):
        script.run(talk.get_blob(digest))
    with pytest.raises(ClientError, match="unknown-blob"):
        script.run(talk.get_blob("00" * 32))


def test_reads_after_a_write_ask_for_at_least_its_log_size(talk: Exchanges) -> None:
    log = Log()
    Script(log.handle).run(talk.send(statement("task.cancel")))
    script = Script(lambda request: answer(200, {"agent": "x"}))
    script.run(talk.agent("@bob"))
    script.run(talk.seats("did:key:zx"))
    assert [request.path for request in script.requests] == [
        "/v1/agents/@bob?min_size=1",
        "/v1/agents/did:key:zx/seats?state=open&min_size=1",
    ]


def test_a_receipt_of_another_entry_than_was_asked_for_is_refused(talk: Exchanges) -> None:
    log = Log()
    log.append(statement("task.cancel", seeds=[seed(0)]))
    log.append(statement("task.cancel", task="other"))
    assert Script(log.handle).run(talk.receipt(1))[1].index == 1
    with pytest.raises(NotProven):
        Script(lambda request: log.handle(Request("GET", "/v1/receipts/0"))).run(talk.receipt(1))


def test_the_checkpoint_is_the_logs_own(talk: Exchanges) -> None:
    log = Log()
    log.append(statement("task.cancel"))
    assert Script(lambda request: Response(200, log.checkpoint())).run(talk.checkpoint()).size == 1
    forged = Log(signer_number=1)
    forged.append(statement("task.cancel"))
    with pytest.raises(NotProven):
        Script(lambda request: Response(200, forged.checkpoint())).run(talk.checkpoint())
