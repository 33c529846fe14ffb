"""Whoever sends garbage, floods, does not read or does not finish is dropped with a reason; the others go on."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.relay.networks import KIND, Agent, Coordinator, Network, agents, named, run, standing
from trust.client import ServiceError
from trust.client.statements import Speaker
from trust.core.payloads import ClaimRequest
from trust.core.strict import base64_of
from trust.log import ed25519
from trust.relay import listening, session
from trust.relay import server as serving
from trust.relay.messages import MAX_MESSAGE_BYTES, hello_bytes

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def relay(town: Network) -> Iterator[Coordinator]:
    """One coordinator for all who only send nonsense: that it still serves the next test is what each of them shows."""
    with standing(town) as up:
        yield up


@asynccontextmanager
async def _raw(relay: Coordinator, me: Speaker) -> AsyncIterator[ClientConnection]:
    """A connection that has said hello, and says what it likes from there on."""
    async with connect(relay.url, max_size=None) as wire:
        challenge = json.loads(await wire.recv())
        said = hello_bytes(me.network, challenge["relay"], challenge["coordinator"], challenge["nonce"])
        signature = base64_of(ed25519.sign(me.seed, said))
        await wire.send(json.dumps({"type": "hello", "did": me.actor, "signature": signature}))
        assert json.loads(await wire.recv())["type"] == "welcome"
        yield wire


async def _serves(relay: Coordinator, town: Network, number: int = 1) -> None:
    """Another agent is served as if nothing had happened."""
    async with agents(Agent(town.agents[number]).join(relay)) as [bob]:
        assert bob.me.actor in [each["did"] for each in await bob.link.peers(KIND)]


async def _closed(wire: ClientConnection) -> tuple[int, str]:
    """How a connection ended."""
    async with asyncio.timeout(10):
        try:
            while True:
                await wire.recv()
        except ConnectionClosed as closed:
            received = closed.rcvd
    return (received.code, received.reason) if received else (0, "")


@pytest.mark.parametrize(
    "hello",
    [
        "",
        "[]",
        "{}",
        "\ud800",
        "[" * 2_000,
        json.dumps({"type": "hello", "did": "did:key:z6Mk", "signature": ""}),
        b"\x00\xff",
        "x" * 10_000,
    ],
)
def test_who_does_not_prove_its_key_is_hung_up_on_with_a_reason(
    relay: Coordinator, town: Network, hello: Any
) -> None:
    async def test() -> None:
        async with connect(relay.url) as wire:
            await wire.recv()
            data = hello.encode("utf-8", "surrogatepass") if isinstance(hello, str) else hello
            await wire.send(data)
            code, reason = await _closed(wire)
            assert (code, reason[:14]) == (1008, "no valid hello")
        await _serves(relay, town)

    run(test)


@pytest.mark.parametrize("changed", ["network", "relay", "coordinator", "nonce", "key"])
def test_a_hello_is_good_for_one_network_relay_coordinator_connection_and_key(
    relay: Coordinator, town: Network, changed: str
) -> None:
    async def test() -> None:
        me = town.agents[0]
        async with connect(relay.url) as wire:
            challenge = json.loads(await wire.recv()) | {changed: "another"}
            said = hello_bytes(
                challenge["network"], challenge["relay"], challenge["coordinator"], challenge["nonce"]
            )
            seed = town.agents[1].seed if changed == "key" else me.seed
            hello = {"type": "hello", "did": me.actor, "signature": base64_of(ed25519.sign(seed, said))}
            await wire.send(json.dumps(hello))
            assert (await _closed(wire))[0] == 1008

    run(test)


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "[]",
        "null",
        "\x00",
        "[" * 5_000,
        '{"type":"dance","id":"1"}',
        '{"type":"claim","id":"1"}',
        '{"type":"claim","id":"1","envelope":{}}',
        '{"type":"subscribe","id":"1","kinds":["A B"]}',
        '{"type":"subscribe","id":"1","kinds":[],"id":"2"}',
        '{"type":"notify","id":"1","to":"did:key:z6Mk","body":1}',
        '{"type":"notify","id":"1","to":7,"body":1e999}',
        '{"type":"post","id":"1","envelopes":[]}',
        '{"type":"deliver","id":"' + "x" * 500 + '","envelopes":[]}',
    ],
)
def test_a_frame_that_is_no_message_is_refused_and_many_are_the_end(
    relay: Coordinator, town: Network, frame: str
) -> None:
    async def test() -> None:
        before = (await relay.get("/"))["dropped"].get("malformed", 0)
        async with _raw(relay, town.agents[0]) as wire:
            await wire.send(frame)
            assert json.loads(await wire.recv())["type"] == "refused"
            for _ in range(session.MAX_MALFORMED):
                await wire.send(frame)
            code, reason = await _closed(wire)
            assert (code, reason.partition(":")[0]) == (1008, "malformed")
            await _serves(relay, town)
            assert (await relay.get("/"))["dropped"]["malformed"] == before + 1

    run(test)


def test_an_oversized_frame_ends_its_own_connection_only(relay: Coordinator, town: Network) -> None:
    async def test() -> None:
        async with _raw(relay, town.agents[0]) as wire:
            await wire.send("x" * (MAX_MESSAGE_BYTES + 1))
            assert (await _closed(wire))[0] == 1009
            await _serves(relay, town)

    run(test)


def test_statements_of_another_network_and_with_wrong_signatures_are_refused(town: Network) -> None:
    async def test() -> None:
        ada = Agent(town.agents[0])
        async with town.relay() as relay, town.client() as client, agents(ada.join(relay)):
            posted = await client.send(town.task_post(task := named()))
            terms: dict[str, Any] = {"task": task, "task_index": posted.index, "stake_units": 200}
            foreign = Speaker("elsewhere.example/log", ada.me.seed)
            said = foreign.say(ClaimRequest, client.now_ms(), relay=town.solo, **terms)
            with pytest.raises(ServiceError, match="foreign-network"):
                await ada.link.claim(said)
            forged = json.loads(town.claim_of(ada.me, task, posted.index))
            forged["signatures"][0]["sig"] = base64_of(bytes(64))
            with pytest.raises(ServiceError, match="bad-signature"):
                await ada.link.claim(json.dumps(forged).encode())

    run(test)


def test_one_that_floods_is_dropped_with_a_reason(town: Network) -> None:
    async def test() -> None:
        async with town.relay() as relay, _raw(relay, town.agents[0]) as wire:

            async def flood() -> None:
                for number in range(5 * session.MESSAGES_PER_S):
                    await wire.send(json.dumps({"type": "peers", "id": str(number), "task_kind": KIND}))

            flooding = asyncio.create_task(flood())
            code, reason = await _closed(wire)
            assert (code, reason.partition(":")[0]) == (1008, "flooding")
            await asyncio.gather(flooding, return_exceptions=True)
            await _serves(relay, town)

    run(test)


def test_one_that_does_not_read_is_dropped_and_holds_up_nobody(
    town: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "MESSAGES_PER_S", 100_000)  # megabytes of socket buffers fill in a second

    async def test() -> None:
        ada, mute = Agent(town.agents[0]), town.agents[1]
        async with town.relay() as relay, agents(ada.join(relay)), _raw(relay, mute) as wire:
            wire.transport.pause_reading()
            body = "x" * 15_000

            async def notify() -> None:
                while True:
                    await asyncio.gather(*(ada.link.notify(mute.actor, body) for _ in range(20)))

            with pytest.raises(ServiceError, match="not-here"):
                await notify()
            assert (await relay.get("/"))["dropped"] == {"too-slow": 1}
            await _serves(relay, town, 2)
            wire.transport.abort()  # it would wait ten seconds for the end of what it does not read

    run(test)


def test_connections_that_say_nothing_are_closed_in_time(
    town: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "HELLO_S", 0.3)
    monkeypatch.setattr(listening, "REQUEST_S", 0.3)

    async def test() -> None:
        async with town.relay() as relay:
            silent = [await asyncio.open_connection("127.0.0.1", relay.port) for _ in range(50)]
            for _, writer in silent[:10]:
                writer.write(b"POST /cosign HTTP/1.1\r\nContent-Length: 50\r\n\r\n{")
            for _, writer in silent[10:20]:
                writer.write(b"GET / HTT")
            async with connect(relay.url) as wire:
                await wire.recv()
                assert (await _closed(wire))[0] == 1008
            for reader, _ in silent:
                async with asyncio.timeout(5):
                    await reader.read()
            await _serves(relay, town)

    run(test)


def test_a_socket_that_is_half_open_is_given_up(town: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "PING_S", 0.2)

    async def test() -> None:
        async with town.relay() as relay, _raw(relay, town.agents[0]) as wire:
            assert (await relay.get("/"))["connected"] == 1
            wire.transport.pause_reading()  # no ping is answered from here on
            for _ in range(100):
                if not relay.server.here:
                    break
                await asyncio.sleep(0.1)
            assert (await relay.get("/"))["connected"] == 0
            wire.transport.abort()

    run(test)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST /cosign HTTP/1.1\r\nHost: x\r\n\r\n", b"411"),
        (b"POST /cosign HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", b"411"),
        (b"POST /cosign HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}", b"411"),
        (b"POST /cosign HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n", b"413"),
        (b"POST /cosign HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", b"400"),
        (b"POST /claim/x HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]", b"400"),
        (b"POST /nowhere HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]", b"404"),
        (b"POST " + b"x" * 9_000, b"431"),
        (b"GET /events?after=x HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /events?after=99999999999999 HTTP/1.1\r\n\r\n", b"200"),
        (b"GET /feed/tile/../../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /tasks/%00%ff HTTP/1.1\r\n\r\n", b"404"),
        (b"DELETE / HTTP/1.1\r\n\r\n", b"405"),
    ],
)
def test_requests_that_are_none_are_answered_in_kind(
    relay: Coordinator, town: Network, sent: bytes, status: bytes
) -> None:
    async def test() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(sent)
        async with asyncio.timeout(10):
            answer = await reader.read()
        assert answer.partition(b"\r\n")[0][9:12] == status, answer
        await _serves(relay, town)

    run(test)


def test_thousands_of_connections_leave_it_up(town: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MAX_CONNECTIONS", 300)

    async def test() -> None:
        async with town.relay() as relay:
            async with agents(Agent(town.agents[0]).join(relay)) as [ada]:
                many = []
                for _ in range(40):
                    opening = [asyncio.open_connection("127.0.0.1", relay.port) for _ in range(50)]
                    many += [
                        each
                        for each in await asyncio.gather(*opening, return_exceptions=True)
                        if isinstance(each, tuple)
                    ]
                assert await ada.link.peers(KIND)
                for _, writer in many:
                    writer.transport.abort()
            await asyncio.sleep(0.2)
            await _serves(relay, town)

    run(test)


def test_the_same_agent_again_takes_the_place_of_its_former_connection(
    relay: Coordinator, town: Network
) -> None:
    async def test() -> None:
        me = town.agents[0]
        async with _raw(relay, me) as first, _raw(relay, me) as second:
            assert (await _closed(first))[1].startswith("replaced")
            await second.send(json.dumps({"type": "peers", "id": "1", "task_kind": KIND}))
            assert json.loads(await second.recv())["type"] == "answer"

    run(test)


def test_random_bytes_on_the_socket_hurt_nobody(relay: Coordinator, town: Network) -> None:
    async def test() -> None:
        for size in (1, 5, 100, 5_000, 200_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
            writer.write(os.urandom(size))
            writer.close()
            del reader
        await _serves(relay, town)

    run(test)
