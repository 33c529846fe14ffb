"""An agent of the patterns: `trust work` and `trust verify` in one, with work and checks that are built in.

Whatever is lost on the way - the relay, a coordinator, the service, the agent's own process - is on the log or on its
disk, so the next look finds it. What differs from an owner's programs is who speaks with whom, and ways of misbehaving.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Collection, Coroutine
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from trust.client import AsyncTrustClient
from trust.errors import TrustError
from trust.programs.owner import Rules
from trust.programs.products import Product
from trust.programs.verifying import VerifyProgram
from trust.programs.working import WorkProgram
from trust.relay.link import RelayLink
from trust.sandbox import workload

TASK_KIND = "code-review"
STAKE_UNITS = 200
LOOK_S = 2.0

Facts = dict[str, Any]


class Place(msgspec.Struct, frozen=True):
    """Where agents live: the service, its log's key, the relay and its coordinators."""

    service: str
    vkey: str
    relay: str
    urls: tuple[str, ...]
    coordinators: tuple[str, ...]
    threshold: int


class StutteringLink(RelayLink):
    """Says each claim and each delivery late, beside saying it in time."""

    async def ask(self, kind: str, **fields: Any) -> Facts:
        """Asks, and asks the same again later."""
        if kind in ("claim", "deliver"):
            self._late = asyncio.create_task(self._later(kind, fields))
        return await super().ask(kind, **fields)

    async def _later(self, kind: str, fields: Facts) -> None:
        await asyncio.sleep(LOOK_S * int(sha256(self._me.actor.encode()).hexdigest(), 16) % 100 / 400)
        with suppress(TrustError):
            await super().ask(kind, **fields)


class Hand(WorkProgram):
    """One agent. Its `ways` may be `lazy` (delivers without working), `vanishing` (claims, and is not heard of again)
    or `stuttering` (says everything late and twice). `done` counts what it did, by word."""

    look_s = LOOK_S
    at_once = 1

    def __init__(
        self,
        name: str,
        seed: bytes,
        client: AsyncTrustClient,
        place: Place,
        data: Path,
        ways: Collection[str] = (),
    ) -> None:
        rules = Rules(kinds=(TASK_KIND,), at_once=self.at_once)
        state, votes = data / f"{name}.work", data / f"{name}.votes"
        super().__init__(client, seed, self.make, place.urls, state, self.say, rules=rules)
        self.checks = VerifyProgram(client, seed, workload.judge, votes, self.say)
        self.checks.look_s = self.look_s
        self.name = name
        self.place = place
        self.ways = frozenset(ways)
        self.done: Counter[str] = Counter()
        self.contact = ""
        self.documents = 0
        self.refused: dict[str, TrustError] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def join(self) -> None:
        """Connects to the relay, and starts to work and to check."""
        await super().join()
        for each in (self.work(), self.checks.run()):
            self.start(each)

    async def connect(self) -> RelayLink:
        """Speaks with the relay's own coordinators, and has itself called where it listens."""
        kind = StutteringLink if "stuttering" in self.ways else RelayLink
        place = self.place
        return await kind.open(place.urls, self.worker.me, self.hear, self.contact, place.coordinators)

    async def leave(self) -> None:
        """Stops whatever it is doing."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something beside the rest."""
        running = asyncio.create_task(work, name=self.name)
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def hear(self, message: Facts) -> None:
        """Takes a message that the relay sends unasked."""
        await super().hear(message)
        if message["type"] in ("event", "reconnected"):
            self.checks.stirred.set()

    def say(self, did: str, **facts: Any) -> None:
        """Counts what it does; what fails is for whoever reads the process's errors."""
        self.done[did] += 1
        if did in ("failed", "waits"):
            print(f"@{self.name} {did}: {facts}", file=sys.stderr, flush=True)

    # -- work

    async def claim(self, task: Facts, stake_units: int) -> Facts:
        """Claims with the stake that all have agreed on; keeps the refusal."""
        self.done["asked"] += 1
        try:
            return await super().claim(task, max(stake_units, STAKE_UNITS))
        except TrustError as error:
            self.refused[task["task"]] = error
            raise

    async def pursue(self, task: Facts, claim: str, answer: Facts) -> None:
        """Agrees with the requester, delivers, and tells it, unless it has vanished."""
        if "vanishing" in self.ways:
            return
        await self.agree(task, answer)
        await self.fulfil(claim)
        with suppress(TrustError):
            await self.link.notify(task["requester"], {"task": task["task"], "claim": claim})

    async def agree(self, task: Facts, answer: Facts) -> None:
        """Settles with the requester what has to be settled before the work begins."""

    async def fulfil(self, claim: str) -> None:
        """Works, unless it has vanished."""
        if "vanishing" not in self.ways:
            await super().fulfil(claim)

    def make(self, claim: Facts, spec: bytes) -> Product:
        """Returns what it delivers for a claim."""
        del claim
        return Product({workload.ARTIFACT: self.produce(spec)}, tuple(workload.items_of(spec)))

    def produce(self, spec: bytes) -> bytes:
        """Returns its report."""
        return b"{}" if "lazy" in self.ways else workload.produce(spec)


def seed_of(number: int, name: str) -> bytes:
    """The key of an agent in the run with this seed: the same whenever it is run again."""
    return sha256(f"sandbox/{number}/{name}".encode()).digest()
