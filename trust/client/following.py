"""The log's events as they are written, for everything in this process that waits for one: a single stream of `GET
/v1/events`.

A stream only says when to look: what it names is proven by the entry's receipt before anything is built on it. It is
resumed behind the last index that was seen, so neither a restart of the service nor a broken line hides an entry.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from trust.client.clients import AsyncTrustClient
from trust.client.problems import Unreachable

AGAIN_S, LONGEST_S = 0.1, 2.0
"""How long a stream that broke off is left alone: twice as long each time, until an entry comes."""
SUBJECTS = ("task", "claim")

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event of entry `index`."""

    index: int
    event: Facts

    @property
    def kind(self) -> str:
        """The event's kind."""
        return str(self.event["kind"])


class Following:
    """One stream of the log, as a context: `watching` gives the events about a task or a claim from then on."""

    def __init__(self, client: AsyncTrustClient) -> None:
        self._client = client
        self._watchers: dict[str, list[asyncio.Queue[LoggedEvent]]] = {}
        self._after = -1

    async def __aenter__(self) -> Self:
        self._after = (await self._client.checkpoint()).size - 1
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading

    @contextmanager
    def watching(self, subject: str) -> Iterator[asyncio.Queue[LoggedEvent]]:
        """The events that name this task or claim, in the order of the log."""
        queue: asyncio.Queue[LoggedEvent] = asyncio.Queue()
        self._watchers.setdefault(subject, []).append(queue)
        try:
            yield queue
        finally:
            self._watchers[subject].remove(queue)
            if not self._watchers[subject]:
                del self._watchers[subject]

    async def _read(self) -> None:
        wait_s = AGAIN_S
        while True:
            with suppress(Unreachable, ValueError, LookupError, TypeError):
                async for line in self._client.transport.lines(f"/v1/events?after={self._after}"):
                    if line.startswith("data:"):
                        self._take(json.loads(line.removeprefix("data:")))
                        wait_s = AGAIN_S
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_S)

    def _take(self, entry: Facts) -> None:
        index = int(entry["index"])
        if index <= self._after:
            return
        for event in entry["events"]:
            self.tell(LoggedEvent(index, event))
        self._after = index

    def tell(self, logged: LoggedEvent) -> None:
        """Gives an event to those who watch what it names."""
        for subject in {str(logged.event.get(name, "")) for name in SUBJECTS}:
            for queue in self._watchers.get(subject, ()):
                queue.put_nowait(logged)
