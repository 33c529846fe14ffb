"""Coordinators keep one line to each other: signatures are asked for on it, and agents of the whole group are found."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.server import serve

from tests.relay.networks import KIND, Agent, Network, agents, line_is_up, lines_are_up, named, run
from trust.client import ServiceError
from trust.client.cosigning import Asked
from trust.client.exchanges import Exchanges
from trust.client.problems import Unreachable
from trust.client.statements import Speaker, cosign, did_of_seed, opened
from trust.core import envelope
from trust.errors import ClientError, TrustError
from trust.log.note import Verifier
from trust.relay import deciding, group
from trust.relay.deciding import Desk
from trust.relay.eligible import Eligible
from trust.relay.group import Group, Line
from trust.relay.server import RelayServer

pytestmark = pytest.mark.journey


def test_a_word_an_introduction_and_peers_reach_agents_of_another_coordinator(town: Network) -> None:
    async def test() -> None:
        ada, bob = Agent(town.agents[0]), Agent(town.agents[1])
        async with (
            town.connected() as three,
            agents(ada.join(three[0], contact="ws://ada"), bob.join(three[1], contact="ws://bob")),
        ):
            await ada.link.notify(bob.me.actor, {"x": 1})
            heard = await bob.hears("notification")
            assert (heard["from"], heard["body"]) == (ada.me.actor, {"x": 1})
            assert await ada.link.introduce(bob.me.actor) == "ws://bob"
            assert (await bob.hears("introduction", peer=ada.me.actor))["contact"] == "ws://ada"
            peers = {each["did"]: each["contact"] for each in await ada.link.peers(KIND)}
            assert peers == {ada.me.actor: "ws://ada", bob.me.actor: "ws://bob"}
            with pytest.raises(ServiceError, match="not-here"):
                await ada.link.notify(town.agents[5].actor, "to nobody")

    run(test)


def test_an_agent_cannot_pass_for_a_coordinator(town: Network) -> None:
    async def test() -> None:
        ada = Agent(town.agents[0])
        asked = {"type": "notify", "id": "1", "to": ada.me.actor, "body": 1}
        async with town.coordinators() as three, agents(ada.join(three[0])):
            statement = {"payloadType": "x", "payload": "", "signatures": []}
            for kind, members in (
                ("pass", {"sender": ada.me.actor, "contact": "", "asked": asked}),
                ("cosign", {"statement": statement}),
            ):
                with pytest.raises(ServiceError, match="not-coordinator"):
                    await ada.link.ask(kind, **members)

    run(test)


def test_uncontested_claims_take_no_request_to_the_service_at_the_cosigner(
    town: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[bytes] = []
    foreseen = Desk._foreseen

    async def counted(self: Desk, signed: bytes) -> Any:
        looked.append(signed)
        return await foreseen(self, signed)

    monkeypatch.setattr(Desk, "_foreseen", counted)

    async def test() -> None:
        rosa, ada = Agent(town.requester), Agent(town.agents[0])
        async with town.connected() as three:
            async with agents(rosa.join(three[0], kinds=()), ada.join(three[0])):
                names = [named() for _ in range(5)]
                posted = await rosa.link.post([town.task_post(name, town.group) for name in names])
                claims = [
                    town.claim_of(ada.me, name, each["index"], town.group)
                    for name, each in zip(names, posted, strict=True)
                ]
                await asyncio.gather(*(ada.link.claim(each) for each in claims))
            assert not looked

    run(test)


def test_a_promise_to_a_claim_that_the_service_would_refuse_keeps_nobody_out(town: Network) -> None:
    async def test() -> None:
        task, (ada, bob) = named(), town.agents[:2]
        async with town.coordinators() as three, town.client() as client:
            posted = await client.send(town.task_post(task, town.group))
            desk = three[1].server.desk
            await three[1].server.mirror.until(lambda: task in three[1].server.mirror.tasks, 5)

            def asked(agent: Speaker, **more: int) -> Asked:
                said = cosign(town.claim_of(agent, task, posted.index, town.group, **more), town.three[0])
                return Asked(envelope.open_envelope(said).envelope)

            await desk.eligible.may_claim(KIND, ada.actor, 1)
            desk.eligible._stakes[ada.actor, KIND] = 10**12, desk.eligible._stakes[ada.actor, KIND][1]
            await desk.cosign(asked(ada, stake_units=10**10))  # signed by what was known, and no money for it
            answer = await desk.cosign(asked(bob))
            assert answer["statement"]["signatures"]
            with pytest.raises(ClientError, match="the signature for"):
                await desk.cosign(asked(ada))

    run(test)


class Answers(Line):
    """A line whose other end does as told."""

    def __init__(self, seed: bytes, ends: str) -> None:
        super().__init__(did_of_seed(seed), "http://127.0.0.1:1", Speaker("x", seed))
        self.seed, self.ends, self.asked = seed, ends, 0

    @property
    def is_up(self) -> bool:
        return self.ends != "down"

    async def ask(self, kind: str, patience_s: float = 1, /, **members: Any) -> dict[str, Any]:
        self.asked += 1
        if self.ends == "refuses":
            raise ServiceError.of(409, {"code": "promised", "detail": ""})
        if self.ends == "hangs":
            await asyncio.Event().wait()
        sent = envelope.encode(envelope.from_envelope(_envelope(members["statement"])).envelope)
        signed = cosign(sent, self.seed) if self.ends != "lies" else sent
        return {"statement": envelope.open_envelope(signed).envelope}


def _envelope(members: dict[str, Any]) -> envelope.Envelope:
    signatures = tuple(envelope.Signature(**each) for each in members["signatures"])
    return envelope.Envelope(members["payloadType"], members["payload"], signatures)


def _group(town: Network, *ends: str) -> tuple[Group, list[Answers]]:
    others = {did_of_seed(seed): "http://x" for seed in town.three[1:]}
    made = Group(others, Speaker("x", town.three[0]), Exchanges(Verifier.parse(town.vkey)), lambda: 0)
    lines = [Answers(seed, end) for seed, end in zip(town.three[1:], ends, strict=True)]
    made._lines = {line._did: line for line in lines}
    made._addresses = dict.fromkeys(made._lines, "")
    return made, lines


@pytest.mark.parametrize("first", ["refuses", "hangs", "lies", "down"])
def test_one_that_refuses_hangs_lies_or_is_down_costs_no_more_than_asking_the_next(
    town: Network, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "SLOW_S", 0.05)

    async def test() -> None:
        made, lines = _group(town, first, "signs")
        request = town.claim_of(town.agents[0], named(), 1, town.group)
        async with town.client() as client, asyncio.timeout(1):
            own = frozenset([did_of_seed(town.three[0])])
            signed = await client.transport.run(made.gather(cosign(request, town.three[0]), own, 2))
        assert did_of_seed(town.three[2]) in opened(signed).signed.signers
        assert [line.asked for line in lines] == [int(first != "down"), 1]

    run(test)


def test_all_that_refuse_are_named_with_what_they_said(town: Network) -> None:
    async def test() -> None:
        made, _ = _group(town, "refuses", "refuses")
        request = cosign(town.claim_of(town.agents[0], named(), 1, town.group), town.three[0])
        async with town.client() as client:
            with pytest.raises(ClientError, match="1 of 2 coordinators") as caught:
                await client.transport.run(made.gather(request, frozenset([did_of_seed(town.three[0])]), 2))
        refusals: Any = caught.value.extra["refusals"]
        assert [each["code"] for each in refusals.values()] == ["promised", "promised"]

    run(test)


@contextlib.asynccontextmanager
async def _babbling(*frames: str) -> AsyncIterator[str]:
    """Something that is no coordinator, and says what it likes."""

    async def talk(connection: Any) -> None:
        for frame in frames:
            await connection.send(frame)
        await connection.wait_closed()

    async with serve(talk, "127.0.0.1", 0) as up:
        yield f"http://127.0.0.1:{up.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("frame", ["", "[]", "{}", '{"network":7,"coordinator":[]}', "[" * 3_000])
def test_whoever_is_no_coordinator_at_its_address_is_not_spoken_to(town: Network, frame: str) -> None:
    async def test() -> None:
        async with _babbling(frame) as address:
            line = Line(did_of_seed(town.three[1]), address, Speaker("x", town.three[0]))
            keeping = asyncio.create_task(line.keep())
            with pytest.raises(TrustError):
                await line.ask("cosign")
            assert not keeping.done()
            keeping.cancel()

    run(test)


def test_questions_of_agents_to_another_coordinator_are_bounded(
    town: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "MAX_PASSED", 2)

    async def test() -> None:
        line = Answers(town.three[1], "hangs")
        asking = [asyncio.create_task(line.pass_on("x", "", {})) for _ in range(3)]
        done, waiting = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        assert [str(each.exception())[:10] for each in done] == ["overloaded"]
        for each in waiting:
            each.cancel()

    run(test)


def test_who_may_claim_is_asked_for_together_and_again_once_something_lowers_it() -> None:
    asked: list[list[str]] = []

    async def rank(_: str, agents: Any) -> dict[str, Any]:
        asked.append(list(agents))
        await asyncio.sleep(0)
        found = [{"agent": each, "eligible": each != "jailed", "stake_units": 100} for each in agents]
        return {"candidates": found}

    async def test() -> None:
        made = Eligible(rank)
        names = [f"agent-{n}" for n in range(40)]
        assert all(await asyncio.gather(*(made.may_claim("k", each, 100) for each in names)))
        assert len(asked) <= 3
        before = len(asked)
        assert await made.may_claim("k", "agent-0", 100)
        assert not await made.may_claim("k", "agent-0", 101)
        assert len(asked) == before
        made.forget("agent-0")
        assert await made.may_claim("k", "agent-0", 100)
        assert not await made.may_claim("k", "jailed", 1)
        assert not await made.may_claim("k", "jailed", 1)
        assert asked[before:] == [["agent-0"], ["jailed"], ["jailed"]]

    asyncio.run(test())


def test_where_the_service_does_not_say_who_may_claim_nobody_is_known_to() -> None:
    async def rank(*_: Any) -> dict[str, Any]:
        raise ClientError("overloaded", "away", status=503)

    async def test() -> None:
        assert not await Eligible(rank).may_claim("k", "ada", 1)

    asyncio.run(test())


def test_lines_that_break_are_made_again(town: Network) -> None:
    async def test() -> None:
        async with town.connected() as three:
            for session in list(three[1].server.here.values()):
                session._connection.transport.abort()
            line = three[0].server.group._lines[three[1].server.did]
            asked = {"type": "peers", "id": "1", "task_kind": KIND}
            with pytest.raises(Unreachable):
                await line.pass_on(town.agents[0].actor, "", asked)
            await lines_are_up(three)
            assert await line.pass_on(town.agents[0].actor, "", asked)

    run(test)


def test_a_coordinator_may_ask_more_than_an_agent(town: Network) -> None:
    async def test() -> None:
        async with town.coordinators(RelayServer, RelayServer, None) as two:
            line = two[0].server.group._lines[two[1].server.did]
            await line_is_up(line)
            asked = {"type": "peers", "id": "1", "task_kind": KIND}
            for _ in range(10):
                await asyncio.gather(*(line.pass_on(town.agents[0].actor, "", asked) for _ in range(60)))
            assert line.is_up
            assert not two[1].server.drops

    run(test)


def test_a_coordinator_that_is_behind_the_log_does_not_say_that_a_task_is_closed(
    town: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "SEEN_S", 0.05)

    async def test() -> None:
        async with town.coordinators(RelayServer, None, None) as [only]:
            ahead = only.server.mirror.size + 1_000
            said = cosign(town.claim_of(town.agents[0], named(), ahead, town.group), town.three[1])
            signed = envelope.open_envelope(said).envelope
            for asked in (only.server.desk.cosign(Asked(signed)), only.server.desk.claim(signed)):
                with pytest.raises(ClientError) as caught:
                    await asked
                assert (caught.value.status, caught.value.code) == (503, "overloaded")

    run(test)
