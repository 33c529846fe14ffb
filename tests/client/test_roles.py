"""The roles over a service of a few lines: what each says, in which order, and what survives a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.client.services import Log, Script, answer, problem
from tests.factories import NETWORK, NOW_MS, derived_id, did, log_signer, seed
from trust.client import (
    Accepted,
    ClientError,
    NotProven,
    Relay,
    Requester,
    ServiceError,
    Verifier,
    Worker,
    statements,
)
from trust.client.clients import Client
from trust.client.items import ItemTree
from trust.client.statements import Speaker
from trust.client.transports import Transport
from trust.client.verifier import Case, Judgement
from trust.client.wire import Exchange, Request, Response
from trust.core.commands import Spoken, parse
from trust.core.payloads import (
    ClaimAbandon,
    ClaimRequest,
    Items,
    ItemsOpen,
    RelayConfirm,
    TaskAllocate,
    TaskCancel,
    TaskPost,
    VoteCommit,
    VoteReveal,
    kind_of,
)
from trust.core.rules.votes import commitment
from trust.core.strict import base64_of

CLAIM, SEAT, RELAY = derived_id("clm_"), derived_id("seat_"), derived_id("rly_")
ITEMS = [b"item %d" % number for number in range(40)]


class Scripted(Transport):
    """A transport that asks a handler instead of the network."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def run(self, exchange: Exchange[Any]) -> Any:
        return self.script.run(exchange)


class Service:
    """The log of `services.py`, and reads that a test sets."""

    def __init__(self) -> None:
        self.log = Log()
        self.reads: dict[str, dict[str, Any]] = {"/v1/policy": {"registration": {"pow_bits": 3}}}
        self.said: list[Spoken] = []
        self.down: set[str] = set()
        self.script = Script(self.handle)
        self.client: Client[Transport] = Client(
            Scripted(self.script), log_signer().verifier, None, lambda: NOW_MS
        )

    def handle(self, request: Request) -> Response | Exception:
        path = request.path.partition("?")[0]
        if path in self.reads:
            return answer(200, self.reads[path])
        if request.method == "POST" and path != "/v1/statements":
            spoken = parse(request.body)
            if kind_of(spoken.payload) in self.down:
                return problem(410, "too-late")
            self.said.append(spoken)
        return self.log.handle(request)

    @property
    def kinds(self) -> list[str]:
        return [kind_of(spoken.payload) for spoken in self.said]


@pytest.fixture
def service() -> Service:
    return Service()


def test_an_agent_registers_with_the_work_that_the_policy_asks_and_its_owners_signature(
    service: Service,
) -> None:
    Worker(service.client, seed(0)).register("bob", ["extract"], owner_seed=seed(9))
    said = service.said[0]
    assert set(said.signed.signers) == {did(0), did(9)}
    assert json.loads(said.signed.payload)["owner"] == did(9)


def test_a_rotated_agent_goes_on_speaking_with_its_new_key(service: Service) -> None:
    worker = Worker(service.client, seed(0))
    worker.rotate(seed(1))
    worker.send(ClaimAbandon, claim=CLAIM)
    assert set(service.said[0].signed.signers) == {did(0), did(1)}
    assert (service.said[1].payload.actor, service.said[1].signed.signers) == (did(0), (did(1),))


def test_a_specification_is_stored_before_its_task_is_posted(service: Service) -> None:
    items = Items(count=40)
    Requester(service.client, seed(0)).post(
        "task-1", "extract", b"spec", price_units=100, deadline_ms=NOW_MS + 60_000, items=items
    )
    assert [request.method for request in service.script.requests] == ["PUT", "POST"]
    posted = service.said[0].payload
    assert isinstance(posted, TaskPost)
    assert (service.log.blobs[posted.spec_sha256], posted.items) == (b"spec", items)


def _won(service: Service) -> tuple[Relay[Transport], bytes]:
    service.reads["/v1/tasks/task-1"] = {"task": "task-1", "index": 4}
    service.log.events = lambda spoken: [
        {"kind": "claim.opened", "claim": CLAIM, "task": "task-1", "worker": spoken.payload.actor}
    ]
    request = Worker(service.client, seed(0)).request("task-1", RELAY, 250)
    return Relay(service.client, RELAY, [seed(1), seed(2)]), request


def test_a_relay_confirms_only_what_the_log_says_and_the_worker_can_check_it(service: Service) -> None:
    relay, request = _won(service)
    granted = relay.grant(request)
    asked = service.said[0].payload
    assert isinstance(asked, ClaimRequest)
    assert (asked.task_index, asked.stake_units) == (4, 250)
    assert set(service.said[0].signed.signers) == {did(0), did(1), did(2)}
    worker = Worker(service.client, seed(0))
    proven = worker.confirmed(granted.confirmation, [did(1), did(2), did(3)], 2)
    assert (granted.claim, proven.index) == (CLAIM, 0)
    with pytest.raises(NotProven):
        worker.confirmed(granted.confirmation, [did(1), did(3)], 2)


def test_an_allocation_is_signed_by_every_coordinator_that_is_here(service: Service) -> None:
    relay = Relay(service.client, RELAY, [seed(1), seed(2)])
    relay.allocate("task-1", shortlist=2, exclusive_ms=1_000, candidates=[did(7), did(8)])
    said = service.said[0].payload
    assert isinstance(said, TaskAllocate)
    assert (said.actor, said.relay, said.task) == (did(1), RELAY, "task-1")
    assert (said.candidates, said.shortlist, said.exclusive_ms) == ((did(7), did(8)), 2, 1_000)
    assert set(service.said[0].signed.signers) == {did(1), did(2)}


def test_a_relay_does_not_confirm_a_claim_of_another_relay(service: Service) -> None:
    relay, request = _won(service)
    entry = relay.grant(request).accepted.entry
    with pytest.raises(NotProven):
        Relay(service.client, derived_id("rly_", 1), [seed(1)]).confirm(entry)


def _confirmed(service: Service, **lie: object) -> tuple[Relay[Transport], bytes]:
    """A coordinator, and a confirmation that another one signed, with a lie in it."""
    relay, request = _won(service)
    entry = relay.grant(request).accepted.entry
    claimed = {"task": "task-1", "claim": CLAIM, "worker": did(0), "index": entry.index} | lie
    told: dict[str, Any] = claimed
    other = Speaker(NETWORK, seed(1))
    return Relay(service.client, RELAY, [seed(2)]), other.say(RelayConfirm, NOW_MS, **told)


def test_a_coordinator_adds_its_signature_to_a_confirmation_that_the_log_bears_out(service: Service) -> None:
    relay, told = _confirmed(service)
    assert set(parse(relay.cosign(told)).signed.signers) == {did(1), did(2)}


@pytest.mark.parametrize(
    "lie",
    [{"worker": did(7)}, {"claim": derived_id("clm_", 1)}, {"task": "task-2"}],
    ids=["loser", "claim", "task"],
)
def test_a_coordinator_that_is_shown_a_lie_signs_nothing(service: Service, lie: dict[str, object]) -> None:
    relay, told = _confirmed(service, **lie)
    with pytest.raises(NotProven, match="confirmed"):
        relay.cosign(told)


def test_a_coordinator_signs_only_what_its_own_relay_hands_out(service: Service) -> None:
    relay, told = _confirmed(service)
    _, request = _won(service)
    with pytest.raises(NotProven, match="no claim through"):
        Relay(service.client, derived_id("rly_", 1), [seed(2)]).cosign(told)
    with pytest.raises(ClientError, match="wrong-relay"):
        Relay(service.client, derived_id("rly_", 1), [seed(2)]).cosign(request)
    other = Speaker(NETWORK, seed(1))
    for said in (
        other.say(ClaimAbandon, NOW_MS, claim=CLAIM),
        other.say(TaskCancel, NOW_MS, task="task-1"),
    ):
        with pytest.raises(ClientError, match="unknown-kind"):
            relay.cosign(said)
    with pytest.raises(ClientError, match="foreign-network"):
        relay.cosign(Speaker("elsewhere.example/log", seed(1)).say(TaskCancel, NOW_MS, task="task-1"))


def _deliver(service: Service, data: bytes) -> Accepted:
    return Worker(service.client, seed(0)).submit(CLAIM, {"report.json": data})


def test_a_worker_signs_no_second_output_for_a_claim_that_has_one(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.reads[f"/v1/claims/{CLAIM}"] = {"output": None}
    first = _deliver(service, b"one answer")
    service.reads[f"/v1/claims/{CLAIM}"] = {"output": {"index": first.index}}
    signed: list[object] = []
    monkeypatch.setattr(statements, "sign", lambda *said: signed.append(said))
    with pytest.raises(ClientError, match="output-exists"):
        _deliver(service, b"another answer of the same model")
    again = _deliver(service, b"one answer")
    assert (again.index, again.statement, again.repeated) == (first.index, first.statement, True)
    assert (service.kinds, signed) == (["output.submit"], [])


def test_a_worker_that_gets_no_answer_to_its_question_signs_nothing(service: Service) -> None:
    handle = service.handle
    service.script.handler = lambda request: (
        problem(404, "unknown-claim") if request.path.startswith("/v1/claims/") else handle(request)
    )
    with pytest.raises(ServiceError, match="unknown-claim"):
        _deliver(service, b"one answer")
    assert service.kinds == []


def test_a_worker_opens_the_drawn_items_of_each_seat_and_stores_each_blob_once(service: Service) -> None:
    def seat(name: str, indices: list[int], *, current: bool = True) -> dict[str, Any]:
        return {"seat": name, "current": current, "items": [{"index": i, "leaf": None} for i in indices]}

    seats = [
        seat(SEAT, list(range(20))),
        seat(derived_id("seat_", 1), [19, 39]),
        seat("seat_x", [1], current=False),
    ]
    seats[0]["items"][5]["leaf"] = "00" * 32
    service.reads[f"/v1/claims/{CLAIM}"] = {"rounds": [{"phase": "opening", "seats": seats}]}
    opened = Worker(service.client, seed(0)).attend(CLAIM, ITEMS)
    assert len(service.log.blobs) == 20
    tree = ItemTree(ITEMS)
    assert set(service.log.blobs) == {tree.leaf(i).hex() for i in {*range(20), 39} - {5}}
    counts = [
        (said.seat, len(said.items))
        for accepted in opened
        if (spoken := accepted.entry.spoken) and isinstance(said := spoken.payload, ItemsOpen)
    ]
    assert counts == [(SEAT, 16), (SEAT, 3), (derived_id("seat_", 1), 2)]


def test_a_worker_with_nothing_to_open_says_nothing(service: Service) -> None:
    service.reads[f"/v1/claims/{CLAIM}"] = {"rounds": []}
    assert Worker(service.client, seed(0)).attend(CLAIM) == []


class Seated:
    """A verifier with one seat on a batch of two items, or on a single output."""

    def __init__(self, service: Service, tmp_path: Path, *, batch: bool) -> None:
        self.service, self.path = service, tmp_path / "votes"
        self.judged: list[Case] = []
        self.answer: Judgement = {3: True, 7: False} if batch else True
        requester, worker = Requester(service.client, seed(5)), Worker(service.client, seed(6))
        posted = requester.post("task-1", "extract", b"spec", price_units=1, deadline_ms=NOW_MS + 1)
        service.reads[f"/v1/claims/{CLAIM}"] = {"output": None}
        output = worker.submit(CLAIM, {"findings.json": b"{}"}, ITEMS if batch else ())
        tree = ItemTree(ITEMS)
        for index in (3, 7):
            service.log.handle(Request("PUT", "/v1/blobs/x", tree.blob(index)))
        self.duty: dict[str, Any] = {
            "seat": SEAT, "claim": CLAIM, "state": "seated", "phase": "commit",
            "task": {"task": "task-1", "index": posted.index}, "output": {"index": output.index},
            "items": [{"index": i, "leaf": tree.leaf(i).hex()} for i in (3, 7)] if batch else [],
        }  # fmt: skip
        service.reads[f"/v1/agents/{did(0)}/seats"] = {"seats": [self.duty], "after": None}
        service.said.clear()

    def judge(self, case: Case) -> Judgement:
        self.judged.append(case)
        return self.answer

    def verifier(self) -> Verifier[Transport]:
        return Verifier(self.service.client, seed(0), self.path, self.judge)

    def committed(self) -> None:
        self.duty |= {"state": "committed", "phase": "reveal"}


@pytest.mark.parametrize("batch", [True, False])
def test_a_verifier_judges_what_the_log_holds_commits_and_reveals_the_same(
    service: Service, tmp_path: Path, batch: bool
) -> None:
    seated = Seated(service, tmp_path, batch=batch)
    verifier = seated.verifier()
    assert [act.did for act in verifier.step()] == ["commit"]
    case = seated.judged[0]
    assert case.spec == b"spec"
    assert case.items == ({3: ITEMS[3], 7: ITEMS[7]} if batch else {})
    assert case.artifacts == ({} if batch else {"findings.json": b"{}"})
    seated.committed()
    assert [act.did for act in verifier.step()] == ["reveal"]
    committed, revealed = (spoken.payload for spoken in service.said)
    assert isinstance(committed, VoteCommit)
    assert isinstance(revealed, VoteReveal)
    assert revealed.verdict == ("fail" if batch else "pass")
    assert committed.commitment == commitment(NETWORK, SEAT, did(0), revealed)


def test_a_verifier_that_dies_after_it_decided_sends_the_very_same_commitment_again(
    service: Service, tmp_path: Path
) -> None:
    seated = Seated(service, tmp_path, batch=False)
    service.down.add("vote.commit")
    first = seated.verifier()
    assert [act.error.code for act in first.step() if act.error] == ["too-late"]
    service.down.clear()
    seated.answer = False
    second = seated.verifier()
    second.step()
    second.step()
    assert len(seated.judged) == 1
    assert len({spoken.id for spoken in service.said}) == 1
    assert len(service.log.entries) == 3
    seated.committed()
    second.step()
    revealed = service.said[-1].payload
    assert isinstance(revealed, VoteReveal)
    assert revealed.verdict == "pass"


def test_two_copies_of_a_verifier_commit_one_vote(service: Service, tmp_path: Path) -> None:
    seated = Seated(service, tmp_path, batch=False)
    one, other = seated.verifier(), seated.verifier()
    one.step()
    seated.answer = False
    other.step()
    assert len({spoken.id for spoken in service.said}) == 1
    seated.committed()
    one.step()
    seated.duty |= {"state": "seated", "phase": "commit"}
    acts = other.step()
    assert [act.error.code for act in acts if act.error] == ["already-revealed"]
    assert service.kinds.count("vote.commit") == 2


def test_a_verifier_that_lost_its_memory_says_so_and_does_not_guess(service: Service, tmp_path: Path) -> None:
    seated = Seated(service, tmp_path, batch=False)
    verifier = seated.verifier()
    verifier.step()
    seated.path.unlink()
    seated.committed()
    acts = seated.verifier().step()
    assert isinstance(acts[0].error, NotProven)
    assert service.kinds == ["vote.commit"]


def test_a_seat_that_is_shown_the_output_of_another_claim_is_not_judged(
    service: Service, tmp_path: Path
) -> None:
    seated = Seated(service, tmp_path, batch=False)
    seated.duty["claim"] = derived_id("clm_", 9)
    acts = seated.verifier().step()
    assert isinstance(acts[0].error, NotProven)
    assert seated.judged == []


@pytest.mark.parametrize("judgement", [True, {3: True}, {3: True, 7: True, 8: True}])
def test_a_judge_of_a_batch_speaks_of_exactly_its_items(
    service: Service, tmp_path: Path, judgement: bool | Mapping[int, bool]
) -> None:
    seated = Seated(service, tmp_path, batch=True)
    seated.answer = judgement
    with pytest.raises(ValueError, match="judge"):
        seated.verifier().step()
    assert service.said == []


def test_a_salt_is_never_used_twice(service: Service, tmp_path: Path) -> None:
    seated = Seated(service, tmp_path, batch=False)
    verifier = seated.verifier()
    case = verifier.case(seated.duty)
    salts = set()
    for number in range(3):
        duty = seated.duty | {"seat": derived_id("seat_", number)}
        salts.add(verifier.vote(duty, Case(duty["seat"], *_rest(case)), judgement=True).salt)
    assert len(salts) == 3
    assert base64_of(bytes(32)) not in salts


def _rest(case: Case) -> tuple[Any, ...]:
    return case.claim, case.task, case.output, case.spec, case.artifacts, case.items


def test_a_workers_claims_are_read_page_by_page_and_each_page_asks_for_that_worker(service: Service) -> None:
    claims = [{"claim": derived_id("clm_", serial), "state": "claimed"} for serial in range(3)]
    pages = {"": {"claims": claims[:2], "after": "9.task"}, "9.task": {"claims": claims[2:], "after": None}}

    def handle(request: Request) -> Response | Exception:
        asked = parse_qs(request.path.partition("?")[2])
        assert (asked["state"], asked["worker"]) == (["open"], [did(0)])
        return answer(200, pages[asked.get("after", [""])[0]])

    service.script.handler = handle
    assert Worker(service.client, seed(0)).underway() == claims
    assert len(service.script.requests) == 2


def test_what_is_declared_once_runs_with_and_without_asyncio(service: Service) -> None:
    from trust.client import AsyncTrustClient, TrustClient, Unreachable
    from trust.client.exchanges import Retry

    key, quick = log_signer().verifier, Retry(total_ms=0)
    with TrustClient("http://127.0.0.1:9", key, retry=quick) as client, pytest.raises(Unreachable):
        client.policy()

    async def ask() -> None:
        async with AsyncTrustClient("http://127.0.0.1:9", key, retry=quick) as client:
            await client.policy()

    with pytest.raises(Unreachable):
        asyncio.run(ask())
