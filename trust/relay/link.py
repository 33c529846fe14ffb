"""An agent's end of a connection to its relay: what `docs/relay.md` says, on the agent's side.

A link that breaks is made again, at the same coordinator or the next one of its addresses, and what the log had to say
meanwhile is fetched from `GET /events`. Questions that were not answered raise `Unreachable`: asking again is safe.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from trust.client.problems import ServiceError, Unreachable
from trust.client.statements import Speaker
from trust.core import strict
from trust.core.identity import did_of
from trust.errors import ClientError
from trust.log import ed25519
from trust.relay.messages import MAX_MESSAGE_BYTES, encode, hello_bytes

PATIENCE_S = 20.0
AGAIN_S = 0.1
HELLO_S = 5.0
FRAME = frozenset({"type", "id", "about"})
"""Members of a refusal that belong to the question, not to the problem: it may be passed on in answer to another."""

Facts = dict[str, Any]
OnMessage = Callable[[Facts], Awaitable[None]]


class RelayLink:
    """One agent's connection to one relay. `on_message` is called with every message that answers no question of
    it."""

    def __init__(
        self,
        urls: Sequence[str],
        me: Speaker,
        on_message: OnMessage,
        contact: str,
        coordinators: Collection[str],
    ) -> None:
        self._urls = list(urls)
        self._me = me
        self._on_message = on_message
        self._contact = contact
        self._coordinators = frozenset(coordinators)
        self._asked: dict[str, asyncio.Future[Facts]] = {}
        self._ids = count(1)
        self._kinds: tuple[str, ...] = ()
        self.up = asyncio.Event()
        self._wire: ClientConnection | None = None
        self._living: asyncio.Task[None] | None = None
        self.relay = ""

    @classmethod
    async def open(
        cls,
        url: str | Sequence[str],
        me: Speaker,
        on_message: OnMessage,
        contact: str = "",
        coordinators: Collection[str] = (),
    ) -> Self:
        """Connects, waiting for a relay that is not up yet, and proves who is speaking.

        Several addresses are of coordinators of one relay: where one does not answer, the next is tried. Where
        `coordinators` are given, nobody else is spoken to.
        """
        link = cls([url] if isinstance(url, str) else url, me, on_message, contact, coordinators)
        link._wire = await link._reached()
        link.up.set()
        link._living = asyncio.create_task(link._live())
        return link

    @property
    def is_up(self) -> bool:
        """True while the line is connected."""
        return self.up.is_set()

    @property
    def url(self) -> str:
        """The coordinator that the link is connected to, or tries first."""
        return self._urls[0]

    async def subscribe(self, kinds: Sequence[str]) -> list[Facts]:
        """Subscribes to offers of tasks of these kinds; returns those that are open to all already."""
        self._kinds = tuple(kinds)
        answer = await self.ask("subscribe", kinds=list(kinds))
        return list(answer["tasks"])

    async def post(self, envelopes: Sequence[bytes], allocate: Facts | None = None) -> list[Facts]:
        """Has `task.post`s brought to the service; returns one result each. A single one that is refused raises."""
        more = {"allocate": allocate} if allocate else {}
        return await self._results("post", envelopes, more)

    async def claim(self, envelope: bytes) -> Facts:
        """Has a `claim.request` brought to the service; returns the relay's confirmation, or raises the refusal."""
        return await self.ask("claim", envelope=json.loads(envelope))

    async def draw_squad(self, squad: str, exclusive_ms: int) -> Facts:
        """Asks for the draw of who joins a squad of one's own; who did, the squad's document says."""
        return await self.ask("draw", squad=squad, exclusive_ms=exclusive_ms)

    async def deliver(self, envelopes: Sequence[bytes]) -> list[Facts]:
        """Has outputs, openings and renewals brought to the service; returns one result each, as `post`."""
        return await self._results("deliver", envelopes, {})

    async def notify(self, to: str, body: Any) -> None:
        """Sends a message to another party that is connected to the same coordinator."""
        await self.ask("notify", to=to, body=body)

    async def introduce(self, to: str) -> str:
        """Has another party given this one's contact; returns where that party may be called, "" where it cannot."""
        return str((await self.ask("introduce", to=to))["contact"])

    async def peers(self, task_kind: str) -> list[Facts]:
        """Returns the connected agents that take work of a kind."""
        return list((await self.ask("peers", task_kind=task_kind))["peers"])

    async def close(self) -> None:
        """Closes the connection."""
        if self._living is not None:
            self._living.cancel()
            await asyncio.gather(self._living, return_exceptions=True)
        if self._wire is not None:
            await self._wire.close()
        self._give_up("the link is closed")

    async def ask(self, kind: str, **fields: Any) -> Facts:
        """Returns the answer to a question. Raises the refusal, or `Unreachable` where the line broke before it
        came."""
        number = str(next(self._ids))
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.up.wait()
                assert self._wire is not None
                await self._wire.send(encode({"type": kind, "id": number, **fields}), text=True)
                facts: Facts = await answer
                return facts
        except (ConnectionClosed, TimeoutError) as error:
            raise Unreachable(f"no answer from {self.url}: {type(error).__name__}") from error
        finally:
            self._asked.pop(number, None)

    async def _results(self, kind: str, envelopes: Sequence[bytes], more: Facts) -> list[Facts]:
        answer = await self.ask(kind, envelopes=[json.loads(each) for each in envelopes], **more)
        results = list(answer["results"])
        if len(results) == 1 and results[0]["status"] >= 400:
            raise ServiceError.of(results[0]["status"], results[0])
        return results

    # -- the line

    async def _live(self) -> None:
        """Reads messages, and reconnects for ever where the line breaks."""
        while True:
            with suppress(ConnectionClosed):
                assert self._wire is not None
                async for frame in self._wire:
                    await self._take(_facts(frame))
            self.up.clear()
            self._give_up(f"the line to {self.url} broke")
            self._urls.append(self._urls.pop(0))
            self._wire = await self._reached(patience_s=None)
            self.up.set()
            if self._kinds:
                await self._wire.send(
                    encode({"type": "subscribe", "id": "again", "kinds": self._kinds}), text=True
                )
            await self._on_message({"type": "reconnected", "url": self.url})

    async def _take(self, message: Facts) -> None:
        """Resolves the question that a message answers, or passes it to `on_message`."""
        answer = self._asked.pop(message.get("id", ""), None)
        if answer is not None and not answer.done():
            if message.get("type") == "refused":
                problem = {name: each for name, each in message.items() if name not in FRAME}
                answer.set_exception(ServiceError.of(message.get("status", 0), problem))
            else:
                answer.set_result(message)
        elif message.get("id") == "again":
            for task in message.get("tasks", ()):
                await self._on_message({"type": "offer", **task})
        elif answer is None and "type" in message:
            await self._on_message(message)

    def _give_up(self, why: str) -> None:
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(Unreachable(why))
        self._asked.clear()

    async def _reached(self, patience_s: float | None = PATIENCE_S) -> ClientConnection:
        """Returns a connection that has said hello, at the first of the addresses that accepts one."""
        async with asyncio.timeout(patience_s):
            while True:
                wire = None
                try:
                    wire = await connect(self.url, max_size=4 * MAX_MESSAGE_BYTES, open_timeout=HELLO_S)
                    async with asyncio.timeout(HELLO_S):
                        await self._greet(wire)
                    return wire
                except (
                    OSError, TimeoutError, InvalidHandshake, InvalidMessage, ConnectionClosed, ClientError
                ) as error:  # fmt: skip
                    if wire is not None:
                        await wire.close()
                    if isinstance(error, ClientError) and patience_s is not None:
                        raise
                    self._urls.append(self._urls.pop(0))
                    await asyncio.sleep(AGAIN_S)

    async def _greet(self, wire: ClientConnection) -> None:
        challenge = _facts(await wire.recv())
        coordinator, relay, nonce = (str(challenge.get(name)) for name in ("coordinator", "relay", "nonce"))
        if challenge.get("network") != self._me.network:
            raise ClientError("foreign-network", f"a relay of {challenge.get('network')}")
        if self._coordinators and coordinator not in self._coordinators:
            raise ClientError("not-coordinator", f"{coordinator} is no coordinator of this relay")
        signed_bytes = hello_bytes(self._me.network, relay, coordinator, nonce)
        hello = {
            "type": "hello",
            "did": self._me.actor,
            "signature": strict.base64_of(ed25519.sign(self._me.seed, signed_bytes)),
            "contact": self._contact,
        }
        key = did_of(ed25519.public_key(self._me.seed))
        await wire.send(json.dumps(hello | ({"key": key} if key != self._me.actor else {})))
        self.relay = relay
        await wire.recv()  # the welcome


def _facts(frame: str | bytes) -> Facts:
    """Returns a frame as a message; {} where it is none."""
    try:
        value = json.loads(frame)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
