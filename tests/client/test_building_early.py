"""Work on an output before its check is over: kept where it passes, undone within milliseconds where it does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from tests.api.house import WORK, House, found, settings_for
from tests.api.processes import Running, serving
from trust.client import Agent, AsyncTrustClient, Following, NotProven, TakenBack
from trust.client.transports import AsyncTransport
from trust.core.payloads import OutputOpen

pytestmark = pytest.mark.journey

HEARS_S = 0.25
Test = Callable[[AsyncTrustClient, Following, Agent[AsyncTransport]], Awaitable[None]]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, House]]:
    """A service on a socket, with workers and verifiers."""
    directory = tmp_path_factory.mktemp("early")
    url = f"sqlite:///{directory / 'trust.db'}"
    vkey = found(settings_for(directory, url), challenge_ms=150, evidence_ms=200)
    with serving(directory, url, vkey) as (running, home):
        home.settle_in(verifiers=5)
        yield running, home


def play(town: tuple[Running, House], test: Test) -> None:
    """Runs a test as a consumer of this service, and not for ever."""

    async def bounded() -> None:
        running, home = town
        async with (
            asyncio.timeout(60),
            AsyncTrustClient(running.base_url, home.vkey) as client,
            Following(client) as log,
        ):
            await test(client, log, Agent(client, home.requester.seed))

    asyncio.run(bounded())


def judged(home: House, claim: str, verdict: str) -> float:
    """Has a panel give its verdict; returns when it was said."""
    home.wait(lambda: home.get(f"/v1/claims/{claim}")["rounds"])
    home.done("/v1/outputs", home.say(OutputOpen, home.workers[0], claim=claim))
    home.vote(claim, verdict)
    return time.monotonic()


def test_an_output_that_passes_is_used_before_its_check_and_what_was_built_stays(
    town: tuple[Running, House],
) -> None:
    _, home = town
    claim = home.delivered("kept")

    async def test(client: AsyncTrustClient, log: Following, consumer: Agent[AsyncTransport]) -> None:
        built: list[str] = []
        async with consumer.build_on(claim, log) as early:
            assert await early.artifacts() == {"findings.json": WORK}
            built.append("built")
            early.undo(built.clear)
            assert not (await client.claim(claim))["ended_ms"]
            judging = asyncio.create_task(asyncio.to_thread(judged, home, claim, "pass"))
        await judging
        assert (await client.claim(claim))["state"] == "accepted"
        assert built == ["built"]

    play(town, test)


def test_a_verdict_that_takes_an_output_back_stops_the_work_and_undoes_it_in_turn(
    town: tuple[Running, House],
) -> None:
    _, home = town
    claim = home.delivered("taken-back")

    async def test(client: AsyncTrustClient, log: Following, consumer: Agent[AsyncTransport]) -> None:
        undone: list[tuple[str, float]] = []

        async def later() -> None:
            undone.append(("second", time.monotonic()))

        judging = asyncio.create_task(asyncio.to_thread(judged, home, claim, "fail"))

        async def build() -> None:
            async with early:
                early.undo(lambda: undone.append(("first", time.monotonic())))
                early.undo(later)
                await asyncio.sleep(3_600)

        early = consumer.build_on(claim, log)
        with pytest.raises(TakenBack, match="the verdict is fail") as taken:
            await build()
        said_s = await judging
        assert [name for name, _ in undone] == ["second", "first"]
        assert early.is_taken_back
        assert undone[-1][1] - said_s < HEARS_S
        _, proven = await client.receipt(taken.value.index)
        assert proven.event("verdict.reached")["verdict"] == "fail"
        assert not (await client.claim(claim))[
            "ended_ms"
        ]  # heard at the verdict, not at the end of the window

    play(town, test)


def test_a_patient_consumer_is_told_at_the_claims_end(town: tuple[Running, House]) -> None:
    _, home = town
    claim = home.delivered("patient")

    async def test(client: AsyncTrustClient, log: Following, consumer: Agent[AsyncTransport]) -> None:
        judging = asyncio.create_task(asyncio.to_thread(judged, home, claim, "fail"))
        with pytest.raises(TakenBack, match="rejected"):
            async with consumer.build_on(claim, log, patient=True):
                pass
        await judging
        with pytest.raises(TakenBack, match="rejected"):  # whoever comes later is not let in
            async with consumer.build_on(claim, log, patient=True):
                raise AssertionError("nobody builds on this")

    play(town, test)


def test_work_that_fails_by_itself_is_undone_too(town: tuple[Running, House]) -> None:
    _, home = town
    claim = home.delivered("failing")

    async def test(client: AsyncTrustClient, log: Following, consumer: Agent[AsyncTransport]) -> None:
        built = ["half"]

        async def build() -> None:
            async with consumer.build_on(claim, log) as early:
                early.undo(built.clear)
                _ = 1 // 0

        with pytest.raises(ZeroDivisionError):
            await build()
        assert built == []

    play(town, test)


def test_a_consumer_may_wait_for_an_output_that_is_not_there_yet(town: tuple[Running, House]) -> None:
    _, home = town
    claim = home.claimed("not-there")

    async def test(client: AsyncTrustClient, log: Following, consumer: Agent[AsyncTransport]) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), consumer.build_on(claim, log):
                raise AssertionError("there is nothing to build on")

    play(town, test)


def test_a_verdict_that_only_the_stream_names_is_not_believed(town: tuple[Running, House]) -> None:
    _, home = town
    claim = home.delivered("slandered")

    async def test(client: AsyncTrustClient, log: Following, consumer: Agent[AsyncTransport]) -> None:
        lie: dict[str, Any] = {"kind": "verdict.reached", "claim": claim, "round": 1, "verdict": "fail"}

        async def build() -> None:
            async with consumer.build_on(claim, log):
                log._after = 0
                log._take({"index": 3, "events": [lie]})
                await asyncio.sleep(3_600)

        with pytest.raises(NotProven, match="does not hold"):
            await build()

    play(town, test)
