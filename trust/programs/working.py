"""A worker that works by itself: claims what its owner's rules allow, makes it, delivers it, and opens what is drawn.

What it knows is on the log and on its disk: claims of its own the service lists, and what was made for one is on disk
before it is delivered. Killed at any moment, the next start goes on with them. Of the relay it believes nothing but
receipts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from trust.client import Accepted, AsyncTrustClient, Worker
from trust.core.payloads import ClaimAbandon, ClaimRequest
from trust.errors import TrustError
from trust.log.ed25519 import PrivateKey
from trust.programs.claiming import asked, delivered, renewing, won
from trust.programs.making import Make
from trust.programs.owner import Rules
from trust.programs.products import Product, Products
from trust.programs.running import Tell, again
from trust.relay.link import RelayLink

MAX_KNOWN = 1_000
IDLE_LOOKS = 10
"""A worker without claims asks for them in one look of so many: what becomes of a claim the relay says too."""
ALL = Rules()

Facts = dict[str, Any]


class WorkProgram:
    """One worker at one relay, whose coordinators are at `urls`; `make` does the work of a claim.

    A kind of worker overrides what it does otherwise: `connect`, `hear`, `hindrance`, `claim`, `pursue`, `fulfil`.
    """

    look_s = 1.0

    def __init__(
        self,
        client: AsyncTrustClient,
        seed: PrivateKey,
        make: Make,
        urls: Sequence[str],
        state: Path,
        tell: Tell,
        *,
        rules: Rules = ALL,
        dry_run: bool = False,
        actor: str = "",
    ) -> None:
        self.client = client
        self.worker = Worker(client, seed, actor)
        self.did = self.worker.did
        self.urls = urls
        self.tell = tell
        self._make = make
        self._rules = rules
        self._dry_run = dry_run
        self._products = Products(state)
        self._offers: dict[str, Facts] = {}
        self._offered, self._moved = asyncio.Event(), asyncio.Event()
        self._look_at_s = 0.0
        self._working: dict[str, asyncio.Task[None]] = {}
        self._known: set[str] = set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        await self.join()
        await self.work()

    async def join(self) -> None:
        """Connects to the relay; hears of nothing yet."""
        self.link = await self.connect()

    async def connect(self) -> RelayLink:
        """Returns the connection to the relay."""
        return await RelayLink.open(self.urls, self.worker.me, self.hear)

    async def work(self) -> None:
        """Goes for new tasks and goes on with claims of its own, until it is cancelled; then hangs up."""
        steps = [again(self._take, self._offered, self.look_s, self.tell)]
        if not self._dry_run:
            steps.append(again(self._go_on, self._moved, self.look_s, self.tell, pause_s=self.look_s / 2))
        loops = [asyncio.create_task(each) for each in steps]
        try:
            await asyncio.gather(*loops)
        finally:
            under_way = [*loops, *self._working.values()]
            for each in under_way:
                each.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            await self.link.close()

    async def hear(self, message: Facts) -> None:
        """Takes a message that the relay sends unasked."""
        match message:
            case {"type": "offer"}:
                self._consider(message)
                self._offered.set()
            case {"type": "taken", "task": str(task)}:
                self._offers.pop(task, None)
            case {"type": "event" | "reconnected"}:
                self._moved.set()

    # -- what there is to do

    async def _take(self) -> None:
        """Goes for offers, as many at once as its rules allow; asks for open tasks where it hears of none."""
        self._begin()
        now_s = asyncio.get_running_loop().time()
        if not self._offers and len(self._working) < self._rules.at_once and now_s >= self._look_at_s:
            self._look_at_s = now_s + self.look_s
            for task in await self.link.subscribe(self._rules.kinds):
                self._consider(task)
            self._begin()

    def _begin(self) -> None:
        while self._offers and len(self._working) < self._rules.at_once:
            task = self._offers.pop(min(self._offers, key=self._place))
            self._start(task["task"], self._win(task))

    def _place(self, task: str) -> bytes:
        """Returns what tasks are taken in the order of: another one than that of most others, who want them too."""
        return sha256(f"{self.did}{task}".encode()).digest()

    def _consider(self, task: Facts) -> None:
        """Takes up an offer, or reports why not, once per task."""
        try:
            name, why = str(task["task"]), self.hindrance(task)
            is_mine = task["requester"] != self.did and task["assignee"] in ("", self.did)
        except (LookupError, TypeError) as error:
            self.tell("passes", task=str(task.get("task")), why=f"the offer is malformed: {error!r}")
            return
        if not is_mine or name in self._working or len(self._offers) >= MAX_KNOWN:
            return
        if self._dry_run or why:
            if name not in self._known:
                self.tell("passes" if why else "would-claim", task=name, **({"why": why} if why else {}))
        else:
            self._offers[name] = task
        if len(self._known) < MAX_KNOWN:
            self._known.add(name)

    def hindrance(self, task: Facts) -> str:
        """Returns why it does not go for a task, in words; "" where it does."""
        return self._rules.hindrance(task, self.client.now_ms())

    async def _go_on(self) -> float:
        """Looks at each claim that has not ended: works on it, or opens what was drawn of it. Forgets the others.

        Returns how long it may be until the next look.
        """
        kept = self._products.claims()
        underway = await self.worker.underway()
        is_idle = not (underway or kept or self._working)
        for claim in kept - {each["claim"] for each in underway}:
            self._products.drop(claim)
            self.tell("ended", claim=claim)
        for each in underway:
            if each["state"] == "claimed" and each["task"] not in self._working:
                self._start(each["task"], self.fulfil(each["claim"]))
            elif each["state"] == "checking":
                await self._attend(each["claim"])
        return IDLE_LOOKS * self.look_s if is_idle else self.look_s

    async def _attend(self, claim: str) -> None:
        """Opens what was drawn of an output; where that fails the others are not held up."""
        product = self._products.get(claim)
        try:
            await self.worker.attend(claim, product.items if product else ())
        except TrustError as error:
            self.tell("failed", claim=claim, why=str(error))

    def _start(self, task: str, work: Coroutine[Any, Any, None]) -> None:
        """Starts an activity on a task beside the others."""

        async def careful() -> None:
            try:
                await work
            except Exception as error:
                self.tell(
                    "failed", task=task, why=str(error) if isinstance(error, TrustError) else repr(error)
                )
            finally:
                del self._working[task]
                self._offered.set()
                self._moved.set()

        self._working[task] = asyncio.create_task(careful())

    # -- one task

    async def _win(self, task: Facts) -> None:
        """Brings one task from claim to delivery."""
        name = task["task"]
        try:
            answer = await self.claim(task, task["stake_units"])
        except TrustError as error:
            self.tell("lost", task=name, why=error.code)
            return
        claim = won(answer, self.client.exchanges.key, self.did, name)
        self.tell("claimed", task=name, claim=claim, price_units=task["price_units"])
        await self.pursue(task, claim, answer)

    async def claim(self, task: Facts, stake_units: int) -> Facts:
        """Claims a task with a stake; returns the relay's answer, raises the refusal.

        Where the policy asks for more than was offered, more is offered, as far as the owner allows.
        """
        named = {"task": task["task"], "task_index": task["task_index"], "relay": self.link.relay}
        try:
            return await asked(self.link, self.worker.say(ClaimRequest, **named, stake_units=stake_units))
        except TrustError as error:
            least = error.extra.get("stake_units")
            if isinstance(least, int) and stake_units < least <= self._rules.most_stake_units:
                return await self.claim(task, least)
            raise

    async def pursue(self, task: Facts, claim: str, answer: Facts) -> None:
        """Goes on with a claim that was won just now, by what the relay answered."""
        del task, answer
        await self.fulfil(claim)

    async def fulfil(self, claim: str) -> None:
        """Has the work of a claim done, unless its product is on disk already, and delivers it."""
        facts = await self.client.claim(claim)
        async with renewing(self.worker, facts, self.client.now_ms, self.tell):
            product = self._products.get(claim) or await self._made(facts)
            if product is None:
                await self.worker.send(ClaimAbandon, claim=claim)
                self.tell("abandoned", claim=claim)
                return
            output = await self.worker.output_of(
                claim, product.artifacts, product.items, product.inputs, opened=not product.items
            )
            if isinstance(output, Accepted):
                entry = output.index
            else:
                entry = await delivered(self.link, self.client, output)
        self.tell("delivered", claim=claim, entry=entry)

    async def _made(self, claim: Facts) -> Product | None:
        """Returns what was made for a claim, written down; None where the work failed, which is reported."""
        spec = await self.client.get_blob(claim["task"]["spec_sha256"])
        try:
            product = await asyncio.to_thread(self._make, claim, spec)
        except Exception as error:
            self.tell("failed", claim=claim["claim"], why=str(error))
            return None
        self._products.keep(claim["claim"], product)
        return product
