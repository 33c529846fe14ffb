"""Five steps for each task: it is posted, offered, claimed; winner and requester agree on the scope alone, on a sealed
and signed connection; the output is delivered, and the requester hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import islice

from websockets.exceptions import WebSocketException

from trust.sandbox import workload
from trust.sandbox.crew import Hand
from trust.sandbox.patterns.driving import Driver, Facts
from trust.sandbox.peers import Channel, Message, PeerError, calling, listen
from trust.sandbox.review import Source
from trust.verify.receipts import verify_confirmation

SCOPE_S = 3.0


class HybridHand(Hand):
    """Agrees on the scope before it works; `scope_s` is for how long it tries."""

    scope_s = SCOPE_S

    async def agree(self, task: Facts, answer: Facts) -> None:
        """Calls the requester; where it cannot be reached, the specification on the log is scope enough."""
        contact = answer["contact"] or task["contact"]
        if not contact:
            return
        with suppress(OSError, TimeoutError, WebSocketException, PeerError):
            async with (
                asyncio.timeout(self.scope_s),
                calling(contact, self.worker.me, task["requester"]) as channel,
            ):
                await channel.say({"type": "won", "confirmation": answer["confirmation"]})
                scope = await channel.hear()
                named = scope.facts.get("claim"), scope.facts.get("spec_sha256")
                if named != (answer["claim"], task["spec_sha256"]):
                    raise PeerError("a scope for another claim or specification")
                await channel.say({"type": "agreed", "scope": scope.body})


class Hybrid(Driver):
    """Posts reviews, and answers whoever won one; `agreed` are the winners' signed answers by task."""

    async def drive(self) -> Facts:
        sources = workload.library(self.size)
        await self.leave()
        async with self.answering():
            for place, source in enumerate(self._endless(sources)):
                await self._turn()
                await self.post(f"hybrid-{place:04}", workload.review_spec(source))
            await self.until_closed(self.posted)
        return {
            "scopes_agreed": len(self.agreed),
            "notified": len({each["body"]["task"] for each in self.notifications}),
        }

    pause_s = 0.0
    is_endless = False
    most_open = 1_000_000

    async def _turn(self) -> None:
        """Waits for the pace, and while as many tasks are open as may be: a network that got slower is asked for less.

        Otherwise panels would miss their windows, their tasks be open again, and the load grow by what it has undone.
        """
        if self.posted:
            await asyncio.sleep(self.pause_s)
        if len(self.posted) >= self.most_open:
            await self.board.until_found(lambda: True if self._open() < self.most_open else None)

    def _open(self) -> int:
        closed = {event["task"] for event in self.board.all("task.closed")}
        return sum(task not in closed for task in self.posted)

    def _endless(self, sources: list[Source]) -> Iterator[Source]:
        """All of them, and again as long as it is to go on."""
        yield from sources
        while self.is_endless:
            yield from islice(sources, 1)
            sources = [*sources[1:], sources[0]]

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Connects to the relay, and answers winners for the block."""
        self.agreed: dict[str, Message] = {}
        server = await listen(self.me.me, self._converse, "127.0.0.1", 0)
        async with server:
            await self.join(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            yield

    async def _converse(self, channel: Channel) -> None:
        """The caller must be whom the relay confirmed and the log names; says the scope, and keeps what was agreed."""
        greeting, place = (await channel.hear()).facts, self.place
        confirmation = str(greeting.get("confirmation")).encode()
        proven = await self.me.confirmed(confirmation, place.coordinators, place.threshold)
        won = verify_confirmation(
            confirmation, self.client.network, place.coordinators, place.threshold
        ).statement
        if won.worker != channel.other:
            raise PeerError(f"{won.task} was won by {won.worker}")
        task = await self.client.task(won.task)
        scope = {"type": "scope", "task": won.task, "claim": won.claim, "entry": proven.index}
        offered = await channel.say(scope | {"spec_sha256": task["spec_sha256"]})
        answer = await channel.hear()
        if answer.facts != {"type": "agreed", "scope": offered.body}:
            raise PeerError("the winner agreed to another scope")
        self.agreed[won.task] = answer
        await self.board.stir()
