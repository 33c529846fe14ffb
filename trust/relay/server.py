"""The relay server: its connections, their requests, and the messages to them.

Its state is only who is connected and what it has offered: everything that counts is on the service's log. Each answer
and each news goes through the agent's own bounded queue, so one that does not read holds up nobody.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import structlog
from websockets.asyncio.server import Server, ServerConnection
from websockets.exceptions import ConnectionClosed

from trust import clock
from trust.client import AsyncTrustClient, Relay, cosigning
from trust.client.statements import Speaker, did_of_seed
from trust.core import identity, strict
from trust.errors import ClientError, TrustError
from trust.log import ed25519
from trust.log.ed25519 import PrivateKey
from trust.relay import messages
from trust.relay.deciding import Desk, problem
from trust.relay.eligible import LOWERING
from trust.relay.feed import Feed, origin_of
from trust.relay.figures import Peak, a_task
from trust.relay.group import Group
from trust.relay.listening import MAX_CONNECTIONS, listen
from trust.relay.messages import Asked, Hello
from trust.relay.mirror import Entry, Mirror
from trust.relay.offering import PLACES, Offering
from trust.relay.rest import Rest
from trust.relay.session import MAX_WAITING, MESSAGES_PER_S, Session

HELLO_S = 5.0
MAX_UNPROVEN = 1_024
"""Connections whose agent has not proved who it is yet; more are turned away."""
MAX_PEERS = 100
TOLD = frozenset(
    {
        "claim.opened", "claim.renewed", "claim.ended", "output.submitted", "output.opened", "output.accepted",
        "round.opened", "seat.passed", "verdict.reached", "verdict.challenged", "task.reopened", "task.closed",
        "task.allocated", "stake.slashed", "party.jailed",
    }
)  # fmt: skip
"""Kinds of events that those whom they concern are told of."""

Facts = dict[str, Any]
Meeting = messages.Notify | messages.Introduce | messages.Peers
_log = structlog.get_logger("trust.relay")


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of one coordinator of relay `relay`: the service's addresses, its own key, the
    other coordinators' addresses by the DIDs of their keys, a directory for its feed, and the number of agents in
    the first wave of an offer."""

    services: tuple[str, ...]
    relay: str
    seed: PrivateKey = field(repr=False)
    cosigners: dict[str, str] = field(default_factory=dict)
    data: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8500
    places: int = PLACES


class RelayServer:
    """One coordinator of a relay. `serving` starts it."""

    def __init__(self, client: AsyncTrustClient, config: Config) -> None:
        self._client = client
        self._config = config
        self.did = did_of_seed(config.seed)
        self.here: dict[str, Session] = {}
        self.drops: Counter[str] = Counter()
        self._traffic: Counter[str] = Counter()
        self._unread = Peak(MAX_WAITING)
        self._since_ms = clock.now_ms()
        origin = origin_of(client.network, config.relay, config.seed)
        self.feed = Feed(origin, config.seed, config.data)
        self._http = httpx.AsyncClient()
        self.mirror = Mirror(self._http, config.services, config.relay, self._hear)
        me = Speaker(client.network, config.seed)
        self.group = Group(config.cosigners, me, client.exchanges, lambda: self.mirror.size)
        relay = Relay(client, config.relay, [config.seed], cosigners=self.group)
        self.desk = Desk(client, relay, self.mirror, self.feed)
        self.offering = Offering(self.mirror, self.here, self._rank, self.feed)
        self.offering.places = config.places
        self._rest = Rest(self)
        self._unproven = 0
        self._running: set[asyncio.Task[None]] = set()

    @property
    def network(self) -> str:
        """The network that the relay serves."""
        return self._client.network

    @property
    def relay(self) -> str:
        """The id of the relay."""
        return self._config.relay

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Server]:
        """Serves inside of the block, from the moment that the log has been read once."""
        background = [
            asyncio.create_task(self.mirror.follow()),
            asyncio.create_task(self.feed.publish()),
        ]
        try:
            await self.mirror.ready.wait()
            await self._read_terms()
            self.feed.decide("started", self.mirror.size)
            for work in list(self.mirror.tasks.values()):
                self._opened(work.task)
            async with (
                await listen(self._talk, self._rest.answer, self._config.host, self._config.port) as up,
                self.group.connected(),
            ):
                _log.info("serving", relay=self.relay, coordinator=self.did, feed=self.feed.vkey)
                yield up
        finally:
            self.offering.stop()
            for task in (*background, *self._running):
                task.cancel()
            await asyncio.gather(*background, *self._running, return_exceptions=True)
            await self._http.aclose()
            self.feed.close()

    async def _rank(self, kind: str, agents: Any) -> Facts:
        return await self._client.priorities(kind, agents)

    async def _read_terms(self) -> None:
        with suppress(TrustError):
            self.offering.terms.read(await self._client.policy())

    # -- what the log says

    def _hear(self, entry: Entry) -> None:
        """Offers tasks that have become open, and sends an entry to the connected parties that it concerns."""
        for event in entry.events:
            if event["kind"] in LOWERING:
                for party in entry.concerns:
                    self.desk.eligible.forget(party)
            task = str(event.get("task", ""))
            match event["kind"]:
                case "task.posted" | "task.reopened" | "task.allocated" | "allocation.failed":
                    self._opened(task)
                case "claim.opened":
                    self._taken(task, event, entry.index)
                case "task.closed":
                    self.desk.promises.over(task)
                    self.offering.over(task)
                case kind if kind.startswith("policy."):
                    self._start(self._read_terms())
        told_events = [event for event in entry.events if event["kind"] in TOLD]
        present = [self.here[did] for did in entry.concerns if did in self.here]
        if told_events and present:
            message = messages.encode(
                {"type": "event", "index": entry.index, "at_ms": entry.at_ms, "events": told_events}
            )
            for session in present:
                session.tell(message)

    def _opened(self, task: str) -> None:
        work = self.mirror.tasks.get(task)
        if work is not None and work.state == "open":
            self.desk.promises.over(task)
            self.offering.held.discard(task) if work.is_allocated else None
            self.offering.offer(task)

    def _taken(self, task: str, event: Facts, index: int) -> None:
        self.desk.promises.over(task)
        message = messages.encode(
            {
                "type": "taken",
                "task": task,
                "claim": event["claim"],
                "worker": event["worker"],
                "index": index,
            }
        )
        for session in self.offering.over(task):
            if session.did != event["worker"]:
                session.tell(message)

    # -- one agent

    async def _talk(self, connection: ServerConnection) -> None:
        """Serves one connection from hello to end."""
        if self._unproven >= MAX_UNPROVEN or len(self.here) >= MAX_CONNECTIONS:
            await connection.close(1013, "too many connections")
            return
        self._unproven += 1
        try:
            session = await self._welcome(connection)
        finally:
            self._unproven -= 1
        if session is None:
            return
        sending = asyncio.create_task(session.send())
        try:
            with suppress(ConnectionClosed):
                await self._listen(session, connection)
        finally:
            self._count(session)
            if self.here.get(session.did) is session:
                del self.here[session.did]
            sending.cancel()
            if session.dropped:
                self._note_drop(session.did, session.dropped)
                await session.gone()

    async def _listen(self, session: Session, connection: ServerConnection) -> None:
        """Handles a session's requests side by side, so that two claims race at the service, not here."""
        async for frame in connection:
            if not session.admits(frame):
                return
            await session.gate.acquire()
            self._start(self._answer(session, frame))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        running = asyncio.create_task(work)
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    def _count(self, session: Session) -> None:
        if not session.is_coordinator:
            for name in ("sent", "sent_bytes", "received", "received_bytes"):
                self._traffic[name] += getattr(session, name)

    @property
    def traffic(self) -> dict[str, int]:
        """Messages and bytes to and from agents since the start."""
        now = Counter(self._traffic)
        for session in (each for each in self.here.values() if not each.is_coordinator):
            for name in ("sent", "sent_bytes", "received", "received_bytes"):
                now[name] += getattr(session, name)
        return dict(now)

    def stats(self) -> Facts:
        """The figures since the start: tasks, traffic in all and per task, and the latest fill of the queues."""
        tasks = self.desk.tasks
        unread = max((session.waiting for session in self.here.values()), default=0)
        return {
            "network": self.network,
            "relay": self.relay,
            "coordinator": self.did,
            "since_ms": self._since_ms,
            "tasks": dict(tasks),
            "traffic": self.traffic,
            "a_task": a_task(self.traffic, tasks["claimed"]),
            "queues": {"requests": self.desk.queue, "unread_by_one_agent": self._unread.shown(unread)},
        }

    def _note_drop(self, did: str, code: str) -> None:
        self.drops[code] += 1
        if did:
            self.feed.decide("dropped", self.mirror.size, agent=did, code=code)

    async def _welcome(self, connection: ServerConnection) -> Session | None:
        """Returns the session of an agent that proves its identity; else closes the connection and returns None."""
        nonce = secrets.token_hex(32)
        challenge = {
            "type": "challenge",
            "network": self.network,
            "relay": self.relay,
            "coordinator": self.did,
        }
        try:
            async with asyncio.timeout(HELLO_S):
                await connection.send(messages.encode(challenge | {"nonce": nonce}), text=True)
                hello = messages.read_hello(await connection.recv())
                await self._check(hello, nonce)
        except (strict.Malformed, TrustError, identity.InvalidKey, TimeoutError, ConnectionClosed) as error:
            self.drops["no-hello"] += 1
            with suppress(ConnectionClosed):
                await connection.close(1008, f"no valid hello: {error}"[:120])
            return None
        is_coordinator = hello.did in self.mirror.group.coordinators
        session = Session(
            hello.did, connection, hello.contact, is_coordinator=is_coordinator, peak=self._unread
        )
        if before := self.here.get(hello.did):
            before.drop("replaced", "the same agent connected again")
        self.here[hello.did] = session
        session.tell(self._greeting(hello.did))
        return session

    async def _check(self, hello: Hello, nonce: str) -> None:
        key = hello.key or hello.did
        if key != hello.did and (await self._client.agent(hello.did)).get("key") != key:
            raise ClientError("bad-signature", "this is not the agent's key")
        signed_bytes = messages.hello_bytes(self.network, self.relay, self.did, nonce)
        if not ed25519.verify(identity.key_of(key), signed_bytes, strict.b64(hello.signature)):
            raise ClientError("bad-signature", "the signature over the challenge does not hold")

    def _greeting(self, did: str) -> Facts:
        return {
            "type": "welcome",
            "did": did,
            "size": self.mirror.size,
            "coordinators": self.mirror.group.coordinators,
            "threshold": self.mirror.group.threshold,
            "limits": {
                "message_bytes": messages.MAX_MESSAGE_BYTES,
                "waiting": MAX_WAITING,
                "messages_per_s": MESSAGES_PER_S,
            },
        }

    # -- what it asks

    async def _answer(self, session: Session, frame: str | bytes) -> None:
        asked_id, kind = "", ""
        try:
            request = messages.read(frame)
            asked_id, kind = request.id, str(type(request).__struct_config__.tag)
            session.tell({"type": "answer", "id": asked_id, **await self._act(session, request)})
        except strict.Malformed as error:
            session.is_malformed()
            refused = {"status": 400, "code": error.code, "detail": str(error)}
            session.tell({"type": "refused", "id": messages.id_of(frame), "about": kind, **refused})
        except TrustError as error:
            session.tell({"type": "refused", "id": asked_id, "about": kind, **problem(error)})
        except Exception as error:  # a bug: the agent hears of it, and nobody else suffers
            _log.error("a message failed", about=kind, exc_info=True)
            refused = {"status": 500, "code": "internal", "detail": type(error).__name__}
            session.tell({"type": "refused", "id": asked_id, "about": kind, **refused})
        finally:
            session.gate.release()

    async def _act(self, session: Session, request: Asked) -> Facts:
        match request:
            case messages.Claim():
                return await self._claim(session, request)
            case messages.Post():
                return await self._post(session, request)
            case messages.Draw():
                return await self.desk.draw_squad(request, session.did)
            case messages.Deliver():
                return {"results": await self.desk.deliver(request.envelopes, session.did)}
            case messages.Subscribe():
                session.kinds = frozenset(request.kinds)
                return {"tasks": self.offering.listed(request.kinds, session.did)}
            case messages.Notify() | messages.Introduce() | messages.Peers():
                return await self._reach(session, request)
            case messages.Cosign() | messages.Pass() if not session.is_coordinator:
                raise ClientError("not-coordinator", f"{session.did} is no coordinator", status=403)
            case messages.Cosign():
                asked = cosigning.Asked(request.statement, request.receipt)
                return await (self.desk.bring if request.bring else self.desk.cosign)(asked)
            case messages.Pass():
                return self._meet(request.sender, request.contact, request.asked)
        raise strict.Malformed("no such message")

    async def _reach(self, session: Session, request: Meeting) -> Facts:
        """Answers a request about parties that are connected here, or to another coordinator of the group."""
        of = session.did, session.contact
        if isinstance(request, messages.Peers):
            answers = [self._meet(*of, request), *await self.group.all_of(*of, request)]
            peers = {each["did"]: each for answer in reversed(answers) for each in answer["peers"]}
            return {"peers": list(peers.values())[:MAX_PEERS]}
        try:
            return self._meet(*of, request)
        except ClientError:
            answer = await self.group.find(*of, request)
            if answer is None:
                raise
            return {name: answer[name] for name in ("peer", "contact") if name in answer}

    def _meet(self, sender: str, contact: str, request: Meeting) -> Facts:
        """Answers a request about parties that are connected here; `ClientError` not-here."""
        match request:
            case messages.Notify():
                self._party(request.to).tell({"type": "notification", "from": sender, "body": request.body})
                return {}
            case messages.Introduce():
                other = self._party(request.to)
                other.tell({"type": "introduction", "peer": sender, "contact": contact})
                return {"peer": other.did, "contact": other.contact}
            case messages.Peers():
                return {"peers": self.peers(request.task_kind)}

    async def _claim(self, session: Session, request: messages.Claim) -> Facts:
        confirmed = await self.desk.claim(request.envelope, session.did)
        requester = self.here.get(confirmed["requester"])
        if requester is not None:
            requester.tell({"type": "confirmed", "contact": session.contact, **confirmed})
        return {**confirmed, "contact": requester.contact if requester else ""}

    async def _post(self, session: Session, request: messages.Post) -> Facts:
        """Brings tasks to the service. One that is to be allocated is not offered to others until it is allocated
        or cannot be."""
        names = [_task_of(each) for each in request.envelopes] if request.allocate else []
        self.offering.held.update(names)
        try:
            results, _ = await self.desk.post(request.envelopes, session.did, request.allocate)
        except BaseException:
            self._release(names)
            raise
        refused = [
            name
            for name, result in zip(names, results, strict=False)
            if result.get("allocation", {"status": 400})["status"] >= 300
        ]
        self._release(refused)
        return {"results": results}

    def _release(self, names: list[str]) -> None:
        for name in names:
            self.offering.held.discard(name)
            self._opened(name)

    def _party(self, did: str) -> Session:
        session = self.here.get(did)
        if session is None:
            raise ClientError("not-here", f"{did} is not connected to this coordinator", status=404)
        return session

    def peers(self, kind: str) -> list[Facts]:
        """Returns the agents here that take work of a kind, with their contacts."""
        present = (session for session in self.here.values() if kind in session.kinds)
        return [{"did": each.did, "contact": each.contact} for each in present][:MAX_PEERS]


def _task_of(signed: Any) -> str:
    """Returns the task that an envelope names; "" where it is malformed, which its proper reader reports."""
    try:
        return str(msgspec.json.decode(strict.b64(signed.payload), type=_Named).task)
    except (ValueError, msgspec.MsgspecError):
        return ""


class _Named(msgspec.Struct):
    task: str = ""
