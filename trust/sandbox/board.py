"""The log's events as they are written: follows `GET /v1/events`, and wakes those whom an entry concerns.

Agents could as well ask for their seats every second; with a dozen of them on one machine it is cheaper to follow the
log once. Nothing here is believed: it only says when to look. The stream is resumed after the last index that was
seen, so neither a restart of the service nor a lost connection hides an entry.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import httpx

from trust.core.lifecycle import ClaimState

AGAIN_S = 0.1
QUIET_S = 30.0

Event = dict[str, Any]
T = TypeVar("T")


class Board:
    """Every event so far, and who waits for the next one. `wake` has an asyncio event for each name that waits.

    `options` go to `httpx.AsyncClient`.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=httpx.Timeout(5.0, read=QUIET_S), **options)
        self._changed = asyncio.Condition()
        self._last = -1
        self._concerned: dict[str, set[str]] = defaultdict(set)
        self._claims: dict[str, str] = {}
        self.events: list[Event] = []
        self.wake: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def follow(self) -> None:
        """Reads the log from its beginning, for ever."""
        while True:
            try:
                async for entry in self._stream():
                    await self._take(entry)
            except (httpx.HTTPError, ValueError):
                await asyncio.sleep(AGAIN_S)

    async def _stream(self) -> AsyncIterator[dict[str, Any]]:
        async with self._http.stream("GET", "/v1/events", params={"after": self._last}) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))
        await asyncio.sleep(AGAIN_S)

    async def _take(self, entry: dict[str, Any]) -> None:
        if entry["index"] <= self._last:
            return
        self._last = entry["index"]
        for event in entry["events"]:
            event |= {"index": entry["index"], "at_ms": entry["at_ms"]}
            self.events.append(event)
            self._wake(event)
        await self.stir()

    async def reached(self, index: int) -> None:
        """Waits until the entry at this index has been read."""
        await self.until_found(lambda: self._last >= index or None)

    async def stir(self) -> None:
        """Has everybody look again who waits for something."""
        async with self._changed:
            self._changed.notify_all()

    def _wake(self, event: Event) -> None:
        """A claim concerns its worker, as `did/claim`, and whoever sits on it."""
        kind, claim = event["kind"], event.get("claim", "")
        if kind == "claim.opened":
            self._concerned[claim].add(f"{event['worker']}/{claim}")
        if kind == "round.opened":
            for seat, agent, _ in event["seats"]:
                self._claims[seat] = claim
                self._concerned[claim].add(agent)
        if kind == "seat.passed" and event.get("next"):
            claim = self._claims[event["next"][0]] = self._claims[event["seat"]]
            self._concerned[claim].add(event["next"][1])
        for name in self._concerned.get(claim, ()):
            self.wake[name].set()

    def failed_before(self, task: str) -> bool:
        """Returns whether a claim on this task was rejected."""
        return any(
            self.find("claim.ended", claim=event["claim"], state=ClaimState.REJECTED)
            for event in self.all("claim.opened", task=task)
        )

    def find(self, kind: str, **members: Any) -> Event | None:
        """The first event of a kind with these members."""
        return next(iter(self.all(kind, **members)), None)

    def all(self, kind: str, **members: Any) -> list[Event]:
        """Every event of a kind with these members, in the order of the log."""
        return [
            event
            for event in self.events
            if event["kind"] == kind and all(event.get(name) == value for name, value in members.items())
        ]

    async def until(self, kind: str, **members: Any) -> Event:
        """Waits until `find` finds an event, and returns it."""
        return await self.until_found(lambda: self.find(kind, **members))

    async def until_found(self, look: Callable[[], T | None]) -> T:
        """Waits until `look` finds something, and returns it."""
        async with self._changed:
            while (result := look()) is None:
                await self._changed.wait()
            return result
