"""Claims and deliveries through a relay, beside the service alone on the same statements in the same run.

Two hundred agents in this process, past their first ten checked tasks, one task after the other each; the service and
the coordinators are processes of their own; all of it on the same cores. What is still drawn to be checked is not
opened and voted on while it is measured. One signer and two of three take turns claim by claim, so that both meet the
same weather. The whole takes some eight minutes on two quiet cores, most of it the agents' first checked tasks.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, time_ns

import httpx

from tests.api.processes import free_port
from tests.benchmarks.checked import past_their_first
from tests.benchmarks.table import Row, at_least, at_most, figure
from tests.relay.networks import Agent, Network, RelayProcess, named, network
from trust.client.statements import cosign, did_of_seed
from trust.relay.link import RelayLink

AGENTS = 200
TASKS = 2_000
BATCH = 50
GOAL_PER_MIN = 3_000
GOAL_BATCHED_PER_MIN = 10_000
GOAL_P99_MS = 250
GOAL_NOTICE_MS = 50
GOAL_GROUP = 1.5
PACE_PER_MIN = 2_000
STAKE_UNITS = 500
"""The most that the policy lets a claim lock at this price, so that not every claim is checked to deter."""
LONG_MS = 3_600_000
"""More than half of the measured claims are drawn, and nobody opens them: within this time all must be measured, or the
agents are tombstoned for what they withheld, and their coordinators sign no claim of theirs any more."""
JSON = {"Content-Type": "application/json"}

Work = Callable[[int, int], Awaitable[float]]


def run(quick: bool) -> list[Row]:
    """Rates, latencies, and what three coordinators cost."""
    count, agents = (400, 50) if quick else (TASKS, AGENTS)
    with TemporaryDirectory() as temporary, ExitStack() as stack:
        directory = Path(temporary)
        town = stack.enter_context(
            network(
                directory,
                agents,
                unbonding_ms=20_000_000,
                lease_ms=60_000,
                open_ms=LONG_MS,
                commit_ms=300_000,
                reveal_ms=300_000,
                notice_ms=LONG_MS,
                challenge_ms=200,
            )
        )
        rate_ppm = asyncio.run(past_their_first(town, STAKE_UNITS))
        solo = RelayProcess(directory, town, town.alone, town.solo, free_port())
        ports = [free_port() for _ in town.three]
        dids = [did_of_seed(seed) for seed in town.three]
        group = []
        for seed, did, port in zip(town.three, dids, ports, strict=True):
            pairs = zip(dids, ports, strict=True)
            more = [
                word for d, p in pairs if d != did for word in ("--cosigner", f"{d}=http://127.0.0.1:{p}")
            ]
            group.append(RelayProcess(directory, town, seed, town.group, port, *more))
        for each in (solo, *group):
            stack.callback(each.kill)
            each.wait(timeout_s=300)  # it reads the whole log first
        checked = figure(
            "the largest check rate of a claim after ten checked tasks",
            f"{rate_ppm / 10_000:.0f} %",
            "100 % before",
            rate_ppm / 1_000_000,
        )
        return [*asyncio.run(_measured(town, solo, group, count)), checked]


async def _measured(town: Network, solo: RelayProcess, group: list[RelayProcess], count: int) -> list[Row]:
    async with httpx.AsyncClient(base_url=town.url, timeout=60, headers=JSON) as http:
        alone = await _timed(town, await _alone(town, http, count), count)
    links = await _links(town, [solo])
    work = await _through(town, links, town.solo, count)
    before = _cpu_s(solo.process.pid), _cpu_s(town.running.process.pid)
    through = await _timed(town, work, count)
    after = _cpu_s(solo.process.pid), _cpu_s(town.running.process.pid)
    own, its = ((end - start) * 1_000 / count for start, end in zip(before, after, strict=True))
    three = await _links(town, group)
    paced = await _timed(town, await _through(town, links, town.solo, count), count, PACE_PER_MIN)
    by_one, shared = await _side_by_side(town, links, three, count)
    await _closed(three)
    batched = await _batched(town, links, count)
    notice = await _notice(town, links)
    await _closed(links)
    return [
        at_least(
            "tasks claimed and delivered one by one through a relay",
            f"{through.per_min:,.0f}/min",
            f"{GOAL_PER_MIN:,}/min",
            through.per_min / GOAL_PER_MIN,
            1.0,
        ),
        figure(
            "the same, against HTTP straight to the service (httpx signs and sends, and is most of it)",
            f"{through.per_min:,.0f}/min",
            f"{alone.per_min:,.0f}/min",
            through.per_min / alone.per_min,
        ),
        figure(
            "a task's processor time at the relay, and at the service",
            f"{own:.1f} ms",
            f"{its:.1f} ms",
            own / its,
        ),
        at_least(
            "the same with outputs in batches of 50",
            f"{batched:,.0f}/min",
            f"{GOAL_BATCHED_PER_MIN:,}/min",
            batched / GOAL_BATCHED_PER_MIN,
            1.0,
        ),
        at_most(
            f"p99 from claim to confirmation at {PACE_PER_MIN:,}/min (p50 {paced.p50_ms:.0f} ms)",
            f"{paced.p99_ms:.0f} ms",
            f"{GOAL_P99_MS} ms",
            paced.p99_ms / GOAL_P99_MS,
        ),
        at_most(
            "notification after the commit, median",
            f"{notice:.0f} ms",
            f"{GOAL_NOTICE_MS} ms",
            notice / GOAL_NOTICE_MS,
        ),
        at_most(
            f"median claim to confirmation, two of three sign (p99 {shared.p99_ms:.0f} ms)",
            f"{shared.p50_ms:.0f} ms",
            f"one signs: {by_one.p50_ms:.0f} ms",
            shared.p50_ms / by_one.p50_ms,
            GOAL_GROUP,
        ),
    ]


def _cpu_s(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Timed:
    """What a run took: tasks a minute, and the times from claim to confirmation."""

    def __init__(self, count: int, took_s: float, claims_s: Sequence[float]) -> None:
        ordered = sorted(claims_s)
        self.claims_s = claims_s
        self.per_min = count / took_s * 60
        self.p50_ms = ordered[len(ordered) // 2] * 1_000
        self.p99_ms = ordered[len(ordered) * 99 // 100] * 1_000


async def _side_by_side(
    town: Network, links: list[RelayLink], three: list[RelayLink], count: int
) -> tuple[Timed, Timed]:
    """One signer, and two of three, claim by claim in turn at the same pace."""
    works = [
        await _through(town, links, town.solo, count // 2),
        await _through(town, three, town.group, count // 2),
    ]
    claims: tuple[list[float], list[float]] = [], []

    async def work(place: int, number: int) -> float:
        claims[number % 2].append(await works[number % 2](place, number // 2))
        return claims[number % 2][-1]

    await _timed(town, work, count, PACE_PER_MIN)
    alone, together = (Timed(len(each), len(each) * 60 / PACE_PER_MIN, each) for each in claims)
    return alone, together


async def _timed(town: Network, work: Work, count: int, per_min: int = 0) -> Timed:
    """Every agent takes one task after the other; at a pace where one is given."""
    claims: list[float] = []
    numbers = iter(range(count))
    begun = perf_counter()

    async def agent(place: int) -> None:
        for number in numbers:
            if per_min:
                await asyncio.sleep(max(0.0, begun + number * 60 / per_min - perf_counter()))
            claims.append(await work(place, number))

    await asyncio.gather(*(agent(place) for place in range(len(town.agents))))
    return Timed(count, perf_counter() - begun, claims)


async def _posted(town: Network, relay: str, count: int) -> list[tuple[str, int]]:
    """Tasks on the log: names and where they stand."""
    names = [named("bench") for _ in range(count)]
    async with town.client() as client:
        results = await client.send_many([town.task_post(name, relay) for name in names])
    return [(name, result.index) for name, result in zip(names, results, strict=True)]  # type: ignore[union-attr]


async def _alone(town: Network, http: httpx.AsyncClient, count: int) -> Work:
    tasks = await _posted(town, town.solo, count)

    async def work(place: int, number: int) -> float:
        me = town.agents[place]
        request = cosign(town.claim_of(me, *tasks[number], stake_units=STAKE_UNITS), town.alone)
        begun = perf_counter()
        answer = (await http.post("/v1/claims", content=request)).json()
        took = perf_counter() - begun
        await http.post("/v1/outputs", content=town.output_of(me, answer["result"]["claim"]))
        return took

    return work


async def _through(town: Network, links: list[RelayLink], relay: str, count: int) -> Work:
    tasks = await _posted(town, relay, count)
    await asyncio.sleep(1)

    async def work(place: int, number: int) -> float:
        me = town.agents[place]
        request = town.claim_of(me, *tasks[number], relay, stake_units=STAKE_UNITS)
        begun = perf_counter()
        told = await links[place].claim(request)
        took = perf_counter() - begun
        await links[place].deliver([town.output_of(me, told["claim"])])
        return took

    return work


async def _batched(town: Network, links: list[RelayLink], count: int) -> float:
    """Tasks a minute where posts and outputs come in batches, and claims side by side."""
    tasks = iter(await _posted(town, town.solo, count))
    begun = perf_counter()

    async def agent(place: int) -> None:
        me, link = town.agents[place], links[place]
        while batch := [task for _, task in zip(range(BATCH), tasks, strict=False)]:
            asked = (town.claim_of(me, *task, stake_units=STAKE_UNITS) for task in batch)
            told = await asyncio.gather(*map(link.claim, asked))
            await link.deliver([town.output_of(me, each["claim"]) for each in told])

    await asyncio.gather(*(agent(place) for place in range(8)))
    return count / (perf_counter() - begun) * 60


async def _notice(town: Network, links: list[RelayLink]) -> float:
    """From the time of an entry to when the agent that it concerns hears of it, the median in ms."""
    took: list[float] = []
    tasks = await _posted(town, town.solo, 50)
    heard: asyncio.Queue[float] = asyncio.Queue()

    async def hear(message: dict[str, object]) -> None:
        if message["type"] == "event":
            await heard.put(time_ns() / 1_000_000 - float(str(message["at_ms"])))

    links[0]._on_message = hear
    for task in tasks:
        told = await links[0].claim(town.claim_of(town.agents[0], *task))
        took.append(await heard.get())
        await links[0].deliver([town.output_of(town.agents[0], told["claim"])])
        await heard.get()
    return sorted(took)[len(took) // 2]


async def _links(town: Network, relays: Sequence[RelayProcess]) -> list[RelayLink]:
    """A link for each agent, over the coordinators in turn."""
    links = []
    for place, me in enumerate(town.agents):
        agent = Agent(me)
        links.append(await RelayLink.open(relays[place % len(relays)].url, me, agent._hear))
    return links


async def _closed(links: list[RelayLink]) -> None:
    await asyncio.gather(*(link.close() for link in links))
