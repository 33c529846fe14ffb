"""A program as a process: runs until SIGTERM or SIGINT, says what it does as lines of JSON, and what it earned."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from trust import clock
from trust.client import AsyncTrustClient, Retry
from trust.errors import TrustError
from trust.log.note import Verifier

PATIENT = Retry(first_ms=50, longest_ms=2_000, total_ms=60_000)

Tell = Callable[..., None]
"""Says what was done: one word for it, and the facts by name."""


def tell(did: str, **facts: Any) -> None:
    """Prints an event as one line of JSON."""
    print(json.dumps({"at_ms": clock.now_ms(), "did": did, **facts}), flush=True)


async def again(
    step: Callable[[], Awaitable[float | None]],
    stirred: asyncio.Event,
    every_s: float,
    tell: Tell,
    *,
    pause_s: float = 0.0,
) -> None:
    """Repeats a step for ever: whenever it is stirred, and every so often, or after the seconds that the step returns.
    One that fails is told and tried again.

    Steps begin at least `pause_s` apart. Where much happens at once every agent is stirred all the time, and a service
    that is asked as often has no time left for what they would say to it.
    """
    now_s = asyncio.get_running_loop().time
    while True:
        begun_s, waits_s = now_s(), None
        try:
            waits_s = await step()
        except Exception as error:
            tell("waits", why=str(error) if isinstance(error, TrustError) else repr(error))
        with suppress(TimeoutError):
            async with asyncio.timeout(every_s if waits_s is None else waits_s):
                await stirred.wait()
        await asyncio.sleep(begun_s + pause_s - now_s())
        stirred.clear()


async def run(
    services: list[str],
    vkey: str | Verifier,
    agent: str,
    program: Callable[[AsyncTrustClient, Tell], Awaitable[None]],
) -> None:
    """Runs a program for an agent until it is told to stop; in the end says by how much the agent's money changed."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncTrustClient(services, vkey, retry=PATIENT) as client:
        before = await _balances(client, agent)
        tell("began", agent=agent, balances=before)
        running = asyncio.ensure_future(program(client, tell))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([running, stopped], return_when=asyncio.FIRST_COMPLETED)
        for each in (running, stopped):
            each.cancel()
        results = await asyncio.gather(running, stopped, return_exceptions=True)
        await _told_earnings(client, agent, before)
        if isinstance(results[0], Exception):
            raise results[0]


async def _told_earnings(client: AsyncTrustClient, agent: str, before: dict[str, int]) -> None:
    try:
        after = await asyncio.wait_for(_balances(client, agent), timeout=2)
    except (TrustError, TimeoutError) as error:
        tell("stopped", why=f"the balances are not known: {error}")
        return
    tell("stopped", balances=after, change_units=sum(after.values()) - sum(before.values()))


async def _balances(client: AsyncTrustClient, agent: str) -> dict[str, int]:
    balances: dict[str, int] = (await client.agent(agent))["balances"]
    return balances
