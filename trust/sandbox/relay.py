"""The reference relay: one process that shows how a relay uses `trust`, small enough to read in one sitting.

It offers tasks to whoever is connected, or has the draw decide to whom first, and brings claims to the service; it
confirms nobody before `POST /v1/claims`
has let exactly one worker win, and then signs `relay.confirm` for the two parties.

WebSocket, JSON both ways. The relay sends `{"type": "challenge", "nonce", "relay", "network"}`; the agent proves its
DID with `{"type": "hello", "did", "signature", "contact"?}`, where `contact` is where its peers may call it. Then:

| from the agent                                | comes of it                                                         |
|-----------------------------------------------|---------------------------------------------------------------------|
| `{"type": "post", "envelope"}` (task.post)    | `posted` to it, `task` to all                                       |
| the same with `"allocate"`                    | `posted` to it, `task` to those whom the draw gave, later to all    |
| `{"type": "offer", "task"}`                   | `task` to all, where the service says that it is open (again)       |
| `{"type": "claim", "envelope"}`               | `confirmed` to worker and requester, or `refused` to the worker     |
| `{"type": "notify", "to", "body"}`            | `notification` to that party, with who sent it                      |

`allocate` is `{"candidates"?, "shortlist", "exclusive_ms"}`.

Whatever fails comes back as `{"type": "refused", "about", "code", "detail"}`. REST, for reading: `/` (who this relay
is), `/tasks`, `/tasks/<id>`, `/health`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from trust.client import AsyncTrustClient, ClientError, Relay, Retry
from trust.client.exchanges import Accepted
from trust.client.statements import did_of_seed, opened
from trust.core import identity, strict
from trust.core.payloads import ClaimRequest, TaskPost
from trust.errors import TrustError
from trust.log import ed25519
from trust.settings import read_seed

HELLO_CONTEXT = "trust/relay-hello/v1"
MAX_MESSAGE_BYTES = 256 * 1024
HELLO_TIMEOUT_S = 10.0
MOMENT_S = 0.002
"""A posting is in a checkpoint once the log's time has moved on, and that is counted in milliseconds."""
LOOK_S = 0.05
PATIENT = Retry(first_ms=50, longest_ms=400, total_ms=60_000)
"""A service that is started again is back within seconds: ask often, give up late."""

Facts = dict[str, Any]


class RelayConfig(msgspec.Struct, frozen=True):
    """What a relay's process is started with: a JSON file. `keys` are the seed files of its coordinators."""

    service: str
    vkey: str
    relay: str
    threshold: int
    keys: tuple[str, ...]
    host: str
    port: int


def hello_bytes(network: str, relay: str, nonce: str) -> bytes:
    """What an agent signs to show a relay who it is."""
    return f"{HELLO_CONTEXT}\n{network}\n{relay}\n{nonce}\n".encode()


class RelayServer:
    """The relay's state is only who is connected and what it has offered: everything that counts is on the log."""

    def __init__(self, client: AsyncTrustClient, relay: str, threshold: int, seeds: list[bytes]) -> None:
        self._client = client
        self._relay = Relay(client, relay, seeds)
        self._about = {
            "network": client.network,
            "relay": relay,
            "coordinators": [did_of_seed(seed) for seed in seeds],
            "threshold": threshold,
        }
        self._here: dict[str, ServerConnection] = {}
        self._contacts: dict[str, str] = {}
        self._tasks: dict[str, Facts] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._acts: dict[str, Callable[[str, Facts], Awaitable[None]]] = {
            "post": self._post,
            "offer": self._offer,
            "claim": self._claim,
            "notify": self._notify,
        }

    async def listen(self, host: str, port: int) -> Server:
        """Starts serving."""
        return await serve(self._serve, host, port, process_request=self._rest, max_size=MAX_MESSAGE_BYTES)

    # -- REST

    def _rest(self, _: ServerConnection, request: Request) -> Response | None:
        """Answers a plain read; None lets a WebSocket through."""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return None
        found = self._read(request.path)
        status, reason = (404, "Not Found") if found is None else (200, "OK")
        body = json.dumps({"code": "unknown-path"} if found is None else found).encode() + b"\n"
        headers = Headers(
            {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
        )
        return Response(status, reason, headers, body)

    def _read(self, path: str) -> Facts | None:
        match path.split("/")[1:]:
            case [""]:
                return self._about | {"connected": len(self._here)}
            case ["health"]:
                return {"status": "ok"}
            case ["tasks"]:
                return {"tasks": list(self._tasks.values())}
            case ["tasks", task]:
                return self._tasks.get(task)
        return None

    # -- WebSocket

    async def _serve(self, connection: ServerConnection) -> None:
        """One agent's connection; its requests run side by side, so that two claims race at the service, not here."""
        did = await self._welcome(connection)
        if did is None:
            await connection.close(1008, "no valid hello")
            return
        self._here[did] = connection
        try:
            with suppress(ConnectionClosed):  # an agent may drop off at any time
                async for message in connection:
                    running = asyncio.create_task(self._act(did, message))
                    self._running.add(running)
                    running.add_done_callback(self._running.discard)
        finally:
            if self._here.get(did) is connection:
                del self._here[did]

    async def _welcome(self, connection: ServerConnection) -> str | None:
        """The DID that an agent proves to be; None where it does not."""
        nonce = secrets.token_hex(32)
        network, relay = str(self._about["network"]), str(self._about["relay"])
        await connection.send(
            json.dumps({"type": "challenge", "nonce": nonce, "network": network, "relay": relay})
        )
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                hello = json.loads(await connection.recv())
            did = str(hello["did"])
            signature = strict.b64(str(hello["signature"]))
            if not ed25519.verify(identity.key_of(did), hello_bytes(network, relay, nonce), signature):
                return None
        except (ValueError, KeyError, TypeError, ConnectionClosed, TimeoutError):
            return None
        if hello.get("contact"):
            self._contacts[did] = str(hello["contact"])
        await connection.send(json.dumps({"type": "welcome", "tasks": list(self._tasks.values())}))
        return did

    async def _act(self, did: str, message: str | bytes) -> None:
        said: Facts = {}
        try:
            parsed = json.loads(message)
            said = parsed if isinstance(parsed, dict) else said
            await self._acts[said["type"]](did, said)
        except TrustError as error:
            await self._send(did, _refused(said, error))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            await self._send(did, _refused(said, ClientError("malformed", repr(error))))

    async def _post(self, did: str, said: Facts) -> None:
        """Brings a requester's task to the service, then offers it to all."""
        envelope = _bytes(said["envelope"])
        post = opened(envelope).payload
        if not isinstance(post, TaskPost) or post.actor != did:
            raise ClientError("malformed", "a requester posts its own task.post")
        accepted = await self._client.send(envelope)
        task = {
            "task": post.task,
            "task_index": accepted.index,
            "task_kind": post.task_kind,
            "price_units": post.price_units,
            "spec_sha256": post.spec_sha256,
            "items": post.items.count if post.items else 0,
            "requester": did,
            "contact": self._contacts.get(did, ""),
        }
        self._tasks[post.task] = task
        await self._send(did, {"type": "posted", "task": post.task, "receipt": _receipt(accepted)})
        if asked := said.get("allocate"):
            try:
                await self._allocate(task, asked)
            except TrustError as error:  # then it is open to all, as without a draw
                await self._send(did, _refused(said, error))
        if not asked or (await self._client.task(post.task))["state"] == "open":
            await self._broadcast({"type": "task", **task})

    async def _allocate(self, task: Facts, asked: Facts) -> None:
        """Has the draw decide who may claim first, and offers the task to them alone while their window lasts."""
        await asyncio.sleep(MOMENT_S)
        await self._relay.allocate(task["task"], **asked)
        found = await self._client.task(task["task"])
        while found["state"] == "allocating":
            await asyncio.sleep(LOOK_S)
            found = await self._client.task(task["task"])
        for place in found["allocation"]["shortlist"]:
            await self._send(place["agent"], {"type": "task", **task})
        window_ms = found["exclusive_until_ms"] - self._client.now_ms()
        await asyncio.sleep(max(0, window_ms) / 1_000)

    async def _offer(self, did: str, said: Facts) -> None:
        """Offers a task of this requester again; whether it is open is for the service to say."""
        task = self._tasks[said["task"]]
        found = await self._client.task(task["task"])
        if task["requester"] != did or found["state"] != "open":
            raise ClientError(
                "wrong-state", f"{task['task']} is {found['state']}, and of {task['requester']}"
            )
        self._tasks[task["task"]] = {name: value for name, value in task.items() if name != "confirmation"}
        await self._broadcast({"type": "task", **self._tasks[task["task"]]})

    async def _claim(self, did: str, said: Facts) -> None:
        """Asks the service. Only a proven entry is confirmed, and only to the two whom it concerns."""
        envelope = _bytes(said["envelope"])
        request = opened(envelope).payload
        if not isinstance(request, ClaimRequest) or request.actor != did:
            raise ClientError("malformed", "a worker brings its own claim.request")
        granted = await self._relay.grant(envelope)
        task = self._tasks[request.task]
        told = {
            "type": "confirmed",
            "task": request.task,
            "claim": granted.claim,
            "worker": did,
            "confirmation": granted.confirmation.decode(),
            "receipt": _receipt(granted.accepted),
            "requester": task["requester"],
            "contact": task["contact"],
        }
        self._tasks[request.task] = task | {"confirmation": told["confirmation"]}
        await self._send(did, told)
        await self._send(task["requester"], told)

    async def _notify(self, did: str, said: Facts) -> None:
        await self._send(str(said["to"]), {"type": "notification", "from": did, "body": said["body"]})

    async def _send(self, did: str, message: Facts) -> None:
        """To a party, if it is here: what it misses it finds on the log."""
        connection = self._here.get(did)
        if connection is not None:
            with suppress(ConnectionClosed):
                await connection.send(json.dumps(message))

    async def _broadcast(self, message: Facts) -> None:
        await asyncio.gather(*(self._send(did, message) for did in list(self._here)))


def _bytes(envelope: object) -> bytes:
    return json.dumps(envelope, separators=(",", ":")).encode()


def _receipt(accepted: Accepted) -> Facts:
    return {"index": accepted.receipt.index, "entry": accepted.receipt.entry, "proof": accepted.receipt.proof}


def _refused(said: Facts, error: TrustError) -> Facts:
    """What the service, or the relay itself, would not do; a rule's refusal carries the service's signed note."""
    return {
        "type": "refused",
        "about": said.get("type"),
        "task": said.get("task") or _task_of(said.get("envelope")),
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
        **error.extra,
    }


def _task_of(envelope: object) -> str | None:
    try:
        return getattr(opened(_bytes(envelope)).payload, "task", None)
    except TrustError:
        return None


async def run(config: RelayConfig) -> None:
    """Serves until it is told to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    seeds = [read_seed(Path(key)) for key in config.keys]
    async with AsyncTrustClient(config.service, config.vkey, retry=PATIENT) as client:
        relay = RelayServer(client, config.relay, config.threshold, seeds)
        async with await relay.listen(config.host, config.port):
            await stop.wait()


if __name__ == "__main__":
    asyncio.run(run(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=RelayConfig)))
