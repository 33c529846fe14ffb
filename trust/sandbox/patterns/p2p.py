"""Agents among themselves: each has documents that need a review and is good at one sort. They find each other by the
relay's hints, agree on a direct, sealed and signed connection - "I take your long one if you take my short one" - and
post what they agreed as tasks for each other. Of the talk the relay sees nothing.

"Long" and "short" are by lines; agents with an even number are good at short ones.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import Any

from websockets.exceptions import WebSocketException

from trust.client import Requester
from trust.core.payloads import TaskPost
from trust.errors import TrustError
from trust.sandbox import workload
from trust.sandbox.crew import TASK_KIND, Hand
from trust.sandbox.patterns.driving import AGAIN_S, DEADLINE_MS, LEASE_MS, PRICE_UNITS, Driver, Facts
from trust.sandbox.peers import Channel, Message, PeerError, calling, listen
from trust.sandbox.review import Source

TALK_S = 5.0
SORTS = ("short", "long")


def sort_of(source: Source) -> str:
    """Returns whether a document is short or long."""
    return SORTS[source.text.count("\n") > 60]


class PeerHand(Hand):
    """Has `documents` documents of the sort that it is not good at, and looks for somebody who is."""

    async def join(self) -> None:
        self.skill = SORTS[int(self.name.rpartition("-")[2]) % 2]
        self.other = SORTS[1 - SORTS.index(self.skill)]
        self.requester = Requester(self.client, self.worker.me.seed)
        self.agreements: list[Message] = []
        self._open = await asyncio.to_thread(self._documents)
        self._talking = asyncio.Lock()
        self._server = await listen(self.worker.me, self._answer, "127.0.0.1", 0)
        self.contact = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        await super().join()
        self.start(self._seek())

    async def leave(self) -> None:
        self._server.close()
        await super().leave()

    def _documents(self) -> list[Source]:
        """Its documents: a few of the library, by its name, of the sort that it is not good at."""
        every = [source for source in workload.library(80) if sort_of(source) == self.other]
        return random.Random(self.name).sample(every, min(self.documents, len(every)))

    async def _seek(self) -> None:
        """Proposes to one peer after the other until it has found somebody for each of its documents."""
        chance = random.Random(f"{self.name}/peers")
        while self._open:
            await asyncio.sleep(AGAIN_S * (0.5 + chance.random()))
            with suppress(TrustError, PeerError, OSError, TimeoutError, WebSocketException):
                peers = [each for each in await self.link.peers(TASK_KIND) if each["did"] != self.did]
                if peers:
                    await self._propose(chance.choice(peers)["did"])

    async def _propose(self, peer: str) -> None:
        """Offers a document against one of the peer's; posts its own as a task for the peer where both agree."""
        if self._talking.locked():
            return
        contact = await self.link.introduce(peer)
        async with self._talking, asyncio.timeout(TALK_S), calling(contact, self.worker.me, peer) as channel:
            if not self._open:
                return
            mine = self._open[0]
            await channel.say(
                {"type": "propose", "sort": sort_of(mine), "file": mine.file, "good_at": self.skill}
            )
            answer = await channel.hear()
            if answer.facts.get("type") != "take":
                return
            await self._agreed(channel, mine, answer)
            if answer.facts.get("file"):
                await channel.say({"type": "take", "file": answer.facts["file"]})

    async def _answer(self, channel: Channel) -> None:
        """Takes a document of the sort that it is good at, and gives one of its own that the other is good at."""
        proposal = await channel.hear()
        terms = proposal.facts
        if terms.get("type") != "propose" or terms.get("sort") != self.skill or self._talking.locked():
            await channel.say({"type": "decline"})
            return
        async with self._talking, asyncio.timeout(TALK_S):
            mine = next((each for each in self._open if sort_of(each) == terms.get("good_at")), None)
            await channel.say({"type": "take", "file": mine.file if mine else ""})
            if mine is not None:
                answer = await channel.hear()
                if answer.facts.get("type") == "take" and answer.facts.get("file") == mine.file:
                    await self._agreed(channel, mine, answer)

    async def _agreed(self, channel: Channel, mine: Source, answer: Message) -> None:
        """Posts what was agreed: a task that names the other."""
        self.agreements.append(answer)
        self._open.remove(mine)
        digest = await self.requester.upload(workload.review_spec(mine))
        terms: dict[str, Any] = {
            "task": f"peer-{self.name}-{mine.file.removesuffix('.py').lower().strip('_')}",
            "task_kind": TASK_KIND,
            "spec_sha256": digest,
            "price_units": PRICE_UNITS,
            "deadline_ms": self.client.now_ms() + DEADLINE_MS,
            "lease_ms": LEASE_MS,
        }
        statement = self.requester.say(TaskPost, **terms, relay=self.place.relay, assignee=channel.other)
        try:
            await self.link.post([statement])
        except TrustError:
            await self.client.send(statement)


class PeerToPeer(Driver):
    """Nobody drives: waits until each agent's documents are reviewed by somebody who is good at them."""

    agents = 0

    async def drive(self) -> Facts:
        wanted = self.agents * self.size
        posted = await self.board.until_found(lambda: _enough(self.board.all("task.posted"), wanted))
        self.posted = [event["task"] for event in posted]
        await self.until_closed(self.posted)
        pairs = {(event["requester"], event["assignee"]) for event in posted}
        mutual = sum((other, one) in pairs for one, other in pairs)
        return {"agreements": len(posted), "pairs": len(pairs), "mutual": mutual}


def _enough(events: list[Facts], count: int) -> list[Facts] | None:
    return events if len(events) >= count else None
