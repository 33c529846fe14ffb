"""`trust work`: claims what its owner's rules allow, has the owner's command do the work, delivers it, and opens it.

What it knows is on the log and on its disk: claims of its own the service lists, and what was made for one is on disk
before it is delivered. Killed at any moment, the next start goes on with them. Of the relay it believes nothing but
receipts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec

from trust.client import AsyncTrustClient, Worker
from trust.core import strict
from trust.core.payloads import MAX_INPUTS, ClaimAbandon, ClaimRenew, ClaimRequest, Source
from trust.errors import TrustError
from trust.log.ed25519 import PrivateKey
from trust.programs.claiming import asked, won
from trust.programs.command import MAX_WORDS, Limits, Outcome, run
from trust.programs.owner import Rules
from trust.programs.products import Product, Products
from trust.programs.running import Tell
from trust.relay.link import RelayLink

LOOK_S = 1.0
MAX_KNOWN = 1_000
MAX_SAID_BYTES = 65_536
ALL, UNTOLD = Rules(), Limits()
ITEMS = "items"
"""The file in `output/` whose lines are a batch's items."""

Facts = dict[str, Any]


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON that a command may print beside its files: the sources that the output was made from."""

    inputs: tuple[Source, ...] = ()


class WorkProgram:
    """One worker at one relay, whose coordinators are at `urls`."""

    def __init__(
        self,
        client: AsyncTrustClient,
        seed: PrivateKey,
        command: Sequence[str],
        urls: Sequence[str],
        state: Path,
        tell: Tell,
        *,
        rules: Rules = ALL,
        limits: Limits = UNTOLD,
        dry_run: bool = False,
        actor: str = "",
    ) -> None:
        self.client = client
        self.worker = Worker(client, seed, actor)
        self.won = self.delivered = 0
        self._command = command
        self._urls = list(urls)
        self._rules = rules
        self._limits = limits
        self._dry_run = dry_run
        self._tell = tell
        self._products = Products(state)
        self._offers: dict[str, Facts] = {}
        self._stirred = asyncio.Event()
        self._working: dict[str, asyncio.Task[None]] = {}
        self._known: set[str] = set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        self._link = await RelayLink.open(self._urls, self.worker.me, self._hear)
        try:
            while True:
                try:
                    await self._look()
                except TrustError as error:
                    self._tell("waits", why=str(error))
                await self._stirred_or_soon()
        finally:
            working = list(self._working.values())
            for each in working:
                each.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            await self._link.close()

    async def _hear(self, message: Facts) -> None:
        if message["type"] == "offer":
            self._consider(message)
        elif message["type"] == "taken":
            self._offers.pop(message["task"], None)
        self._stirred.set()

    async def _stirred_or_soon(self) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await self._stirred.wait()
        except TimeoutError:
            return
        finally:
            self._stirred.clear()

    # -- what there is to do

    async def _look(self) -> None:
        """Goes on with claims of its own, opens what was drawn, and goes for new tasks."""
        if not self._dry_run:
            await self._go_on()
        if not self._offers:
            for task in await self._link.subscribe(self._rules.kinds):
                self._consider(task)
        while self._offers and len(self._working) < self._rules.at_once:
            name, task = next(iter(self._offers.items()))
            del self._offers[name]
            self._start(name, self._win(task))

    def _consider(self, task: Facts) -> None:
        """Takes up an offer, or reports why not, once per task."""
        if task["requester"] == self.worker.did or len(self._offers) >= MAX_KNOWN:
            return
        why = self._rules.hindrance(task, self.client.now_ms())
        if self._dry_run or why:
            if task["task"] not in self._known:
                self._tell(
                    "passes" if why else "would-claim", task=task["task"], **({"why": why} if why else {})
                )
        else:
            self._offers[task["task"]] = task
        if len(self._known) < MAX_KNOWN:
            self._known.add(task["task"])

    async def _go_on(self) -> None:
        """Looks at each claim that has not ended: works on it, or opens what was drawn of it."""
        underway = await self.worker.underway()
        for claim in underway:
            name = claim["claim"]
            if claim["state"] == "claimed" and claim["task"] not in self._working:
                self._start(claim["task"], self._make(name))
            elif claim["state"] == "checking":
                product = self._products.get(name)
                await self.worker.attend(name, product.items if product else ())
        self._forget({claim["claim"] for claim in underway})

    def _forget(self, underway: set[str]) -> None:
        for claim in self._products.claims() - underway:
            self._products.drop(claim)
            self._tell("ended", claim=claim)

    def _start(self, task: str, work: Coroutine[Any, Any, None]) -> None:
        """Starts an activity on a task beside the others."""

        async def careful() -> None:
            try:
                await work
            except TrustError as error:
                self._tell("failed", task=task, why=str(error))
            finally:
                del self._working[task]
                self._stirred.set()

        self._working[task] = asyncio.create_task(careful())

    # -- one task

    async def _win(self, task: Facts) -> None:
        claim = await self._claim(task, task["stake_units"])
        if claim:
            self.won += 1
            self._tell("claimed", task=task["task"], claim=claim, price_units=task["price_units"])
            await self._make(claim)

    async def _claim(self, task: Facts, stake_units: int) -> str:
        """Claims a task with a stake; returns the claim that the log bears out, "" where it was not won.

        Where the policy asks for more than was offered, more is offered, as far as the owner allows.
        """
        request = self.worker.say(
            ClaimRequest,
            task=task["task"],
            task_index=task["task_index"],
            relay=self._link.relay,
            stake_units=stake_units,
        )
        try:
            answer = await asked(self._link, request)
        except TrustError as error:
            least = error.extra.get("stake_units")
            if isinstance(least, int) and stake_units < least <= self._rules.most_stake_units:
                return await self._claim(task, least)
            self._tell("lost", task=task["task"], why=error.code)
            return ""
        return won(answer, self.client.exchanges.key, self.worker.did, task["task"])

    async def _make(self, claim: str) -> None:
        """Has the work done and delivers it, unless the product is on disk already."""
        product = self._products.get(claim)
        if product is None:
            facts = await self.client.claim(claim)
            renewing = asyncio.create_task(self._renew(facts))
            try:
                product = await self._made(facts)
            finally:
                renewing.cancel()
            if product is None:
                await self.worker.send(ClaimAbandon, claim=claim)
                self._tell("abandoned", claim=claim)
                return
            self._products.keep(claim, product)
        done = await self.worker.submit(
            claim, product.artifacts, product.items, product.inputs, opened=not product.items
        )
        self.delivered += 1
        self._tell("delivered", claim=claim, entry=done.index)

    async def _made(self, claim: Facts) -> Product | None:
        """Returns the command's product; None where it failed, which is reported."""
        task = claim["task"]
        spec = await self.client.get_blob(task["spec_sha256"])
        case = {
            "claim": claim["claim"],
            **{
                name: task[name]
                for name in ("task", "task_kind", "spec_sha256", "price_units", "deadline_ms")
            },
            "items_count": task["items_count"],
        }
        outcome = await asyncio.to_thread(run, self._command, case, {task["spec_sha256"]: spec}, self._limits)
        try:
            return product_of(outcome, bool(task["items_count"]))
        except ValueError as error:
            self._tell("failed", claim=claim["claim"], why=str(error))
            return None

    async def _renew(self, claim: Facts) -> None:
        """Asks for another lease when two thirds of this one are over, for as long as the rules give one."""
        until_ms, lease_ms = claim["lease_until_ms"], claim["task"]["lease_ms"]
        while True:
            await asyncio.sleep(max(0, until_ms - lease_ms // 3 - self.client.now_ms()) / 1_000)
            try:
                await self.worker.send(ClaimRenew, claim=claim["claim"])
            except TrustError as error:
                self._tell("not-renewed", claim=claim["claim"], why=error.code)
                return
            until_ms += lease_ms


def product_of(outcome: Outcome, is_batch: bool) -> Product:
    """Returns what a command left in `output/` and printed. ValueError where it failed, or left nothing."""
    if outcome.failure:
        raise ValueError(outcome.failure)
    files = dict(outcome.files)
    items = tuple(files.pop(ITEMS, b"").splitlines()) if is_batch else ()
    if not files or (is_batch and not items):
        raise ValueError(f"the command left nothing in output/{ITEMS if files else ''}")
    try:
        report = strict.parse(outcome.stdout.strip() or b"{}", Said, max_bytes=MAX_SAID_BYTES)
    except strict.Malformed as error:
        raise ValueError(f"what the command printed is not as it should be: {error}"[:MAX_WORDS]) from None
    if len(report.inputs) > MAX_INPUTS:
        raise ValueError(
            f"the output is made from {len(report.inputs)} inputs; at most {MAX_INPUTS} can be named"
        )
    return Product(files, items, report.inputs)
