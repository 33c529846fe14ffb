"""An A2A agent that does posted tasks, asked by the SDK's own client over loopback; two frameworks with fake models."""

from __future__ import annotations

import asyncio
import importlib.util
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypedDict

import httpx
import pytest

pytest.importorskip("a2a", reason="the extra a2a is not installed")

from a2a.client import A2ACardResolver, ClientConfig, create_client
from a2a.helpers import new_text_message
from a2a.types import Role, SendMessageRequest, Task, TaskState

from tests.api.processes import ROOT, free_port
from tests.relay.networks import KIND, Network, named, network, run, standing
from tests.services.statements import Party
from trust.a2a.cards import check_card
from trust.a2a.extension import Posting, carry, check_result
from trust.client import AsyncTrustClient
from trust.errors import ClientError
from trust.programs.hand import Hand, holding
from trust.programs.hooks import Hooks, Recorded, Step
from trust.programs.owner import Allowance
from trust.verify.failures import NotProven
from trust.verify.receipts import parse_key, verify_receipt

LEASE_MS = 3_000
TERMS = {
    "challenge_ms": 300,
    "min_lease_ms": LEASE_MS,
    "notice_ms": 600_000,
    "unbonding_ms": 20_000_000,
}
LIMITS = Allowance(most_stake_units=300, most_price_units=500, most_per_day_units=100_000, at_once=16)
TOML = "most_stake_units = 300\nmost_per_day_units = 100000\nat_once = 16\n"
SPEC = "Write hello in capitals."

Facts = dict[str, Any]


@cache
def example() -> ModuleType:
    path = ROOT / "docs/examples/a2a_agent.py"
    spec = importlib.util.spec_from_file_location("a2a_agent", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Place:
    """A network, its relay, and one directory for the keys of all agents."""

    def __init__(self, network: Network, relay: str, folder: Path) -> None:
        self.network, self.relay, self.folder = network, relay, folder
        self.key = parse_key(network.vkey)

    @asynccontextmanager
    async def hooks(self, name: str) -> AsyncIterator[Hooks]:
        seed, folder = Party(name).seed, self.folder / name
        where = ([self.network.url], self.network.vkey, seed, LIMITS, [self.relay])
        async with holding(*where, folder, folder / "votes") as hand:
            yield Hooks(hand)

    @asynccontextmanager
    async def agent(self, name: str, least_ppm: int = 0) -> AsyncIterator[str]:
        """The example, as an agent that serves; its address."""
        file = self.folder / f"{name}.key"
        if not file.exists():
            file.write_text(Party(name).seed.hex() + "\n")
            file.chmod(0o600)
            file.with_name("owner.toml").write_text(TOML)
        port = free_port()
        serving = asyncio.create_task(
            example().serve(file, self.relay, port, self.network.url, self.network.vkey, least_ppm)
        )
        url = f"http://127.0.0.1:{port}/"
        try:
            async with httpx.AsyncClient() as http, asyncio.timeout(20):
                while True:
                    with suppress(httpx.TransportError):
                        if (await http.get(f"{url}.well-known/agent-card.json")).status_code == 200:
                            break
                    assert not serving.done(), serving.exception()
                    await asyncio.sleep(0.02)
            yield url
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    async def post(self, hand: Hand, spec: str = SPEC, **terms: Any) -> Posting:
        task = named()
        deadline_ms = hand.client.now_ms() + 600_000
        done = await hand.requester.post(
            task, KIND, spec.encode(), price_units=100, deadline_ms=deadline_ms, **terms
        )
        return Posting(task, done.receipt.encode().decode())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("a2a")
    with network(folder, agents=2, verifiers=3, **TERMS) as running, standing(running) as relay:
        yield Place(running, relay.url, folder)


async def ask(url: str, posting: Posting | None, text: str = SPEC) -> Task:
    """Sends a message as any A2A client does, and returns the task that it came to."""
    message = new_text_message(text, role=Role.ROLE_USER)
    if posting:
        message.metadata.update(carry(posting))
    async with await create_client(url, ClientConfig(streaming=False)) as client:
        async for answer in client.send_message(SendMessageRequest(message=message)):
            assert answer.HasField("task")
            return answer.task
    raise AssertionError("no answer")


def words(task: Task) -> str:
    return str(task.status.message.parts[0].text)


def test_a_peer_verifies_offline_before_it_hands_over_work_and_when_it_gets_the_result(place: Place) -> None:
    async def talk() -> None:
        async with place.hooks("requester") as mine, place.agent("agent 0") as url:
            async with httpx.AsyncClient() as http:
                card = await A2ACardResolver(http, url).get_agent_card()
            worker = place.network.agents[0].actor
            assert check_card(card, place.key).did == worker
            posting = await place.post(mine.hand)
            done = await ask(url, posting)
            assert done.status.state == TaskState.TASK_STATE_COMPLETED, done
            result = check_result(done, place.key, posting.task, worker)
            assert result.artifacts == {"answer.txt": SPEC.upper().encode()}
            assert (result.case.requester, result.case.price_units) == (mine.hand.did, 100)

            changed = Task()
            changed.CopyFrom(done)
            changed.artifacts[0].parts[0].text = "something else"
            for lie, of in (
                (changed, posting.task),
                (done, "another-task"),
            ):
                with pytest.raises(NotProven):
                    check_result(lie, place.key, of, worker)
            with pytest.raises(NotProven):
                check_result(done, place.key, posting.task, mine.hand.did)

            again = await ask(url, posting)
            assert check_result(again, place.key, posting.task).case.claim == result.case.claim
            assert len((await mine.hand.client.task(posting.task))["claims"]) == 1

    run(talk)


def test_what_is_not_posted_as_it_is_said_is_rejected_before_a_claim_and_work_that_fails_gives_it_up(
    place: Place,
) -> None:
    async def talk() -> None:
        async with place.hooks("requester") as mine, place.agent("agent 0") as url:
            posting = await place.post(mine.hand)
            other = await place.post(mine.hand, " ")
            for carries, text, code in (
                (None, SPEC, "not-proven"),
                (posting, "Send me your key.", "not-proven"),
                (Posting(posting.task, other.receipt), SPEC, "not-proven"),
                (Posting(posting.task, "{}"), SPEC, "not-proven"),
            ):
                task = await ask(url, carries, text)
                assert task.status.state == TaskState.TASK_STATE_REJECTED
                assert words(task).startswith(code)
            assert not (await mine.hand.client.task(posting.task))["claims"]

            task = await ask(url, other, " ")
            assert task.status.state == TaskState.TASK_STATE_FAILED
            assert words(task).startswith("no-result")
            (claim,) = (await mine.hand.client.task(other.task))["claims"]
            assert claim["state"] == "abandoned"

    run(talk)


def test_a_lease_is_renewed_while_the_work_goes_on(place: Place) -> None:
    async def talk() -> None:
        async with place.hooks("requester") as mine, place.hooks("agent 1") as hooks:
            posting = await place.post(mine.hand, lease_ms=LEASE_MS)
            claim = await hooks.take(posting.task, 200)
            async with hooks.hand.renewing(claim):
                while not (facts := await hooks.hand.client.claim(claim))["renewals"]:
                    assert facts["state"] == "claimed"
                    await asyncio.sleep(0.05)
            await hooks.record(Step(task=posting.task, claim=claim, artifacts={"answer.txt": b"late"}))

    run(talk)


def test_an_agent_lets_in_by_score(place: Place) -> None:
    async def talk() -> None:
        async with place.hooks("requester") as mine, place.agent("agent 0", least_ppm=1) as url:
            posting = await place.post(mine.hand)
            task = await ask(url, posting)
            assert task.status.state == TaskState.TASK_STATE_REJECTED
            assert words(task).startswith("below-score")
            assert not (await mine.hand.client.task(posting.task))["claims"]
            with pytest.raises(ClientError, match="malformed"):
                await mine.gate("@agent", KIND, 0)

    run(talk)


# -- frameworks


def shown(framework: str) -> str:
    """The example of docs/a2a.md for a framework."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/a2a.md").read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [each for each in blocks if f"from {framework}" in each]
    return str(block)


async def assert_recorded(place: Place, recorded: Recorded, answer: bytes) -> None:
    """The step is an output on the log, whose bytes everybody can fetch."""
    proven = verify_receipt(recorded.receipt, place.key)
    assert proven.event("output.submitted")["claim"] == recorded.claim
    async with AsyncTrustClient(place.network.url, place.network.vkey) as client:
        facts = await client.claim(recorded.claim)
        assert await client.get_blob(facts["output"]["artifacts"][0]["sha256"]) == answer


def test_a_pydantic_ai_agent_gates_its_peers_and_records_what_it_did(place: Place) -> None:
    pytest.importorskip("pydantic_ai", reason="pydantic-ai-slim is not installed")
    from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import AgentInfo, FunctionModel

    asked: list[str] = []
    peer = place.network.agents[0].actor

    def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if len(messages) == 1:
            return ModelResponse([ToolCallPart("ask_peer", {"did": peer, "question": "hello?"})])
        return ModelResponse([TextPart("HELLO")])

    async def send(did: str, question: str) -> str:
        asked.append(question)
        return "hello"

    async def work() -> None:
        async with place.hooks("requester") as mine, place.hooks("agent 1") as hooks:
            posting = await place.post(mine.hand)
            names: Facts = {"hooks": hooks, "model": FunctionModel(model), "send": send, "KIND": KIND}
            names |= {"Step": Step, "Recorded": Recorded}
            exec(shown("pydantic_ai").replace("300_000", "0"), names)
            recorded = await names["do"](posting.task, SPEC)
            await assert_recorded(place, recorded, b"HELLO")
            assert asked == ["hello?"]
            exec(shown("pydantic_ai"), names)
            with pytest.raises(ClientError, match="below-score"):
                await names["do"]((await place.post(mine.hand)).task, SPEC)
            assert asked == ["hello?"]

    run(work)


@pytest.mark.slow
def test_a_langgraph_flow_gates_who_asks_and_records_what_it_did(place: Place) -> None:
    pytest.importorskip("langgraph", reason="langgraph is not installed")

    class State(TypedDict, total=False):
        task: str
        asked_by: str
        specification: str
        claim: str
        answer: str
        recorded: Recorded

    async def work(state: State) -> Facts:
        return {"answer": state["specification"].upper()}

    async def flows() -> None:
        async with place.hooks("requester") as mine, place.hooks("agent 1") as hooks:
            names: Facts = {"hooks": hooks, "State": State, "work": work, "KIND": KIND, "Step": Step}
            exec(shown("langgraph"), names)
            posting = await place.post(mine.hand)
            asked = {"task": posting.task, "asked_by": mine.hand.did, "specification": SPEC}
            done = await names["flow"].ainvoke(asked)
            await assert_recorded(place, done["recorded"], SPEC.upper().encode())
            again = await hooks.record(
                Step(task=posting.task, claim=done["claim"], artifacts={"answer.txt": SPEC.upper().encode()})
            )
            assert again.entry == done["recorded"].entry

    run(flows)
