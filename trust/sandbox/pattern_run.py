"""`trust sandbox run PATTERN`: a network from nothing, one pattern on real work, and what strangers find afterwards.

1. Processes: the service, three coordinators of whom two must sign, and hosts with the agents.
2. The pattern's work, until every task is at its end; with `faults` things die meanwhile (`faults.py`).
3. The hosts are stopped; no money may be left on the accounts of what is over.
4. A stranger audits the log, holds each coordinator's feed against it, and checks the tables.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec

from trust import clock
from trust.client import AsyncTrustClient
from trust.core import scoring
from trust.relay.running import PATIENT
from trust.sandbox.board import Board
from trust.sandbox.crew import TASK_KIND
from trust.sandbox.faults import Faults, chosen
from trust.sandbox.figures import figures, phases_of, stuck
from trust.sandbox.patterns import DRIVERS
from trust.sandbox.patterns.driving import Driver, quiet
from trust.sandbox.patterns.hybrid import Hybrid
from trust.sandbox.patterns.p2p import PeerToPeer
from trust.sandbox.processes import CLI, ProcessFailed
from trust.sandbox.world import COORDINATORS, World

MOST_OPEN = 20
"""So many tasks are open at a time while things fail."""
SETTLE_S = 60.0
SKEWS_MS = (1_500, -30_000, 0)
"""By how much the clocks of the hosts are wrong where things fail; in turn."""
Facts = dict[str, Any]
Tell = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """A run to be made: `size` is the number of documents (for p2p of each agent), `lazy` how many agents cheat."""

    pattern: str
    data: Path
    agents: int = 12
    size: int = 24
    seed: int = 1
    hosts: int = 2
    lazy: int = 0
    faults: str = ""
    calm_s: float = 15.0
    pace_s: float = 0.5
    patience_s: float = 600.0


async def play(run: Run, tell: Tell) -> Facts:
    """Runs it; whatever happens, nothing is left running."""
    playing = asyncio.current_task()
    assert playing is not None
    with suppress(NotImplementedError, ValueError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
    names = [f"agent-{number:02}" for number in range(run.agents)]
    world = World(run.data, run.seed, names, ["rosa", "flora"], run.hosts)
    try:
        return await _Play(run, world, tell).play()
    finally:
        await world.processes.stop()


class _Play:
    def __init__(self, run: Run, world: World, tell: Tell) -> None:
        self.run = run
        self.world = world
        self.began_ms = clock.monotonic_ms()
        self._tell = tell

    def tell(self, step: str, text: str) -> None:
        """One thing that happened."""
        self._tell(f"{(clock.monotonic_ms() - self.began_ms) / 1_000:6.1f} s  {step}", text)

    async def play(self) -> Facts:
        run, world = self.run, self.world
        board = Board(world.url("service"))
        faults = Faults(world, board, random.Random(run.seed), self.tell) if run.faults else None
        if faults is not None:
            await faults.prepare_witnesses()
        await world.make()
        self.tell("found", f"a service, {COORDINATORS} coordinators (2 must sign), {run.agents} agents")
        following = asyncio.create_task(board.follow())
        pool = scoring.verifier_pool(TASK_KIND)
        await board.until("pool.sealed", pool=pool, count=run.agents)
        if faults is not None:
            await faults.prepare()
        await world.host(run.pattern, SKEWS_MS if run.faults else (), ways=self._ways(), documents=run.size)
        self.tell("join", f"{run.agents} agents in {run.hosts} processes are at the relay")
        async with AsyncTrustClient(world.place.service, world.place.vkey, retry=PATIENT) as client:
            driver = DRIVERS[run.pattern](client, board, world.place, world.key("rosa"), run.size)
            if isinstance(driver, PeerToPeer):
                driver.agents = run.agents
            await driver.join()
            phases: Facts = {}
            async with asyncio.timeout(run.patience_s):
                if faults is None:
                    outcome = await driver.drive()
                else:
                    outcome, phases = await self._driven(driver, board, faults)
            self.tell("done", f"{len(driver.posted)} tasks are at their end")
            traffic = await self._traffic()
            overhead = await client.overhead()
            await driver.leave()
            await self._settled(board)
        facts: Facts = {
            "pattern": run.pattern,
            "agents": run.agents,
            "seed": run.seed,
            "pattern_says": outcome,
        }
        facts["figures"] = msgspec.to_builtins(figures(board, driver.posted))
        facts["relay"] = traffic
        facts["overhead"] = overhead
        facts["faults"] = phases
        facts["hands"] = [done for each in await world.leave() for done in each.items()]
        await quiet(following)
        facts |= await self._strangers()
        if faults is not None:
            faults.close()  # the witnesses are behind its proxies, and what strangers are told waits for them
        facts["held"] = held(facts)
        return facts

    def _ways(self) -> dict[str, list[str]]:
        """Which agents are of what sort; with faults some vanish with what they claimed, and some stutter."""
        names = self.world.names
        ways = {"lazy": names[: self.run.lazy]}
        if self.run.faults:
            few = max(1, len(names) // 25)
            ways |= {"vanishing": names[-few:], "stuttering": names[-4 * few : -few]}
        return ways

    async def _driven(self, driver: Driver, board: Board, faults: Faults) -> tuple[Facts, Facts]:
        """The pattern at a steady pace: undisturbed for a while, then with one fault after the other, then again
        undisturbed; and what that did to its speed."""
        run = self.run
        if not isinstance(driver, Hybrid):
            raise ProcessFailed(f"faults are struck in the hybrid, not in {run.pattern}")
        driver.pause_s, driver.most_open, driver.is_endless = run.pace_s, MOST_OPEN, True
        names = chosen(run.faults, faults.chance)
        driving = asyncio.create_task(driver.drive())
        marks = [await self._mark(board)]
        await asyncio.sleep(run.calm_s)
        marks.append(await self._mark(board))
        await faults.strike(names)
        marks.append(await self._mark(board))
        self.tell("healed", f"{len(names)} faults were struck")
        await asyncio.sleep(run.calm_s)
        driver.is_endless = False
        marks.append(await self._mark(board))
        outcome = await driving
        return outcome, phases_of(board.events, marks, len(names))

    async def _mark(self, board: Board) -> int:
        """This moment by the log's clock."""
        del board
        return clock.now_ms()

    async def _traffic(self) -> Facts:
        """Messages and bytes at the coordinators, and whom they dropped."""
        total: dict[str, int] = {}
        dropped: dict[str, int] = {}
        async with httpx.AsyncClient(timeout=5) as http:
            for number in range(COORDINATORS):
                with suppress(httpx.HTTPError):
                    about = (await http.get(self.world.url(f"coordinator-{number}"))).json()
                    for name, count in about["traffic"].items():
                        total[name] = total.get(name, 0) + count
                    for name, count in about["dropped"].items():
                        dropped[name] = dropped.get(name, 0) + count
        return {"traffic": total, "dropped": dropped}

    async def _settled(self, board: Board) -> None:
        """Waits until no money is on the accounts of what is over: holds for evidence end by themselves."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await board.until_found(lambda: True if not stuck(board.events) else None)

    async def _strangers(self) -> Facts:
        """The audit over HTTP, the feeds against the log, and the tables against a fold of the log."""
        world, place = self.world, self.world.place
        key = ("--key", place.vkey)
        names = [name for name in world.running if name.startswith("coordinator-")]
        asking = [self._asked("audit", "audit", place.service, *key), self._tables()]
        asking += [
            self._asked(name, "relay", "check", f"{world.url(name)}/feed", place.service, *key)
            for name in names
        ]
        audited, folded, *checked = await asyncio.gather(*asking)
        differences = len(audited.get("findings") or [])
        self.tell("audit", f"{audited.get('size', 0)} entries, {differences} differences")
        for name, each in zip(names, checked, strict=True):
            count = len(each.get("findings") or [])
            self.tell("feed", f"{name}: {each.get('decisions', 0)} decisions, {count} not borne out")
        return {"audit": audited, "feeds": dict(zip(names, checked, strict=True)), "tables": folded}

    async def _tables(self) -> Facts:
        """Returns whether the tables of state are what the log's entries fold to."""
        checked = await self._asked("tables", "log", "check", "--data", str(self.world.data))
        wrong = checked.get("wrong", ())
        self.tell("tables", f"folded anew from the log: {'; '.join(wrong) or 'no difference'}")
        return checked

    async def _asked(self, name: str, *command: str) -> Facts:
        code, output = await self.world.processes.finish(f"stranger-{name}", *CLI, *command, "--json")
        try:
            facts: Facts = json.loads(output)
        except ValueError:
            facts = {"said": self.world.processes.last_words(f"stranger-{name}")}
        return {"exit": code, **facts}


def held(facts: Facts) -> dict[str, bool]:
    """Returns each promise of a run, and whether it held."""
    totals, outcome = facts["figures"], facts["pattern_says"]
    promises = {
        "every task is at its end": totals["open"] == 0,
        "no stake is stuck": not totals["stuck"],
        "the audit found no difference": facts["audit"]["exit"] == 0,
        "the tables are what the log folds to": facts["tables"]["exit"] == 0,
        "the log bears out what the coordinators decided": all(
            each["exit"] == 0 for each in facts["feeds"].values()
        ),
    }
    match facts["pattern"]:
        case "event-driven":
            promises["each event was done once"] = outcome["done_once"] == outcome["events"]
        case "hierarchical":
            promises["every part came after those that it needs"] = bool(outcome["in_order"])
        case "p2p":
            promises["every document found somebody who is good at it"] = (
                outcome["agreements"] >= totals["tasks"] > 0
            )
        case "hybrid":
            promises["winners agreed on the scope with the requester"] = outcome["scopes_agreed"] > 0
    return promises


def run(asked: Run, *, as_json: bool) -> int:
    """Runs it and prints what came of it; 0 where everything held."""
    from trust.sandbox import console

    asked.data.mkdir(parents=True, exist_ok=True)
    try:
        facts = asyncio.run(play(asked, console.teller(as_json)))
    except ProcessFailed as error:
        console.failed(str(error), asked.data)
        return 1
    except (asyncio.CancelledError, TimeoutError) as error:
        console.failed(f"it did not come to its end: {type(error).__name__}", asked.data)
        return 1
    (asked.data / "facts.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    console.conclude(facts, as_json)
    return 0 if all(facts["held"].values()) else 1
