"""Five steps for each task: it is posted, offered, claimed; winner and requester agree on the scope alone, on a sealed
and signed connection; the output is delivered, and the requester hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from websockets.exceptions import WebSocketException

from trust.sandbox import workload
from trust.sandbox.crew import Hand
from trust.sandbox.patterns.driving import Driver, Facts
from trust.sandbox.peers import Channel, PeerError, calling, listen
from trust.sandbox.review import Source
from trust.verify.receipts import verify_confirmation

SCOPE_S = 3.0


class HybridHand(Hand):
    """Agrees on the scope before it works."""

    async def agree(self, offer: Facts, won: Facts) -> None:
        """Calls the requester; where it cannot be reached, the specification on the log is scope enough."""
        contact = won["contact"] or offer["contact"]
        if not contact:
            return
        with suppress(OSError, TimeoutError, WebSocketException, PeerError):
            async with (
                asyncio.timeout(SCOPE_S),
                calling(contact, self.worker.me, offer["requester"]) as channel,
            ):
                await channel.say({"type": "won", "confirmation": won["confirmation"]})
                scope = await channel.hear()
                if scope.facts.get("spec_sha256") != offer["spec_sha256"]:
                    raise PeerError("a scope of another specification")
                await channel.say({"type": "agreed", "scope": scope.body})


class Hybrid(Driver):
    """Posts reviews, and answers whoever won one."""

    async def drive(self) -> Facts:
        self.agreed: dict[str, str] = {}
        sources = workload.library(self.size)
        server = await listen(self.me.me, self._converse, "127.0.0.1", 0)
        async with server:
            await self.leave()
            await self.join(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            for place, source in enumerate(self._endless(sources)):
                await self.post(f"hybrid-{place:04}", workload.review_spec(source))
                await asyncio.sleep(self.pause_s)
            await self.until_closed(self.posted)
        return {
            "scopes_agreed": len(self.agreed),
            "notified": len({each["body"]["task"] for each in self.notifications}),
        }

    pause_s = 0.0
    is_endless = False

    def _endless(self, sources: list[Source]) -> Iterator[Source]:
        """All of them, and again as long as it is to go on."""
        yield from sources
        while self.is_endless:
            yield from islice(sources, 1)
            sources = [*sources[1:], sources[0]]

    async def _converse(self, channel: Channel) -> None:
        """The caller must be whom the relay confirmed; says the scope, and keeps what was agreed."""
        greeting = (await channel.hear()).facts
        place = self.place
        confirmation = str(greeting.get("confirmation")).encode()
        won = verify_confirmation(
            confirmation, self.client.network, place.coordinators, place.threshold
        ).statement
        if won.worker != channel.other:
            raise PeerError(f"{won.task} was won by {won.worker}")
        task = await self.client.task(won.task)
        offered = await channel.say({"type": "scope", "task": won.task, "spec_sha256": task["spec_sha256"]})
        if (await channel.hear()).facts != {"type": "agreed", "scope": offered.body}:
            raise PeerError("the winner agreed to another scope")
        self.agreed[won.task] = channel.other
