"""A network for the patterns, as processes on this machine: a service, three coordinators of whom two must sign, and
agents in a few hosts.

Keys follow from the run's seed, so a run can be done again. Every process has a name, can be killed and started again;
what it said on stderr is in `logs/<name>.log`.
"""

from __future__ import annotations

import asyncio
import json
import re
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec

from trust.client import Accepted, AsyncTrustClient
from trust.client.agents import registration_bits
from trust.client.statements import Speaker, did_of_seed, find_nonce
from trust.core.payloads import AgentRegister, RelayRegister, StakeDeposit, VerifierEnroll
from trust.relay.running import PATIENT
from trust.sandbox.crew import TASK_KIND, Place, seed_of
from trust.sandbox.demo_witnesses import Witnessing
from trust.sandbox.processes import CLI, Processes, ProcessFailed, free_ports
from trust.settings import read_seed, shipped, write_seed

HOST = "127.0.0.1"
NETWORK = "sandbox.localhost/main"
COORDINATORS = 3
THRESHOLD = 2
DEPOSIT_UNITS = 1_000_000
VERIFIER_STAKE_UNITS = 100_000
READY_S = 60.0
AT_ONCE = 400
WINDOWS = {
    "lease_ms": 15_000,
    "draw_ms": 20_000,
    "open_ms": 6_000,
    "commit_ms": 6_000,
    "reveal_ms": 4_000,
    "challenge_ms": 300,
    "evidence_ms": 500,
    "epoch_ms": 300,
    "no_reveal_jail_ms": 2_000,
    "liveness_jail_ms": 1_000,
    "pow_bits": 0,
}
"""Short enough that a panel whose members were killed is over in seconds."""

Facts = dict[str, Any]


@dataclass(slots=True)
class World:
    """Everything that runs for one run in `data`; `names` are the agents, `requesters` those who only post."""

    data: Path
    seed: int
    names: list[str]
    requesters: list[str]
    hosts: int = 2
    processes: Processes = field(init=False)
    place: Place = field(init=False)
    ports: dict[str, int] = field(default_factory=dict)
    running: dict[str, Process] = field(default_factory=dict)
    witnessing: Witnessing | None = None

    def __post_init__(self) -> None:
        self.data = self.data.resolve()
        (self.data / "logs").mkdir(parents=True, exist_ok=True)
        self.processes = Processes(self.data, self.data / "logs")
        labels = ["service", *(f"coordinator-{n}" for n in range(COORDINATORS))]
        self.ports = dict(zip(labels, free_ports(len(labels)), strict=True))

    # -- making it

    async def make(self) -> None:
        """Makes the network, starts the service and the coordinators, and registers everybody."""
        if self.witnessing:
            await self.witnessing.init()
        vkey = await self._init()
        if self.witnessing:
            await self.witnessing.serve(vkey)
        await self.start("service")
        await self._ready("service")
        coordinators = [self.key(f"coordinator-{n}") for n in range(COORDINATORS)]
        dids = tuple(map(did_of_seed, coordinators))
        urls = tuple(f"ws://{HOST}:{self.ports[f'coordinator-{n}']}" for n in range(COORDINATORS))
        self.place = Place(self.url("service"), vkey, "", urls, dids, THRESHOLD)
        relay = await self._found(coordinators)
        self.place = msgspec.structs.replace(self.place, relay=relay)
        for number in range(COORDINATORS):
            await self.start(f"coordinator-{number}")
        await asyncio.gather(*(self._ready(f"coordinator-{n}") for n in range(COORDINATORS)))

    def key(self, name: str) -> bytes:
        """The seed of a party's key, which lies in `keys/` too."""
        path = self.data / "keys" / f"{name}.key"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            write_seed(path, seed_of(self.seed, name))
        return seed_of(self.seed, name)

    def url(self, name: str) -> str:
        """Where a process answers over HTTP."""
        return f"http://{HOST}:{self.ports[name]}"

    async def _init(self) -> str:
        policy = self.data / "policy.toml"
        policy.write_text(policy_text(), encoding="utf-8")
        chosen = ("--network", NETWORK, "--policy", str(policy), "--data", str(self.data), "--json")
        witnesses = ("--witnesses", str(self.witnessing.policy)) if self.witnessing else ()
        code, output = await self.processes.finish("init", *CLI, "init", *chosen, *witnesses)
        if code:
            raise ProcessFailed(f"trust init ended with {code}: {self.processes.last_words('init')}")
        return str(json.loads(output)["vkey"])

    async def _found(self, coordinators: Sequence[bytes]) -> str:
        async with AsyncTrustClient(self.place.service, self.place.vkey, retry=PATIENT) as client:
            now, bits = client.now_ms(), registration_bits(await client.policy())
            treasury = Speaker(client.network, read_seed(self.data / "operator.key"))
            speakers = {
                name: Speaker(client.network, self.key(name)) for name in (*self.requesters, *self.names)
            }
            statements = [_deposit(treasury, "operator/bond", "bond", now)]
            for name, each in speakers.items():
                nonce = find_nonce(client.network, each.actor, bits)
                statements.append(
                    each.say(AgentRegister, now, handle=name, capabilities=(TASK_KIND,), pow=nonce)
                )
                statements.append(_deposit(treasury, each.actor, name, now))
            dids = tuple(map(did_of_seed, coordinators))
            group = {"name": "sandbox", "coordinators": dids, "threshold": THRESHOLD}
            statements.append(treasury.say(RelayRegister, now, cosigners=coordinators, **group))  # type: ignore[arg-type]
            statements += [
                speakers[name].say(
                    VerifierEnroll, now, task_kinds=(TASK_KIND,), stake_units=VERIFIER_STAKE_UNITS
                )
                for name in self.names
            ]
            relay = ""
            for at in range(0, len(statements), AT_ONCE):
                for result in await client.send_many(statements[at : at + AT_ONCE]):
                    if not isinstance(result, Accepted):
                        raise result
                    relay = result.created.get("relay", relay)
            return relay

    # -- processes

    async def start(self, name: str) -> None:
        """Starts a process of this name, again where it was killed."""
        kind, _, number = name.partition("-")
        command = {"service": self._service, "coordinator": self._coordinator, "host": self._host}[kind]
        self.running[name] = await self.processes.start(name, *command(int(number or 0)))

    def _service(self, _: int) -> tuple[str, ...]:
        return (*CLI, "serve", "--data", str(self.data), "--host", HOST, "--port", str(self.ports["service"]))

    def _coordinator(self, number: int) -> tuple[str, ...]:
        name = f"coordinator-{number}"
        self.key(name)
        where = ("--url", self._service_for(name), "--vkey", self.place.vkey, "--port", str(self.ports[name]))
        others = [
            f"{did}={self.url(f'coordinator-{n}')}"
            for n, did in enumerate(self.place.coordinators)
            if n != number
        ]
        cosigners = [word for other in others for word in ("--cosigner", other)]
        chosen = ("--coordinator", str(self.data / "keys" / f"{name}.key"), *cosigners)
        feed = ("--feed", str(self.data / "feeds" / name))
        return (*CLI, "relay", "serve", self.place.relay, *where, *chosen, *feed)

    def _service_for(self, name: str) -> str:
        """Where a process finds the service; a proxy may stand in between."""
        return self.proxied.get(name, self.url("service"))

    proxied: dict[str, str] = field(default_factory=dict)

    def _host(self, number: int) -> tuple[str, ...]:
        file = self.data / f"host-{number}.json"
        return ("-m", "trust.sandbox.host_process", str(file))

    def write_host(self, number: int, pattern: str, **more: Any) -> None:
        """Writes the configuration of one host: every `hosts`-th agent lives there."""
        names = self.names[number :: self.hosts]
        turned = self.place.urls[number % COORDINATORS :] + self.place.urls[: number % COORDINATORS]
        place = msgspec.structs.replace(
            self.place, service=self._service_for(f"host-{number}"), urls=self.relays.get(number, turned)
        )
        config = {"place": msgspec.to_builtins(place), "names": names, "seed": self.seed, "pattern": pattern}
        config |= {"data": str(self.data / "votes"), **more}
        (self.data / f"host-{number}.json").write_text(json.dumps(config), encoding="utf-8")

    relays: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def kill(self, name: str) -> None:
        """Kills a process with -9."""
        if name in self.running:
            self.processes.kill(self.running.pop(name))

    async def _ready(self, name: str) -> None:
        path = "/health/ready" if name == "service" else "/health"
        async with asyncio.timeout(READY_S), httpx.AsyncClient() as http:
            while True:
                with suppress(httpx.TransportError):
                    if (await http.get(self.url(name) + path)).status_code == 200:
                        return
                if (process := self.running.get(name)) is not None and process.returncode is not None:
                    raise ProcessFailed(f"{name} ended: {self.processes.last_words(name)}")
                await asyncio.sleep(0.05)

    async def ready(self, name: str) -> None:
        """Waits until a process answers."""
        await self._ready(name)

    async def host(self, pattern: str, skews_ms: Sequence[int] = (), **more: Any) -> None:
        """Starts all hosts, and waits until their agents are at the relay; their clocks may be wrong."""
        for number in range(self.hosts):
            skew_ms = skews_ms[number % len(skews_ms)] if skews_ms else 0
            self.write_host(number, pattern, skew_ms=skew_ms, **more)
            await self.start(f"host-{number}")
        for number in range(self.hosts):
            stdout = self.running[f"host-{number}"].stdout
            assert stdout is not None
            async with asyncio.timeout(READY_S):
                line = await stdout.readline()
            if not line:
                words = self.processes.last_words(f"host-{number}")
                raise ProcessFailed(f"host-{number} does not start: {words}")

    async def leave(self) -> list[Facts]:
        """Stops the hosts; returns what their agents have done."""
        done: list[Facts] = []
        for name in [name for name in self.running if name.startswith("host-")]:
            process = self.running.pop(name)
            with suppress(ProcessLookupError):
                process.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(15):
                    output, _ = await process.communicate()
                    lines = [line for line in output.decode().splitlines() if line.startswith("{")]
                    done += [json.loads(line) for line in lines[-1:]]
        return done


def _deposit(treasury: Speaker, account: str, name: str, now: int) -> bytes:
    return treasury.say(
        StakeDeposit, now, account=account, amount_units=DEPOSIT_UNITS, reference=f"sandbox-{name}"
    )


def policy_text(windows: Mapping[str, int] = WINDOWS) -> str:
    """The sandbox policy with short windows."""
    text = (shipped("policies") / "sandbox.toml").read_text(encoding="utf-8")
    for name, value in windows.items():
        text, count = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
        if not count:
            raise ProcessFailed(f"the sandbox policy has no {name}")
    return text
