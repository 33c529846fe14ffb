"""Coordinators that do not play fair, on demand: what one of three can do, and what it cannot.

`python -m trust.sandbox.adversaries CONFIG` runs one, as `trust relay serve` runs an honest one.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from trust.client import AsyncTrustClient
from trust.client.statements import Speaker
from trust.core.envelope import Envelope
from trust.core.payloads import RelayConfirm, TaskAllocate
from trust.errors import ClientError
from trust.log.ed25519 import PrivateKey
from trust.relay import running
from trust.relay.deciding import Desk
from trust.relay.messages import Allocate
from trust.relay.server import Config, RelayServer
from trust.settings import read_seed

Facts = dict[str, Any]


class MaliciousDesk(Desk):
    """A desk that favours `friend` and works against `victim`; `papers` are the false ones that it signed."""

    friend = ""
    victim = ""
    seed: PrivateKey = b""
    papers: list[bytes]

    @classmethod
    def of(cls, desk: Desk, seed: PrivateKey, friend: str, victim: str) -> MaliciousDesk:
        """This desk in place of an honest one."""
        made = cls(desk._client, desk._relay, desk._mirror, desk._feed)
        made.seed, made.friend, made.victim, made.papers = seed, friend, victim, []
        return made

    def _sign(self, kind: type[Any], **fields: Any) -> bytes:
        speaker = Speaker(self._client.network, self.seed)
        signed = speaker.say(kind, self._client.now_ms(), **fields)
        self.papers.append(signed)
        return signed


class Favours(MaliciousDesk):
    """Names its friend as the only candidate of each draw, and tells everybody else that they lost."""

    async def claim(self, signed: Envelope, did: str = "", task: str = "") -> Facts:
        spoken = self._spoken(signed)
        if spoken.payload.actor != self.friend:
            name = str(getattr(spoken.payload, "task", ""))
            lie = ClientError("task-closed", f"{name} is closed", status=410)
            self._refused(spoken, name, lie)
            raise lie
        return await super().claim(signed, did, task)

    async def _allocate(self, task: str, asked: Allocate, squad: str | None = None) -> Facts:
        return await super()._allocate(task, Allocate(1, asked.exclusive_ms, (self.friend,)), squad)


class Censors(MaliciousDesk):
    """Lets one agent's claims come to nothing, and says nothing of it."""

    async def claim(self, signed: Envelope, did: str = "", task: str = "") -> Facts:
        if self._spoken(signed).payload.actor == self.victim:
            raise ClientError("overloaded", "try again later", status=503)
        return await super().claim(signed, did, task)


class Drops(MaliciousDesk):
    """Takes results, says that they are on the log, and throws them away."""

    async def deliver(self, signed: Sequence[Envelope], did: str) -> list[Facts]:
        del did
        results = []
        for each in signed:
            spoken = self._spoken(each)
            index = self._mirror.size - 1
            about = str(getattr(spoken.payload, "claim", ""))
            self._decide("forwarded", what="output.submit", about=about, statement=spoken.id, index=index)
            receipt, _ = await self._client.receipt(index)
            shown = {"index": index, "entry": receipt.entry, "proof": receipt.proof}
            results.append({"status": 201, "index": index, "receipt": shown})
        return results


class Credits(MaliciousDesk):
    """Confirms its friend as the winner of what another won."""

    async def claim(self, signed: Envelope, did: str = "", task: str = "") -> Facts:
        won = await super().claim(signed, did, task)
        named = {"task": won["task"], "claim": won["claim"], "index": won["index"]}
        false = self._sign(RelayConfirm, worker=self.friend, **named)
        self._decide("confirmed", **named, worker=self.friend, statement="", signers=[])
        return won | {"worker": self.friend, "confirmation": false.decode()}


class ConfirmsTwice(MaliciousDesk):
    """Confirms whoever lost as well."""

    async def claim(self, signed: Envelope, did: str = "", task: str = "") -> Facts:
        try:
            return await super().claim(signed, did, task)
        except ClientError as error:
            if error.code != "already-claimed":
                raise
            actor = self._spoken(signed).payload.actor
            named = {"task": str(getattr(self._spoken(signed).payload, "task", ""))}
            named |= {"claim": error.extra["claim"]}  # type: ignore[dict-item]
            index = int(str(error.extra["index"]))
            false = self._sign(RelayConfirm, worker=actor, index=index, **named)
            self._decide("confirmed", **named, index=index, worker=actor, statement="", signers=[])
            return {**named, "index": index, "worker": actor, "confirmation": false.decode(), "requester": ""}


class AllocatesTwice(MaliciousDesk):
    """Asks for another draw of the same task: the first might not please."""

    async def _allocate(self, task: str, asked: Allocate, squad: str | None = None) -> Facts:
        first = await super()._allocate(task, asked, squad)
        statement = self._sign(
            TaskAllocate,
            task=task,
            relay=self._relay.relay,
            candidates=(),
            shortlist=asked.shortlist,
            exclusive_ms=asked.exclusive_ms,
        )
        try:
            own, others = self._relay._own, self._relay.cosigners
            await self._client.transport.run(others.gather(statement, own, self._relay.threshold))
            await self._client.send(statement)
        except ClientError as error:
            return first | {"again": error.code}
        return first | {"again": "accepted"}


KINDS: dict[str, type[MaliciousDesk]] = {
    "favours": Favours,
    "censors": Censors,
    "drops": Drops,
    "credits": Credits,
    "confirms-twice": ConfirmsTwice,
    "allocates-twice": AllocatesTwice,
}


def malicious(
    kind: str, friend: str = "", victim: str = ""
) -> Callable[[AsyncTrustClient, Config], RelayServer]:
    """Makes coordinators of a kind."""

    def make(client: AsyncTrustClient, config: Config) -> RelayServer:
        server = RelayServer(client, config)
        server.desk = KINDS[kind].of(server.desk, config.seed, friend, victim)
        return server

    return make


class Started(msgspec.Struct, frozen=True):
    """The configuration of a process, a JSON file. `key` is a seed file."""

    kind: str
    service: str
    vkey: str
    relay: str
    key: str
    port: int
    cosigners: dict[str, str] = {}
    friend: str = ""
    victim: str = ""
    feed: str = ""


def main(file: Path) -> None:
    """Runs one as a process."""
    chosen = msgspec.json.decode(file.read_bytes(), type=Started)
    running.configure_logging()
    running.make = malicious(chosen.kind, chosen.friend, chosen.victim)
    feed = Path(chosen.feed) if chosen.feed else None
    seed = read_seed(Path(chosen.key))
    config = Config((chosen.service,), chosen.relay, seed, chosen.cosigners, feed, port=chosen.port)
    asyncio.run(running.run(chosen.vkey, config))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
