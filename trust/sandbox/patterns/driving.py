"""The base of the patterns: posts the work, follows it on the log, and reports on it in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import httpx

from trust.client import AsyncTrustClient, Requester
from trust.client.problems import ServiceError
from trust.core.payloads import TaskPost
from trust.errors import TrustError
from trust.relay.link import RelayLink
from trust.sandbox.board import Board, Event
from trust.sandbox.crew import TASK_KIND, Place

PRICE_UNITS = 100
DEADLINE_MS = 900_000
LEASE_MS = 12_000
AT_ONCE = 32
AGAIN_S = 0.3
WORKERS_S = 2.0

Facts = dict[str, Any]


class Driver:
    """Brings the work in. `size` is how much of it; `posted` are the tasks that count, in order."""

    requester = "rosa"

    def __init__(self, client: AsyncTrustClient, board: Board, place: Place, seed: bytes, size: int) -> None:
        self.client = client
        self.board = board
        self.place = place
        self.size = size
        self.me = Requester(client, seed)
        self.posted: list[str] = []
        self.notifications: list[Facts] = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def join(self, contact: str = "") -> None:
        """Connects to every coordinator, so that it is heard and called wherever a worker is."""
        opening = (
            RelayLink.open(url, self.me.me, self._hear, contact, self.place.coordinators)
            for url in self.place.urls
        )
        self.links = list(await asyncio.gather(*opening))

    async def leave(self) -> None:
        """Hangs up."""
        await asyncio.gather(*(link.close() for link in self.links))

    async def _hear(self, message: Facts) -> None:
        if message["type"] == "notification":
            self.notifications.append(message)
            await self.board.stir()

    async def drive(self) -> Facts:
        """Posts the work and follows it to its end; returns the pattern's own figures."""
        raise NotImplementedError

    # -- posting

    async def post(self, name: str, spec: bytes, allocate: Facts | None = None, **terms: Any) -> None:
        """Posts one task."""
        await self.post_all([(name, spec)], allocate, **terms)

    async def post_all(
        self, tasks: Sequence[tuple[str, bytes]], allocate: Facts | None = None, **terms: Any
    ) -> None:
        """Posts tasks in batches, again until the log has them; `allocate` has the draw decide who may claim first."""
        now_ms = self.client.now_ms()
        envelopes = []
        for name, spec in tasks:
            digest = await self.me.upload(spec)
            fields: Facts = {"task": name, "task_kind": TASK_KIND, "spec_sha256": digest}
            fields |= {"price_units": PRICE_UNITS, "deadline_ms": now_ms + DEADLINE_MS, "lease_ms": LEASE_MS}
            fields |= terms
            envelopes.append(self.me.say(TaskPost, **fields, relay=self.place.relay))
        for at in range(0, len(envelopes), AT_ONCE):
            await self._post(envelopes[at : at + AT_ONCE], allocate)
        self.posted += [name for name, _ in tasks]

    async def _post(self, envelopes: list[bytes], allocate: Facts | None = None) -> None:
        """Posts through whichever coordinator answers; the same bytes again where the line broke."""
        while True:
            await self.goes_on.wait()
            link = next((link for link in self.links if link.is_up), self.links[0])
            try:
                results = await link.post(envelopes, allocate)
            except ServiceError as error:
                if error.status < 500:
                    raise
            except TrustError:
                pass
            else:
                if refused := [each for each in results if each["status"] >= 400]:
                    raise ServiceError.of(refused[0]["status"], refused[0])
                return
            await asyncio.sleep(AGAIN_S)

    async def workers(self) -> set[str]:
        """Returns who is there, at any coordinator, that takes such work."""
        dids: set[str] = set()
        async with httpx.AsyncClient(timeout=WORKERS_S) as http:
            for url in self.place.urls:
                with suppress(httpx.HTTPError, ValueError):
                    page = (await http.get(f"{url.replace('ws:', 'http:')}/agents?kind={TASK_KIND}")).json()
                    dids |= {each["did"] for each in page["agents"]}
        return dids

    # -- following

    async def until_closed(self, tasks: Sequence[str]) -> None:
        """Waits until each of these tasks is closed."""
        for task in tasks:
            await self.board.until("task.closed", task=task)

    def ended(self, task: str) -> Event | None:
        """The end of the last claim on a task."""
        claims = {event["claim"] for event in self.board.all("claim.opened", task=task)}
        ends = [event for event in self.board.all("claim.ended") if event["claim"] in claims]
        return ends[-1] if ends else None

    async def output(self, task: str) -> bytes:
        """Returns what was delivered for a task whose claim was accepted."""
        claim = self.board.all("claim.opened", task=task)[-1]["claim"]
        facts = await self.client.claim(claim)
        return await self.client.get_blob(facts["output"]["artifacts"][0]["sha256"])


async def quiet(work: asyncio.Task[Any]) -> None:
    """Ends a task that runs for ever."""
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
