"""The faults of a run, in an order and at moments that follow from its seed.

Each fault has a start and an end, and an expectation (`EXPECTED`). Of all of them: every task comes to its end, no
stake is stuck, the tables are what the log folds to, and the audit finds nothing. Slower, not broken.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from trust.client.statements import Speaker
from trust.core import strict
from trust.log import ed25519
from trust.relay.messages import hello_bytes
from trust.sandbox.board import Board
from trust.sandbox.demo_witnesses import Witnessing
from trust.sandbox.proxy import Proxy, Weather
from trust.sandbox.world import COORDINATORS, World

HOLD_S = 1.5
GAP_S = 0.5
STEP_S = 8.0
"""How long a fault waits for the step of a task at which it is to strike."""
DOWN_S = 60.0
"""How long the whole relay is away, while tasks go on being posted."""
FLOOD_FRAMES = 3_000
CUT = Weather(is_cut=True)
STEPS = {
    "post": "task.posted",
    "offer": "task.posted",
    "claim": "claim.opened",
    "scope": "claim.opened",
    "output": "output.submitted",
}
"""The five steps of a task, by the event of the log that comes with them; an offer and a scope follow theirs."""

Tell = Callable[[str, str], None]


@dataclass(slots=True)
class Faults:
    """Strikes the processes of a world; everything between them runs through proxies."""

    world: World
    board: Board
    chance: random.Random
    tell: Tell
    relays: list[Proxy] = field(default_factory=list)
    services: dict[str, Proxy] = field(default_factory=dict)
    witnesses: list[Proxy] = field(default_factory=list)
    struck: list[str] = field(default_factory=list)

    async def prepare_witnesses(self) -> None:
        """Gives the network witnesses, and puts a proxy before each; the network is made after that."""
        witnessing = self.world.witnessing = Witnessing(self.world.data, self.world.processes)
        for label, port in witnessing.ports.items():
            proxy = await self._listening(port)
            self.witnesses.append(proxy)
            witnessing.asked[label] = proxy.port

    async def prepare(self) -> None:
        """Puts a proxy before each coordinator, and one before the service for each coordinator and host."""
        for number in range(COORDINATORS):
            self.relays.append(await self._proxy(f"coordinator-{number}"))
        names = [f"coordinator-{n}" for n in range(COORDINATORS)]
        names += [f"host-{n}" for n in range(self.world.hosts)]
        for name in names:
            self.services[name] = await self._proxy("service")
            self.world.proxied[name] = f"http://127.0.0.1:{self.services[name].port}"
        urls = [f"ws://127.0.0.1:{proxy.port}" for proxy in self.relays]
        for number in range(self.world.hosts):
            turn = number % COORDINATORS
            self.world.relays[number] = (*urls[turn:], *urls[:turn])

    async def _proxy(self, name: str) -> Proxy:
        return await self._listening(self.world.ports[name])

    async def _listening(self, port: int) -> Proxy:
        proxy = Proxy(port, random.Random(self.chance.random()))
        await proxy.listen()
        return proxy

    def close(self) -> None:
        """Stops the proxies."""
        for proxy in (*self.relays, *self.services.values(), *self.witnesses):
            proxy.close()

    async def strike(self, names: list[str]) -> None:
        """One fault after the other, each healed before the next."""
        for name in names:
            kind, _, detail = name.partition(":")
            self.tell("fault", f"{name}: {EXPECTED[kind]}")
            await _KINDS[kind](self, detail)
            self.struck.append(name)
            await asyncio.sleep(GAP_S)

    # -- processes

    async def _killed(self, names: list[str], hold_s: float = HOLD_S) -> None:
        for name in names:
            self.world.kill(name)
        await asyncio.sleep(hold_s)
        for name in names:
            await self.world.start(name)
        for name in names:
            if not name.startswith("host-"):
                await self.world.ready(name)

    async def _agents(self, _: str) -> None:
        """A host with all its agents, in the middle of whatever they do."""
        await self._killed([f"host-{self.chance.randrange(self.world.hosts)}"])

    async def _coordinators(self, count: str) -> None:
        chosen = self.chance.sample(range(COORDINATORS), int(count))
        await self._killed([f"coordinator-{number}" for number in chosen], HOLD_S * int(count))

    async def _relay_down(self, _: str) -> None:
        await self._killed([f"coordinator-{number}" for number in range(COORDINATORS)], DOWN_S)

    async def _relay_at(self, step: str) -> None:
        """All coordinators at once, at a step of some task."""
        await self._at(step)
        await self._killed([f"coordinator-{number}" for number in range(COORDINATORS)], 0.2)

    async def _service_at(self, step: str) -> None:
        await self._at(step)
        await self._killed(["service"], 0.2)

    async def _at(self, step: str) -> None:
        kind = STEPS[step]
        before = len(self.board.all(kind))
        with suppress(TimeoutError):
            async with asyncio.timeout(STEP_S):
                await self.board.until_found(lambda: len(self.board.all(kind)) > before or None)
        if step in ("offer", "scope"):
            await asyncio.sleep(self.chance.uniform(0.0, 0.1))

    # -- networks

    async def _weather(self, proxies: list[Proxy], weather: Weather) -> None:
        for proxy in proxies:
            proxy.change(weather)
        await asyncio.sleep(HOLD_S)
        for proxy in proxies:
            proxy.change(Weather())

    async def _agents_relay(self, kind: str) -> None:
        """Between agents and relay."""
        await self._weather(self.relays, WEATHERS[kind])

    async def _relay_service(self, kind: str) -> None:
        """Between coordinators and service."""
        proxies = [self.services[f"coordinator-{number}"] for number in range(COORDINATORS)]
        await self._weather(proxies, WEATHERS[kind])

    async def _agents_service(self, kind: str) -> None:
        proxies = [self.services[f"host-{number}"] for number in range(self.world.hosts)]
        await self._weather(proxies, WEATHERS[kind])

    async def _service_witnesses(self, kind: str) -> None:
        await self._weather(self.witnesses, WEATHERS[kind])

    async def _churn(self, _: str) -> None:
        """Connections end one after the other."""
        for _each in range(12):
            self.chance.choice(self.relays).cut_one()
            await asyncio.sleep(HOLD_S / 6)

    # -- others

    async def _flood(self, _: str) -> None:
        """A registered party sends more than it may: it is dropped, and nobody else notices."""
        place, seed = self.world.place, self.world.key("flora")
        me = Speaker(self.board_network, seed)
        url = f"ws://127.0.0.1:{self.world.ports['coordinator-0']}"
        with suppress(WebSocketException, OSError, TimeoutError):
            async with asyncio.timeout(4 * HOLD_S), connect(url) as wire:
                challenge = json.loads(await wire.recv())
                signed_bytes = hello_bytes(
                    me.network, place.relay, challenge["coordinator"], challenge["nonce"]
                )
                signature = strict.base64_of(ed25519.sign(seed, signed_bytes))
                await wire.send(json.dumps({"type": "hello", "did": me.actor, "signature": signature}))
                for number in range(FLOOD_FRAMES):
                    await wire.send(json.dumps({"type": "peers", "id": str(number), "task_kind": "none"}))

    @property
    def board_network(self) -> str:
        """The network's name: that of the log's key."""
        return self.world.place.vkey.partition("+")[0]

    async def _disk(self, _: str) -> None:
        """The service cannot write a byte to any file, as on a disk that is full."""
        process = self.world.running["service"]
        hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, hard))
        await asyncio.sleep(HOLD_S)
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        await asyncio.sleep(GAP_S)
        if process.returncode is not None:
            await self.world.start("service")
        await self.world.ready("service")


WEATHERS = {
    "cut": CUT,
    "hang": Weather(is_hanging=True),
    "delay": Weather(delay_s=0.15),
    "drip": Weather(drip_s=0.01),
    "doubled": Weather(doubled=200_000),
}
_KINDS: dict[str, Callable[[Faults, str], Awaitable[None]]] = {
    "agents": Faults._agents,
    "coordinators": Faults._coordinators,
    "relay-down": Faults._relay_down,
    "relay-at": Faults._relay_at,
    "service-at": Faults._service_at,
    "agents-relay": Faults._agents_relay,
    "relay-service": Faults._relay_service,
    "agents-service": Faults._agents_service,
    "service-witnesses": Faults._service_witnesses,
    "churn": Faults._churn,
    "flood": Faults._flood,
    "disk": Faults._disk,
}
EXPECTED = {
    "agents": "their claims lapse and are open to others; panels go on with alternates",
    "coordinators": "two of three sign on; with fewer nothing is confirmed until they are back",
    "relay-down": "what is posted meanwhile is offered once a coordinator is back",
    "relay-at": "the agents connect again and ask again; a statement counts once",
    "service-at": "what was acknowledged is there, the rest is sent again",
    "agents-relay": "agents connect again, and read what they missed",
    "relay-service": "coordinators confirm nothing that they have no receipt of",
    "agents-service": "outputs and votes are sent again",
    "service-witnesses": "draws wait for the quorum; nothing that it has not cosigned is shown as if it had",
    "churn": "connections are made again",
    "flood": "who floods is dropped, nobody else notices",
    "disk": "nothing is acknowledged that is not on disk",
}
"""What is to be seen of each kind, beside what is expected of all."""
EVERY = (
    "agents",
    "coordinators:1",
    "coordinators:2",
    "coordinators:3",
    "relay-down",
    *(f"relay-at:{step}" for step in STEPS),
    *(f"service-at:{step}" for step in STEPS),
    *(f"agents-relay:{kind}" for kind in WEATHERS),
    *(f"relay-service:{kind}" for kind in ("cut", "hang", "delay", "drip")),
    "agents-service:cut",
    "agents-service:delay",
    *(f"service-witnesses:{kind}" for kind in ("cut", "hang", "doubled")),
    "churn",
    "flood",
    "disk",
)


def chosen(text: str, chance: random.Random) -> list[str]:
    """The faults that a list names, or all, in an order by chance. ValueError where there is none of a name."""
    names = list(EVERY) if text == "all" else [name for name in text.split(",") if name]
    for name in names:
        if name not in EVERY:
            raise ValueError(f"there is no fault {name!r}: {', '.join(EVERY)}")
    if not hasattr(os, "geteuid"):
        names = [name for name in names if name != "disk"]
    chance.shuffle(names)
    return names
