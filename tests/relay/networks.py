"""A network with a real service and two relays: one of a single coordinator, one of three of whom two must sign."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import httpx

from tests.api.house import found, settings_for
from tests.api.processes import ROOT, Running, free_port
from tests.forking import MAIN, Forked
from tests.services.statements import ORIGIN, Party
from trust.client import Accepted, AsyncTrustClient, Retry
from trust.client.agents import registration_bits
from trust.client.statements import Speaker, did_of_seed, find_nonce
from trust.core.payloads import (
    AgentRegister,
    Artifact,
    ClaimRequest,
    OutputSubmit,
    RelayRegister,
    StakeDeposit,
    TaskPost,
    VerifierEnroll,
)
from trust.core.scoring import verifier_pool
from trust.relay.group import Line
from trust.relay.link import RelayLink
from trust.relay.server import Config, RelayServer
from trust.sandbox.board import Board

KIND = "summarise"
DEPOSIT_UNITS = 1_000_000
VERIFIERS = 12
"""Who are enrolled so that claims are possible; they never vote, and windows are longer than any test."""
Facts = dict[str, Any]
Make = Callable[[AsyncTrustClient, Config], RelayServer]


def _party(name: str) -> Speaker:
    return Speaker(ORIGIN, Party(name).seed)


@dataclass
class Network:
    """A running service; `solo` and `group` are its relays' ids."""

    running: Running
    vkey: str
    solo: str = ""
    group: str = ""
    agents: list[Speaker] = field(default_factory=lambda: [_party(f"agent {number}") for number in range(8)])
    verifiers: int = VERIFIERS
    requester: Speaker = field(default_factory=lambda: _party("requester"))
    alone: bytes = field(default_factory=lambda: Party("coordinator").seed)
    three: list[bytes] = field(default_factory=lambda: [Party(f"coordinator {n}").seed for n in range(3)])

    @property
    def url(self) -> str:
        """The service's address."""
        return self.running.base_url

    @asynccontextmanager
    async def client(self) -> AsyncIterator[AsyncTrustClient]:
        """A client of the service."""
        retry = Retry(first_ms=20, longest_ms=200, total_ms=20_000)
        async with AsyncTrustClient(self.url, self.vkey, retry=retry) as client:
            yield client

    async def settle(self) -> None:
        """Registers everybody, pays in, and registers both relays."""
        async with self.client() as client:
            now, bits = client.now_ms(), registration_bits(await client.policy())
            treasury = Speaker(ORIGIN, Party("operator").seed)
            said: list[bytes] = []
            for number, each in enumerate([self.requester, *self.agents]):
                nonce = find_nonce(ORIGIN, each.actor, bits)
                said.append(each.say(AgentRegister, now, capabilities=(KIND,), pow=nonce))
                said.append(_deposit(treasury, each.actor, f"agent-{number}", now))
            for number in range(self.verifiers):
                each = _party(f"verifier {number}")
                nonce = find_nonce(ORIGIN, each.actor, bits)
                said.append(each.say(AgentRegister, now, capabilities=(KIND,), pow=nonce))
                said.append(_deposit(treasury, each.actor, f"verifier-{number}", now))
                said.append(each.say(VerifierEnroll, now, task_kinds=(KIND,), stake_units=100_000))
            said.append(_deposit(treasury, "operator/bond", "bond", now))
            for seeds, threshold in (([self.alone], 1), (self.three, 2)):
                dids = tuple(map(did_of_seed, seeds))
                said.append(
                    treasury.say(
                        RelayRegister,
                        now,
                        cosigners=seeds,
                        name="relay",
                        coordinators=dids,
                        threshold=threshold,
                    )
                )
            results = await client.send_many(said)  # in their order, relays last
        failed = [each for each in results if not isinstance(each, Accepted)]
        assert not failed, failed
        self.solo, self.group = (each.created["relay"] for each in results[-2:] if isinstance(each, Accepted))
        await self._sealed()

    async def _sealed(self) -> None:
        """Waits until the pool of verifiers is sealed, without whom nobody may claim."""
        board = Board(self.url)
        following = asyncio.create_task(board.follow())
        async with asyncio.timeout(30):
            await board.until("pool.sealed", pool=verifier_pool(KIND), count=self.verifiers)
        following.cancel()

    # -- relays

    @asynccontextmanager
    async def relay(self, feed: Path | None = None, make: Make = RelayServer) -> AsyncIterator[Coordinator]:
        """The relay of one coordinator."""
        async with self.client() as client:
            server = make(client, Config((self.url,), self.solo, self.alone, {}, feed, port=0))
            async with server.serving() as up:
                yield Coordinator(server, up.sockets[0].getsockname()[1])

    @asynccontextmanager
    async def coordinators(self, *makes: Make | None) -> AsyncIterator[list[Coordinator]]:
        """The three of the group; None in place of one is a dead one."""
        chosen: list[Make | None] = list(makes) or [RelayServer] * 3
        ports = [free_port() for _ in chosen]
        dids = [did_of_seed(seed) for seed in self.three]
        addresses = {did: f"http://127.0.0.1:{port}" for did, port in zip(dids, ports, strict=True)}
        async with AsyncExitStack() as stack:
            up = []
            for seed, did, port, make in zip(self.three, dids, ports, chosen, strict=True):
                others = {each: address for each, address in addresses.items() if each != did}
                if make is not None:
                    client = await stack.enter_async_context(self.client())
                    server = make(client, Config((self.url,), self.group, seed, others, None, port=port))
                    await stack.enter_async_context(server.serving())
                    up.append(Coordinator(server, port))
            yield up

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[list[Coordinator]]:
        """The three of the group, whose lines to each other are up."""
        async with self.coordinators() as three:
            await lines_are_up(three)
            yield three

    # -- statements

    def task_post(self, task: str, relay: str = "", **fields: Any) -> bytes:
        """A task.post of the requester."""
        now = time.time_ns() // 1_000_000
        terms: Facts = {
            "task": task,
            "task_kind": KIND,
            "spec_sha256": sha256(task.encode()).hexdigest(),
            "price_units": 100,
            "deadline_ms": now + 600_000,
            "relay": relay or self.solo,
        }
        return self.requester.say(TaskPost, now, **{**terms, **fields})

    def claim_of(self, agent: Speaker, task: str, task_index: int, relay: str = "", **fields: Any) -> bytes:
        """A claim.request of an agent."""
        now = time.time_ns() // 1_000_000
        terms: Facts = {"stake_units": 200, "relay": relay or self.solo}
        return agent.say(ClaimRequest, now, task=task, task_index=task_index, **{**terms, **fields})

    def output_of(self, agent: Speaker, claim: str, data: bytes = b"done") -> bytes:
        """An output.submit of an agent; its artifact is not stored."""
        artifact = Artifact(name="answer", sha256=sha256(data).hexdigest(), size_bytes=len(data))
        return agent.say(OutputSubmit, time.time_ns() // 1_000_000, claim=claim, artifacts=(artifact,))


def _deposit(treasury: Speaker, account: str, reference: str, now: int) -> bytes:
    return treasury.say(StakeDeposit, now, account=account, amount_units=DEPOSIT_UNITS, reference=reference)


@dataclass
class Coordinator:
    """A coordinator that serves."""

    server: RelayServer
    port: int

    @property
    def url(self) -> str:
        """Where agents connect."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def http(self) -> str:
        """Where anybody asks."""
        return f"http://127.0.0.1:{self.port}"

    async def get(self, path: str) -> Any:
        """The JSON at a path."""
        async with httpx.AsyncClient() as http:
            answer = await http.get(self.http + path)
        assert answer.status_code == 200, answer.text
        return answer.json()


class Agent:
    """One end of a link, and what it was told unasked."""

    def __init__(self, me: Speaker) -> None:
        self.me = me
        self.heard: asyncio.Queue[Facts] = asyncio.Queue()
        self.all: list[Facts] = []

    async def _hear(self, message: Facts) -> None:
        self.all.append(message)
        await self.heard.put(message)

    async def join(self, *at: Coordinator, kinds: tuple[str, ...] = (KIND,), contact: str = "") -> Agent:
        """Connects and subscribes."""
        self.link = await RelayLink.open([each.url for each in at], self.me, self._hear, contact)
        if kinds:
            self.open = await self.link.subscribe(kinds)
        return self

    async def hears(self, kind: str, **members: Any) -> Facts:
        """The next message of a kind with these members; others are passed over."""
        async with asyncio.timeout(30):
            while True:
                message = await self.heard.get()
                if message["type"] == kind and all(
                    message.get(name) == each for name, each in members.items()
                ):
                    return message

    async def hears_event(self, kind: str, **members: Any) -> Facts:
        """The next event of the log of this kind."""
        while True:
            for event in (await self.hears("event"))["events"]:
                if event["kind"] == kind and all(event.get(name) == each for name, each in members.items()):
                    return dict(event)


async def lines_are_up(coordinators: Sequence[Coordinator]) -> None:
    """Waits until each of these coordinators is connected with each other one."""
    await asyncio.gather(
        *(line_is_up(line) for each in coordinators for line in each.server.group._lines.values())
    )


async def line_is_up(line: Line) -> None:
    async with asyncio.timeout(10):
        await line._made.wait()
        assert line._link is not None
        await line._link.up.wait()


@asynccontextmanager
async def agents(*joined: Awaitable[Agent]) -> AsyncIterator[list[Agent]]:
    """Agents that are here; they hang up in the end."""
    here = [await each for each in joined]
    try:
        yield here
    finally:
        for each in here:
            await each.link.close()


@contextmanager
def standing(network: Network) -> Iterator[Coordinator]:
    """The relay of one coordinator on a thread of its own: several tests, each with a loop of its own, speak to it."""
    loop, ready = asyncio.new_event_loop(), Queue[Coordinator | BaseException]()
    over = asyncio.Event()

    async def serve() -> None:
        try:
            async with network.relay() as relay:
                ready.put(relay)
                await over.wait()
        except BaseException as error:
            ready.put(error)
            raise

    thread = Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    up = ready.get(timeout=60)
    if isinstance(up, BaseException):
        raise up
    try:
        yield up
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(timeout=30)
        loop.close()


def named(prefix: str = "task") -> str:
    """The name of a task that no other test has."""
    return f"{prefix}-{secrets.token_hex(6)}"


@contextmanager
def network(directory: Path, agents: int = 8, verifiers: int = VERIFIERS, **policy: int) -> Iterator[Network]:
    """A service in a process of its own, with everybody registered."""
    url = f"sqlite:///{directory / 'trust.db'}"
    vkey = found(settings_for(directory, url), ORIGIN, **policy)
    running = Running(directory, url, free_port(), {})
    try:
        running.wait()
        made = Network(
            running, vkey, agents=[_party(f"agent {number}") for number in range(agents)], verifiers=verifiers
        )
        asyncio.run(made.settle())
        yield made
    finally:
        if running.process.poll() is None:
            running.kill()


class RelayProcess:
    """A coordinator as a process, as its operator starts it."""

    def __init__(
        self, directory: Path, network: Network, seed: bytes, relay: str, port: int, *more: str
    ) -> None:
        key = directory / f"{did_of_seed(seed)[-8:]}.key"
        if not key.exists():
            key.write_text(seed.hex() + "\n", encoding="ascii")
            key.chmod(0o600)
        self.port = port
        self.url = f"ws://127.0.0.1:{port}"
        self.http = f"http://127.0.0.1:{port}"
        where = ("--url", network.url, "--vkey", network.vkey, "--port", str(port))
        command = ("relay", "serve", relay, "--coordinator", str(key), *where, *more)
        self.process = Forked(MAIN, command, ROOT)

    def wait(self, timeout_s: float = 30) -> RelayProcess:
        """Returns once it serves."""
        end = time.monotonic() + timeout_s
        while True:
            try:
                if httpx.get(f"{self.http}/health").status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, "the relay ended"
            assert time.monotonic() < end, "the relay did not start"
            time.sleep(0.05)

    def kill(self) -> None:
        """As a power cut does."""
        self.process.kill()
        self.process.wait()


def run(test: Callable[[], Awaitable[None]], patience_s: float = 120) -> None:
    """Runs a test on an event loop, and not for ever."""

    async def bounded() -> None:
        async with asyncio.timeout(patience_s):
            await test()

    asyncio.run(bounded())
