"""The coordinator that signs a claim last brings it to the service, and says the confirmation first: one exchange
between the two, of which nothing is believed that is not proven."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.relay.networks import Agent, Coordinator, Network, agents, named, run
from trust.client import ServiceError
from trust.client.cosigning import Asked
from trust.client.statements import Speaker, cosign, did_of_seed, opened
from trust.core.payloads import RelayConfirm
from trust.log.note import Verifier
from trust.relay import deciding, group
from trust.relay.group import Line
from trust.relay.messages import encode
from trust.verify.receipts import verify_confirmation, verify_refusal

pytestmark = pytest.mark.journey

Facts = dict[str, Any]


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy is no coordinator that is slow: nobody else is asked for that."""
    monkeypatch.setattr(group, "SLOW_S", 15.0)


def _kinds(coordinator: Coordinator, statement: str) -> list[tuple[str, str]]:
    """What a coordinator's feed has about a statement."""
    decisions = map(msgspec.json.decode, coordinator.server.feed._tail)
    return [(each["kind"], each["what"]) for each in decisions if each.get("statement") == statement]


async def _claimed(town: Network, at: Coordinator, task: str, index: int) -> Facts:
    ada = Agent(town.agents[0])
    async with agents(ada.join(at, kinds=())):
        return await ada.link.claim(town.claim_of(ada.me, task, index, town.group))


async def _posted(town: Network) -> tuple[str, int]:
    task = named()
    async with town.client() as client:
        return task, (await client.send(town.task_post(task, town.group))).index


async def _follows(at: Coordinator, index: int) -> None:
    assert await at.server.mirror.until(lambda: at.server.mirror.size > index, 5)


def _good(town: Network, told: Facts) -> None:
    said = verify_confirmation(
        told["confirmation"].encode(), town.requester.network, [did_of_seed(seed) for seed in town.three], 2
    )
    assert (said.statement.worker, said.statement.claim) == (town.agents[0].actor, told["claim"])


def test_a_claim_and_its_confirmation_take_one_exchange_between_two_coordinators(
    town: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ask = Line.ask
    three: list[Coordinator] = []
    published: list[Facts] = []

    async def counted(self: Line, kind: str, patience_s: float = 3, /, **members: Any) -> Facts:
        asked.append(kind)
        published.extend(map(msgspec.json.decode, three[0].server.feed._tail))
        return await ask(self, kind, patience_s, **members)

    monkeypatch.setattr(Line, "ask", counted)

    async def test() -> None:
        task, index = await _posted(town)
        async with town.connected() as coordinators:
            three.extend(coordinators)
            told = await _claimed(town, three[0], task, index)
            _good(town, told)
            assert asked == ["cosign"]
            assert published[-1]["kind"] == "cosigned"  # before the signature goes to anybody
            [signer] = set(opened(told["confirmation"].encode()).signed.signers) - {three[0].server.did}
            [other] = [each for each in three if each.server.did == signer]
            statement = msgspec.json.decode(opened(told["confirmation"].encode()).signed.payload)
            assert statement["actor"] == signer
            async with town.client() as client:
                _, proven = await client.receipt(told["index"])
            assert proven.spoken is not None
            assert _kinds(other, proven.spoken.id) == [
                ("cosigned", "claim.request"),
                ("forwarded", "claim.request"),
            ]
            assert _kinds(other, opened(told["confirmation"].encode()).id) == [("cosigned", "relay.confirm")]

    run(test)


def _twisted(town: Network, twist: str, answer: Facts) -> Facts:
    """An answer of a coordinator that lies about what it brought."""
    match twist:
        case "another-entry":
            return answer | {"receipt": answer["receipt"] | {"index": answer["receipt"]["index"] - 1}}
        case "no-receipt":
            return answer | {"receipt": {"index": 1}}
        case "nobody's-confirmation":
            return answer | {"confirmation": "{}"}
        case "another-worker":
            statement = msgspec.json.decode(opened(answer["confirmation"].encode()).signed.payload)
            seed = next(seed for seed in town.three if did_of_seed(seed) == statement["actor"])
            true = {name: statement[name] for name in ("task", "claim", "index")}
            liar = Speaker(statement["network"], seed)
            false = liar.say(RelayConfirm, statement["issued_ms"], worker=town.agents[1].actor, **true)
            return answer | {"confirmation": false.decode()}
    raise AssertionError(twist)


@pytest.mark.parametrize("twist", ["another-entry", "no-receipt", "nobody's-confirmation", "another-worker"])
def test_one_that_lies_about_what_it_brought_is_passed_over(
    town: Network, monkeypatch: pytest.MonkeyPatch, twist: str
) -> None:
    lied: list[str] = []
    bring = Line.bring

    async def lies(self: Line, members: Facts) -> Facts:
        answer = await bring(self, members)
        if not lied:
            lied.append(self._did)
            return _twisted(town, twist, answer)
        return answer

    monkeypatch.setattr(Line, "bring", lies)

    async def test() -> None:
        task, index = await _posted(town)
        async with town.connected() as three:
            told = await _claimed(town, three[0], task, index)
        _good(town, told)
        assert lied
        assert lied[0] not in opened(told["confirmation"].encode()).signed.signers

    run(test)


def test_the_services_refusal_comes_back_with_its_note_and_an_older_note_counts_for_nothing(
    town: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Line] = []
    bring = Line.bring
    before: list[ServiceError] = []

    async def replays(self: Line, members: Facts) -> Facts:
        asked.append(self)
        if before and len(asked) == 1:
            raise before[0]
        return await bring(self, members)

    monkeypatch.setattr(Line, "bring", replays)

    async def test() -> None:
        task, index = await _posted(town)
        ada = Agent(town.agents[0])
        poor = town.claim_of(ada.me, task, index, town.group, stake_units=10**9)
        async with town.connected() as three, agents(ada.join(three[0], kinds=())):
            for asked_in_all in (1, 2):
                asked.clear()
                with pytest.raises(ServiceError) as refused:
                    await ada.link.claim(poor)
                note = verify_refusal(str(refused.value.extra["refusal"]).encode(), Verifier.parse(town.vkey))
                assert (note.code, note.statement) == (refused.value.code, opened(poor).id)
                assert len(asked) == asked_in_all
                if not before:
                    before.append(refused.value)
                    await _follows(three[0], (await _posted(town))[1])

    run(test)


def test_where_the_service_is_slow_for_one_the_other_gets_its_signature_alone_and_brings_the_claim_itself(
    town: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "BRING_S", 0.05)

    async def hangs(_: Any) -> Any:
        await asyncio.Event().wait()

    async def test() -> None:
        task, index = await _posted(town)
        async with town.connected() as three:
            for each in three[1:]:
                monkeypatch.setattr(each.server.desk._batches, "send", hangs)
            _good(town, await _claimed(town, three[0], task, index))

    run(test)


def test_a_claim_that_the_service_refuses_leaves_no_promise(town: Network) -> None:
    async def test() -> None:
        task, index = await _posted(town)
        ada = town.agents[0]
        async with town.coordinators() as three:
            desk = three[1].server.desk
            await three[1].server.mirror.until(lambda: task in three[1].server.mirror.tasks, 5)

            def asked(**more: int) -> Asked:
                said = cosign(town.claim_of(ada, task, index, town.group, **more), town.three[0])
                return msgspec.json.decode(encode({"statement": opened(said).signed.envelope}), type=Asked)

            with pytest.raises(ServiceError):
                await desk.bring(asked(stake_units=10**9))
            assert desk.promises.held(task) is None
            assert (await desk.bring(asked()))["receipt"]

    run(test)


def test_how_long_is_slow_follows_the_fastest(town: Network) -> None:
    async def test() -> None:
        async with town.coordinators() as three:
            made = three[0].server.group
            request = opened(town.claim_of(town.agents[0], named(), 1, town.group))
            assert made._slow_s(request) == group.SLOW_S
            for number, line in enumerate(made._lines.values(), 1):
                line.usual_s = number * group.SLOW_S
            assert made._slow_s(request) == group.SLOWER * min(line.usual_s for line in made._lines.values())

    run(test)
