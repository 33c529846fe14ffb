"""Work before its claim is decided: the winner delivers, the loser stops within milliseconds, and nobody is fooled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from typing import Any

import pytest

from tests.relay.networks import Agent, Coordinator, Network, agents, named, run
from trust.client import (
    Accepted,
    AsyncTrustClient,
    Attempt,
    Following,
    Lost,
    NotProven,
    ServiceError,
    Unreachable,
    Worker,
    speculation,
)
from trust.client.speculation import Bring
from trust.client.transports import AsyncTransport

pytestmark = pytest.mark.journey

HEARS_S = 0.25
"""How long a loser may take to stop, on a machine that others use too; a median is a few milliseconds."""


async def silent(_: bytes) -> Mapping[str, Any]:
    """A relay that does not answer."""
    await asyncio.sleep(3_600)
    raise AssertionError("it never answers")


class Contest:
    """A task, and workers who go for it side by side."""

    def __init__(self, town: Network, client: AsyncTrustClient, log: Following, relay: Coordinator) -> None:
        self.town, self.client, self.log, self.relay = town, client, log, relay
        self.task = named("speculated")

    async def post(self) -> int:
        accepted = await self.client.send(self.town.task_post(self.task))
        self.index = accepted.index
        return self.index

    def worker(self, number: int) -> Worker[AsyncTransport]:
        return Worker(self.client, self.town.agents[number].seed)

    def attempt(self, number: int, bring: Bring, log: Following | None = None) -> Attempt:
        return self.worker(number).speculate(
            self.task, bring, relay=self.town.solo, stake_units=200, task_index=self.index, log=log
        )

    async def claims(self) -> list[dict[str, Any]]:
        return list((await self.client.task(self.task))["claims"])


@asynccontextmanager
async def contest(town: Network) -> AsyncIterator[tuple[Contest, list[Agent]]]:
    """A posted task, with two agents at the relay."""
    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(town.relay())
        client = await stack.enter_async_context(town.client())
        log = await stack.enter_async_context(Following(client))
        two = await stack.enter_async_context(agents(*(Agent(me).join(relay) for me in town.agents[:2])))
        made = Contest(town, client, log, relay)
        await made.post()
        yield made, two


def test_what_was_made_meanwhile_is_delivered_once_the_claim_is_won(town: Network) -> None:
    async def test() -> None:
        async with contest(town) as (made, [ada, _]):
            slow = asyncio.Event()

            async def bring(request: bytes) -> Mapping[str, Any]:
                await slow.wait()
                return await ada.link.claim(request)

            async with made.attempt(0, bring) as attempt:
                assert await made.claims() == []  # the work runs, and nothing is claimed yet
                submitting = asyncio.create_task(attempt.submit({"report.json": b"early"}))
                await asyncio.sleep(0)
                assert not submitting.done()
                slow.set()
                accepted = await submitting
            assert isinstance(accepted, Accepted)
            [claim] = await made.claims()
            assert (claim["claim"], claim["worker"]) == (attempt.claim, ada.me.actor)
            assert claim["state"] in ("submitted", "checking")

    run(test)


def test_the_loser_stops_within_milliseconds_and_has_said_and_stored_nothing(town: Network) -> None:
    async def test() -> None:
        async with contest(town) as (made, [ada, bob]):
            stopped_s: list[float] = []
            begun = asyncio.Event()

            async def lose() -> None:
                async with made.attempt(1, silent, made.log) as attempt:
                    begun.set()
                    try:
                        await attempt.submit({"report.json": b"the loser's"})
                    finally:
                        stopped_s.append(time.monotonic())

            losing = asyncio.create_task(lose())
            await begun.wait()
            async with made.attempt(0, ada.link.claim) as attempt:
                await attempt.won()
                decided_s = time.monotonic()
            with pytest.raises(Lost, match=ada.me.actor):
                await losing
            assert stopped_s[0] - decided_s < HEARS_S
            assert [each["worker"] for each in await made.claims()] == [ada.me.actor]
            with pytest.raises(ServiceError, match="unknown-blob"):
                await made.client.get_blob(sha256(b"the loser's").hexdigest())
            assert bob.me.actor not in str(await made.client.timeline(made.task))

    run(test)


def test_a_relay_that_answers_who_won_ends_the_losers_work_without_a_stream(town: Network) -> None:
    async def test() -> None:
        async with contest(town) as (made, [ada, bob]):
            await ada.link.claim(town.claim_of(ada.me, made.task, made.index))
            with pytest.raises(Lost) as lost:
                async with made.attempt(1, bob.link.claim):
                    await asyncio.sleep(3_600)
            assert isinstance(lost.value.refusal, ServiceError)
            assert lost.value.refusal.code == "already-claimed"
            assert lost.value.extra["worker"] == ada.me.actor

    run(test)


def test_work_on_a_thread_sees_a_flag(town: Network) -> None:
    async def test() -> None:
        async with contest(town) as (made, [ada, bob]):
            await ada.link.claim(town.claim_of(ada.me, made.task, made.index))

            def compute(attempt: Attempt) -> str:
                end = time.monotonic() + 20
                while not attempt.is_lost and time.monotonic() < end:
                    time.sleep(0.001)
                return "stopped" if attempt.is_lost else "late"

            computing: list[asyncio.Task[str]] = []

            async def work() -> None:
                async with made.attempt(1, bob.link.claim) as attempt:
                    computing.append(asyncio.create_task(asyncio.to_thread(compute, attempt)))
                    await asyncio.shield(computing[0])

            with pytest.raises(Lost):
                await work()
            assert await computing[0] == "stopped"

    run(test)


def test_a_worker_whose_work_fails_gives_the_claim_up_that_it_won(town: Network) -> None:
    async def test() -> None:
        async with contest(town) as (made, [ada, _]):
            with pytest.raises(ZeroDivisionError):
                async with made.attempt(0, ada.link.claim):
                    _ = 1 // 0
            [claim] = await made.claims()
            assert claim["state"] == "abandoned"

    run(test)


def test_a_win_that_the_relay_keeps_to_itself_is_heard_from_the_log(town: Network) -> None:
    async def test() -> None:
        async with contest(town) as (made, [ada, _]):

            async def swallowed(request: bytes) -> Mapping[str, Any]:
                await ada.link.claim(request)
                return await silent(request)

            async with made.attempt(0, swallowed, made.log) as attempt:
                assert await attempt.won()
            assert attempt.claim == (await made.claims())[0]["claim"]

    run(test)


def test_a_relay_that_says_that_another_claim_is_this_workers_is_not_believed(town: Network) -> None:
    async def test() -> None:
        async with contest(town) as (made, [ada, bob]):
            told = await ada.link.claim(town.claim_of(ada.me, made.task, made.index))

            async def lying(_: bytes) -> Mapping[str, Any]:
                return told

            with pytest.raises(NotProven, match="not this worker's claim"):
                async with made.attempt(1, lying) as attempt:
                    await attempt.submit({"report.json": b"never"})
            assert [each["worker"] for each in await made.claims()] == [ada.me.actor]
            assert bob.me.actor not in str(await made.client.timeline(made.task))

    run(test)


def test_where_no_answer_ever_comes_that_is_no_loss(town: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speculation, "AGAIN_S", (0.0,))

    async def test() -> None:
        async with contest(town) as (made, _):
            sent: list[bytes] = []

            async def broken(request: bytes) -> Mapping[str, Any]:
                sent.append(request)
                raise Unreachable("the line broke")

            with pytest.raises(Unreachable, match="the line broke"):
                async with made.attempt(0, broken) as attempt:
                    await attempt.won()
            assert not attempt.is_lost
            assert len(sent) == 2
            assert len(set(sent)) == 1

    run(test)


def test_a_block_that_is_cancelled_from_outside_is_cancelled_and_no_more(town: Network) -> None:
    async def test() -> None:
        async with contest(town) as (made, _):

            async def work() -> None:
                async with made.attempt(0, silent):
                    await asyncio.sleep(3_600)

            working = asyncio.create_task(work())
            await asyncio.sleep(0.05)
            working.cancel()
            with pytest.raises(asyncio.CancelledError):
                await working
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), made.attempt(0, silent):
                    await asyncio.sleep(3_600)

    run(test)
