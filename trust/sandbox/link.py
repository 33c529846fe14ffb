"""An agent's connection to its relay: what `relay.py` says on the other side."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from trust.client import ServiceError
from trust.client.statements import Speaker
from trust.core import strict
from trust.log import ed25519
from trust.sandbox.relay import MAX_MESSAGE_BYTES, hello_bytes

PATIENCE_S = 20.0
AGAIN_S = 0.1

Facts = dict[str, Any]


class RelayLink:
    """One agent at one relay. `told` is called with every message that answers no question of this agent's."""

    def __init__(self, wire: ClientConnection, me: Speaker, told: Callable[[Facts], Awaitable[None]]) -> None:
        self._wire = wire
        self._me = me
        self._told = told
        self._asked: dict[tuple[str, str], asyncio.Future[Facts]] = {}
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(
        cls, url: str, me: Speaker, told: Callable[[Facts], Awaitable[None]], contact: str = ""
    ) -> Self:
        """Connects, waiting for a relay that is not up yet, and proves who is speaking."""
        async with asyncio.timeout(PATIENCE_S):
            wire = await _reached(url)
        challenge: Facts = json.loads(await wire.recv())
        said = hello_bytes(me.network, challenge["relay"], challenge["nonce"])
        signature = strict.base64_of(ed25519.sign(me.seed, said))
        hello = {"type": "hello", "did": me.actor, "signature": signature, "contact": contact}
        await wire.send(json.dumps(hello))
        await wire.recv()
        return cls(wire, me, told)

    async def post(self, task: str, envelope: bytes, allocate: Facts | None = None) -> Facts:
        """Has a `task.post` brought to the service, and offered to all or to whom the draw gives first (`allocate`);
        raises what the service refused."""
        asked = {"allocate": allocate} if allocate else {}
        return await self._ask(("post", task), {"envelope": json.loads(envelope), **asked})

    async def claim(self, task: str, envelope: bytes) -> Facts:
        """Has a `claim.request` brought to the service: the relay's confirmation, or raises the refusal."""
        return await self._ask(("claim", task), {"envelope": json.loads(envelope)})

    async def offer(self, task: str) -> None:
        """Asks the relay to offer an open task again."""
        await self._send({"type": "offer", "task": task})

    async def notify(self, to: str, body: Facts) -> None:
        """A word to another party through the relay."""
        await self._send({"type": "notify", "to": to, "body": body})

    async def close(self) -> None:
        """Hangs up."""
        await self._wire.close()
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading

    async def _ask(self, about: tuple[str, str], message: Facts) -> Facts:
        answer = self._asked[about] = asyncio.get_running_loop().create_future()
        await self._send({"type": about[0], **message})
        told: Facts = await answer
        return told

    async def _send(self, message: Facts) -> None:
        await self._wire.send(json.dumps(message))

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for message in self._wire:
                await self._take(json.loads(message))

    async def _take(self, message: Facts) -> None:
        """Hands a message to whoever asked for it, or to `told`."""
        kind, task = message["type"], message.get("task", "")
        asked = {"posted": "post", "confirmed": "claim", "refused": message.get("about")}.get(kind)
        mine = kind != "confirmed" or message["worker"] == self._me.actor
        answer = self._asked.pop((asked, task), None) if asked and mine else None
        if answer is None:
            await self._told(message)
        elif kind == "refused":
            answer.set_exception(ServiceError.of(message["status"], message))
        else:
            answer.set_result(message)


async def _reached(url: str) -> ClientConnection:
    while True:
        try:
            return await connect(url, max_size=MAX_MESSAGE_BYTES)
        except OSError:
            await asyncio.sleep(AGAIN_S)
