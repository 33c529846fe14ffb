"""The reference relay: it confirms nobody whom the log does not name, and passes on what is due to whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.client.services import Log, problem
from tests.factories import NETWORK, NOW_MS
from trust.client import AsyncTrustClient, ServiceError
from trust.client.statements import Speaker, did_of_seed
from trust.client.wire import Request
from trust.core.commands import Spoken
from trust.core.payloads import ClaimRequest, TaskAllocate, TaskPost
from trust.sandbox.link import RelayLink
from trust.sandbox.relay import RelayServer
from trust.verify.failures import NotProven
from trust.verify.receipts import verify_confirmation

RELAY = "rly_" + "a" * 26
CLAIM = "clm_" + "b" * 26
COORDINATOR = bytes([9]) * 32
ROSA, ADA, BOB = (Speaker(NETWORK, bytes([number]) * 32) for number in (1, 2, 3))
Facts = dict[str, Any]


class Service:
    """A log with one rule: the first claim on a task wins."""

    def __init__(self) -> None:
        self.log = Log()
        self.log.events = _events
        self.state = "open"
        self.states: list[str] = []
        self.winners: dict[str, str] = {}
        self.refuse: str | None = None

    def handle(self, request: httpx.Request) -> httpx.Response:
        asked = Request(request.method, request.url.raw_path.decode(), request.content)
        found = self._answer(asked)
        assert not isinstance(found, Exception)
        return httpx.Response(found.status, content=found.body, headers=dict(found.headers))

    def _answer(self, asked: Request) -> Any:
        if asked.path.startswith("/v1/tasks/"):
            shortlist = [{"agent": ADA.actor, "probation": False}]
            window = {"exclusive_until_ms": NOW_MS + 100, "allocation": {"shortlist": shortlist}}
            return problem(200, "none", state=self.states.pop(0) if self.states else self.state, **window)
        if (
            asked.path == "/v1/tasks"
            and self.refuse
            and isinstance(_spoken(asked.body).payload, TaskAllocate)
        ):
            return problem(409, self.refuse)
        if asked.path == "/v1/claims":
            said = _spoken(asked.body)
            assert isinstance(said.payload, ClaimRequest)
            if self.refuse:
                return problem(402, self.refuse, refusal=self.log.refusal(said.id, self.refuse))
            winner = self.winners.setdefault(said.payload.task, said.payload.actor)
            if winner != said.payload.actor:
                note = self.log.refusal(said.id, "already-claimed")
                return problem(409, "already-claimed", worker=winner, refusal=note)
        return self.log.handle(asked)


def _spoken(data: bytes) -> Spoken:
    from trust.core import commands

    return commands.parse(data)


def _events(spoken: Spoken) -> Sequence[Facts]:
    said = spoken.payload
    if not isinstance(said, ClaimRequest):
        return ()
    return ({"kind": "claim.opened", "claim": CLAIM, "task": said.task, "worker": said.actor},)


class Agent:
    """One end of a link, and what it was told unasked."""

    def __init__(self, me: Speaker) -> None:
        self.me = me
        self.heard: asyncio.Queue[Facts] = asyncio.Queue()

    async def join(self, url: str, contact: str = "") -> Agent:
        self.link = await RelayLink.open(url, self.me, self.heard.put, contact)
        return self

    async def hears(self, kind: str) -> Facts:
        async with asyncio.timeout(5):
            while (message := await self.heard.get())["type"] != kind:
                pass
        return message


@asynccontextmanager
async def _relay(service: Service) -> AsyncIterator[str]:
    transport = httpx.MockTransport(service.handle)
    vkey = service.log.signer.verifier
    async with AsyncTrustClient("http://service", vkey, transport=transport, now_ms=lambda: NOW_MS) as client:
        server = await RelayServer(client, RELAY, 1, [COORDINATOR]).listen("127.0.0.1", 0)
        async with server:
            yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def _three(service: Service) -> AsyncIterator[tuple[Agent, Agent, Agent]]:
    async with _relay(service) as url:
        agents = Agent(ROSA), Agent(ADA), Agent(BOB)
        for agent in agents:
            await agent.join(url, "ws://rosa" if agent.me is ROSA else "")
        yield agents
        for agent in agents:
            await agent.link.close()


def _run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def _post(me: Speaker = ROSA) -> bytes:
    terms: Facts = {"task": "t1", "task_kind": "code-review", "spec_sha256": "0" * 64}
    return me.say(TaskPost, NOW_MS, **terms, price_units=100, deadline_ms=NOW_MS + 1_000)


def _claim(me: Speaker) -> bytes:
    return me.say(ClaimRequest, NOW_MS, task="t1", task_index=0, relay=RELAY, stake_units=200)


def test_a_task_is_offered_to_everybody_once_the_log_has_it() -> None:
    async def test() -> None:
        service = Service()
        async with _three(service) as (rosa, ada, bob):
            posted = await rosa.link.post("t1", _post())
            assert posted["receipt"]["index"] == 0
            for agent in (ada, bob):
                offered = await agent.hears("task")
                told = {name: offered[name] for name in ("task", "requester", "contact", "task_index")}
                assert told == {
                    "task": "t1",
                    "requester": ROSA.actor,
                    "contact": "ws://rosa",
                    "task_index": 0,
                }
            assert len(service.log.entries) == 1

    _run(test)


def test_a_task_that_is_allocated_is_offered_to_its_shortlist_first_and_then_to_all() -> None:
    async def test() -> None:
        service = Service()
        service.states = ["allocating", "allocating", "open"]
        async with _three(service) as (rosa, ada, bob):
            asked = {"candidates": [ADA.actor, BOB.actor], "shortlist": 1, "exclusive_ms": 100}
            await rosa.link.post("t1", _post(), asked)
            assert (await ada.hears("task"))["task"] == "t1"
            assert bob.heard.empty()
            assert (await bob.hears("task"))["task"] == "t1"
        statement = json.loads(service.log.entries[1])["command"]["statement"]
        allocated = _spoken(json.dumps(statement).encode()).payload
        assert isinstance(allocated, TaskAllocate)
        assert (allocated.actor, allocated.relay, allocated.task) == (did_of_seed(COORDINATOR), RELAY, "t1")
        assert (list(allocated.candidates), allocated.shortlist) == ([ADA.actor, BOB.actor], 1)

    _run(test)


def test_a_task_that_was_claimed_in_its_window_is_offered_to_nobody_else() -> None:
    async def test() -> None:
        service = Service()
        service.states = ["open", "claimed"]
        async with _three(service) as (rosa, ada, bob):
            await rosa.link.post("t1", _post(), {"shortlist": 1, "exclusive_ms": 100})
            await ada.hears("task")
            await asyncio.sleep(0.3)
            assert bob.heard.empty()

    _run(test)


def test_a_task_whose_allocation_is_refused_is_offered_to_all() -> None:
    async def test() -> None:
        service = Service()
        service.refuse = "nobody-eligible"
        async with _three(service) as (rosa, ada, bob):
            await rosa.link.post("t1", _post(), {"shortlist": 1, "exclusive_ms": 100})
            assert (await rosa.hears("refused"))["code"] == "nobody-eligible"
            for agent in (ada, bob):
                assert (await agent.hears("task"))["task"] == "t1"

    _run(test)


def test_of_two_who_claim_at_once_one_is_confirmed_and_the_other_hears_who_won() -> None:
    async def test() -> None:
        async with _three(Service()) as (rosa, ada, bob):
            await rosa.link.post("t1", _post())
            results = await asyncio.gather(
                ada.link.claim("t1", _claim(ADA)), bob.link.claim("t1", _claim(BOB)), return_exceptions=True
            )
            confirmed = [result for result in results if isinstance(result, dict)]
            refused = [result for result in results if isinstance(result, ServiceError)]
            assert len(confirmed) == len(refused) == 1
            assert (refused[0].status, refused[0].code) == (409, "already-claimed")
            assert refused[0].extra["worker"] == confirmed[0]["worker"]
            assert "refusal" in refused[0].extra
            told = await rosa.hears("confirmed")
            for confirmation in (told["confirmation"], confirmed[0]["confirmation"]):
                said = verify_confirmation(confirmation.encode(), NETWORK, [did_of_seed(COORDINATOR)], 1).said
                assert (said.task, said.claim, said.worker, said.index) == ("t1", CLAIM, told["worker"], 1)

    _run(test)


def test_nobody_is_confirmed_whom_the_service_refuses() -> None:
    async def test() -> None:
        service = Service()
        service.refuse = "insufficient-funds"
        async with _three(service) as (rosa, ada, _):
            await rosa.link.post("t1", _post())
            with pytest.raises(ServiceError, match="insufficient-funds"):
                await ada.link.claim("t1", _claim(ADA))
            await ada.link.notify(ROSA.actor, {"after": "all"})
            await rosa.hears("notification")
            assert all(message["type"] != "confirmed" for message in list(rosa.heard._queue))  # type: ignore[attr-defined]

    _run(test)


def test_nobody_brings_the_claim_or_the_task_of_another() -> None:
    async def test() -> None:
        service = Service()
        async with _three(service) as (rosa, ada, _):
            await rosa.link.post("t1", _post())
            with pytest.raises(ServiceError, match="its own claim"):
                await ada.link.claim("t1", _claim(BOB))
            with pytest.raises(ServiceError, match="its own task"):
                await ada.link.post("t1", _post())
            assert len(service.log.entries) == 1

    _run(test)


def test_a_notification_says_who_sent_it() -> None:
    async def test() -> None:
        async with _three(Service()) as (rosa, ada, _):
            await ada.link.notify(ROSA.actor, {"output": "delivered"})
            heard = await rosa.hears("notification")
            assert (heard["from"], heard["body"]) == (ADA.actor, {"output": "delivered"})

    _run(test)


def test_a_task_is_offered_again_only_while_the_service_says_that_it_is_open() -> None:
    async def test() -> None:
        service = Service()
        async with _three(service) as (rosa, ada, _):
            await rosa.link.post("t1", _post())
            await ada.hears("task")
            service.state = "claimed"
            await rosa.link.offer("t1")
            assert (await rosa.hears("refused"))["code"] == "wrong-state"
            service.state = "open"
            await rosa.link.offer("t1")
            assert (await ada.hears("task"))["task"] == "t1"

    _run(test)


@pytest.mark.parametrize(
    "hello", ["", "[]", "{}", json.dumps({"did": ADA.actor, "signature": "A" * 86 + "=="})]
)
def test_who_does_not_prove_its_key_is_hung_up_on(hello: str) -> None:
    async def test() -> None:
        async with _relay(Service()) as url, connect(url) as wire:
            assert json.loads(await wire.recv())["type"] == "challenge"
            await wire.send(hello)
            with pytest.raises(ConnectionClosed):
                await wire.recv()

    _run(test)


@pytest.mark.parametrize(
    "message", ["", "[]", '{"type":"dance"}', '{"type":"claim"}', '{"type":"claim","envelope":{}}']
)
def test_a_message_that_means_nothing_is_answered_and_the_line_stays_up(message: str) -> None:
    async def test() -> None:
        async with _three(Service()) as (_, ada, bob):
            await ada.link._wire.send(message)
            assert (await ada.hears("refused"))["code"] == "malformed"
            await bob.link.notify(ADA.actor, {"still": "here"})
            await ada.hears("notification")

    _run(test)


def test_anybody_reads_what_the_relay_is_and_offers_over_http() -> None:
    async def test() -> None:
        async with _relay(Service()) as url:
            rosa = await Agent(ROSA).join(url)
            await rosa.link.post("t1", _post())
            async with httpx.AsyncClient(base_url=url.replace("ws:", "http:")) as http:
                about = (await http.get("/")).json()
                assert (about["relay"], about["coordinators"]) == (RELAY, [did_of_seed(COORDINATOR)])
                assert (await http.get("/health")).json() == {"status": "ok"}
                assert [each["task"] for each in (await http.get("/tasks")).json()["tasks"]] == ["t1"]
                assert (await http.get("/tasks/t1")).json()["requester"] == ROSA.actor
                assert (await http.get("/tasks/t2")).status_code == 404
            await rosa.link.close()

    _run(test)


def test_a_confirmation_of_another_relay_is_not_believed() -> None:
    async def test() -> None:
        async with _three(Service()) as (rosa, ada, _):
            await rosa.link.post("t1", _post())
            told = await ada.link.claim("t1", _claim(ADA))
            with pytest.raises(NotProven):
                verify_confirmation(told["confirmation"].encode(), NETWORK, [BOB.actor], 1)

    _run(test)
