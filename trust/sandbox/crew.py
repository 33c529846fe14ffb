"""An agent of the patterns: claims what it is offered, works, delivers, opens, and checks the work of others.

It believes the relay only after the log has named the same winner. Whatever is lost on the way - the relay, a
coordinator, the service, the agent's own process - is on the log, so the next look finds it: claims of its own that are
not delivered are worked on again.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from trust.client import AsyncTrustClient, Unreachable, Verifier, Worker
from trust.client.items import ItemTree
from trust.core.lifecycle import CLAIM, ClaimState, Phase
from trust.core.payloads import Artifact, ClaimRequest, OutputSubmit
from trust.core.receipt import Receipt
from trust.errors import TrustError
from trust.relay.link import RelayLink
from trust.sandbox import workload
from trust.verify.failures import NotProven
from trust.verify.receipts import check_confirmed, verify_confirmation, verify_receipt

TASK_KIND = "code-review"
STAKE_UNITS = 200
LOOK_S = 2.0
CLAIM_AGAIN_S = (0.2, 0.5, 1.0, 2.0, 3.0)
MAX_KNOWN = 1_000

Facts = dict[str, Any]


class Place(msgspec.Struct, frozen=True):
    """Where agents live: the service, its log's key, the relay and its coordinators."""

    service: str
    vkey: str
    relay: str
    urls: tuple[str, ...]
    coordinators: tuple[str, ...]
    threshold: int


@dataclass(slots=True)
class Done:
    """The work that an agent has done, for the report."""

    asked: int = 0
    won: int = 0
    lost: int = 0
    delivered: int = 0


class Hand:
    """One agent. Its `ways` may be `lazy` (delivers without working), `vanishing` (claims, and is not heard of again)
    or `stuttering` (says everything late and twice)."""

    def __init__(
        self,
        name: str,
        seed: bytes,
        client: AsyncTrustClient,
        place: Place,
        data: Path,
        ways: Collection[str] = (),
    ) -> None:
        self.name = name
        self.client = client
        self.place = place
        self.ways = frozenset(ways)
        self.worker = Worker(client, seed)
        self.verifier = Verifier(client, seed, data / f"{name}.votes", workload.judge)
        self.did = self.worker.did
        self.done = Done()
        self.contact = ""
        self.documents = 0
        self.refused: dict[str, TrustError] = {}
        self._items: dict[str, list[bytes]] = {}
        self._offers: dict[str, Facts] = {}
        self._offered = asyncio.Event()
        self._wakers: list[asyncio.Event] = []
        self._mine: dict[str, str] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def join(self) -> None:
        """Connects to the relay, and starts to work and to check."""
        place = self.place
        self.link = await RelayLink.open(
            place.urls, self.worker.me, self.hear, self.contact, place.coordinators
        )
        for task in await self.link.subscribe([TASK_KIND]):
            self._consider(task)
        for each in (self._labour(), self._check(), self._attend()):
            self.start(each)

    async def leave(self) -> None:
        """Stops whatever it is doing."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.link.close()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something beside the rest."""
        running = asyncio.create_task(work, name=self.name)
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def hear(self, message: Facts) -> None:
        """Takes a message that the relay sends unasked."""
        match message["type"]:
            case "offer":
                self._consider(message)
            case "taken":
                self._offers.pop(message["task"], None)
            case "event":
                self._wake()
            case "reconnected":
                self._wake()
                self.start(self._resume())

    def wants(self, offer: Facts) -> bool:
        """Returns whether it goes for a task."""
        return offer["requester"] != self.did and offer["assignee"] in ("", self.did)

    def _consider(self, offer: Facts) -> None:
        if self.wants(offer) and len(self._offers) < MAX_KNOWN:
            self._offers[offer["task"]] = offer
            self._offered.set()

    # -- work

    async def _labour(self) -> None:
        """Works on one task after the other, for ever; looks for open ones where it hears of none."""
        await self._resume()
        while True:
            if not self._offers:
                self._offered.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._offered.wait()
            try:
                if self._offers:
                    await self._work(self._offers.pop(self._next()))
                else:
                    for task in await self.link.subscribe([TASK_KIND]):
                        self._consider(task)
            except TrustError:
                await asyncio.sleep(LOOK_S / 10)
            except Exception as error:  # whatever went wrong with one task, the next one is still to be done
                print(f"{self.name}: {error!r}", file=sys.stderr, flush=True)
                await asyncio.sleep(LOOK_S / 10)

    def _next(self) -> str:
        """The task that it goes for first: another one than most others."""
        return min(self._offers, key=lambda task: sha256(f"{self.did}{task}".encode()).digest())

    async def _resume(self) -> None:
        """Claims of its own that have no output yet, from before this process was started."""
        with suppress(TrustError):
            page = await self.client.get(f"/v1/agents/{self.did}/claims?limit=1000")
            for claim in page["claims"]:
                if claim["claim"] in self._mine or "vanishing" in self.ways:
                    continue
                if not CLAIM.is_over(claim["state"]):
                    self._mine[claim["claim"]] = claim["state"]
                if claim["state"] == ClaimState.CLAIMED:
                    task = await self.client.task(claim["task"])
                    await self.deliver(claim["claim"], task["spec_sha256"])

    async def _work(self, offer: Facts) -> None:
        """One task from claim to delivery."""
        won = await self.claim(offer)
        if won is None or "vanishing" in self.ways:
            return
        await self.agree(offer, won)
        await self.deliver(won["claim"], offer["spec_sha256"])
        with suppress(TrustError):
            await self.link.notify(offer["requester"], {"task": offer["task"], "claim": won["claim"]})

    async def claim(self, offer: Facts) -> Facts | None:
        """The relay's confirmation, which the log bears out; None where somebody else won."""
        request = self.worker.say(
            ClaimRequest,
            task=offer["task"],
            task_index=offer["task_index"],
            relay=self.place.relay,
            stake_units=STAKE_UNITS,
        )
        self.done.asked += 1
        won = await self._asked(request, offer["task"])
        if won is None:
            self.done.lost += 1
            return None
        self._believe(won)
        self.done.won += 1
        self._mine[won["claim"]] = ClaimState.CLAIMED
        return won

    async def _asked(self, request: bytes, task: str) -> Facts | None:
        """The answer to a claim; the same bytes again where none came, for it may have been won meanwhile."""
        await self._stutter(self.link.claim(request))
        for wait_s in CLAIM_AGAIN_S:
            try:
                return await self.link.claim(request)
            except TrustError as error:
                if not isinstance(error, Unreachable) and error.status < 500:
                    self.refused[task] = error
                    return None
            await asyncio.sleep(wait_s)
        return None

    async def _stutter(self, sending: Coroutine[Any, Any, Any]) -> None:
        """Says something late, beside saying it in time."""
        if "stuttering" not in self.ways:
            sending.close()
            return

        async def later() -> None:
            await asyncio.sleep(LOOK_S * int(sha256(self.did.encode()).hexdigest(), 16) % 100 / 400)
            with suppress(TrustError):
                await sending

        self.start(later())

    def _believe(self, won: Facts) -> None:
        """`NotProven` where the log does not say what the relay says."""
        place = self.place
        confirmation = verify_confirmation(
            won["confirmation"].encode(), self.client.network, place.coordinators, place.threshold
        )
        receipt = msgspec.convert(won["receipt"], Receipt)
        check_confirmed(confirmation, verify_receipt(receipt, self.client.exchanges.key))
        if confirmation.statement.worker != self.did:
            raise NotProven(f"the relay confirmed {confirmation.statement.worker}")

    async def agree(self, offer: Facts, won: Facts) -> None:
        """Settles with the requester what has to be settled before the work begins."""

    async def deliver(self, claim: str, spec_sha256: str) -> None:
        """Does the work, and delivers it: by the relay, and where that fails by the service."""
        spec = await self.client.get_blob(spec_sha256)
        report, items = await asyncio.to_thread(lambda: (self.produce(spec), workload.items_of(spec)))
        self._items[claim] = items
        digest = await self.client.transport.run(self.worker.store(report))
        artifact = Artifact(name=workload.ARTIFACT, sha256=digest, size_bytes=len(report))
        statement = self.worker.say(OutputSubmit, claim=claim, artifacts=(artifact,), **_batch(items))
        await self._stutter(self.link.deliver([statement]))
        try:
            [result] = await self.link.deliver([statement])
            proven = verify_receipt(msgspec.convert(result["receipt"], Receipt), self.client.exchanges.key)
            if proven.spoken is None or proven.spoken.payload.actor != self.did:
                raise NotProven("the relay shows the receipt of another statement")
        except TrustError:
            with suppress(TrustError):  # too late, perhaps: then the lease is over and the task open again
                await self.client.send(statement)
        self.done.delivered += 1
        self._wake()

    def produce(self, spec: bytes) -> bytes:
        """Returns what it delivers."""
        return b"{}" if "lazy" in self.ways else workload.produce(spec)

    # -- what a panel needs

    async def _attend(self) -> None:
        """Opens what waits to be opened of its claims, until each has ended."""
        wake = self._waker()
        while True:
            for claim in list(self._mine):
                with suppress(TrustError):
                    facts = await self.client.claim(claim)
                    if facts.get("ended_ms"):
                        del self._mine[claim]
                        self._items.pop(claim, None)
                    elif (facts["rounds"] or [{}])[-1].get("phase") == Phase.OPENING:
                        await self.worker.attend(claim, self._items.get(claim, ()))
            await _woken(wake)

    async def _check(self) -> None:
        """Takes its seats, for ever."""
        wake = self._waker()
        while True:
            with suppress(TrustError):
                await self.look()
            await _woken(wake)

    async def look(self) -> None:
        """Does what can be done on every seat that waits."""
        await self.verifier.step()

    def _waker(self) -> asyncio.Event:
        self._wakers.append(asyncio.Event())
        return self._wakers[-1]

    def _wake(self) -> None:
        for wake in self._wakers:
            wake.set()


def _batch(items: list[bytes]) -> Facts:
    """What an output says of its items, where it has some."""
    return {"items_root": ItemTree(items).root(), "items_count": len(items)} if items else {}


async def _woken(wake: asyncio.Event) -> None:
    """Until the log has moved for an agent, and now and then anyway."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_S):
            await wake.wait()
    wake.clear()


def seed_of(number: int, name: str) -> bytes:
    """The key of an agent in the run with this seed: the same whenever it is run again."""
    return sha256(f"sandbox/{number}/{name}".encode()).digest()
