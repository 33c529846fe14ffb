"""The conversation between two agents: private, signed, bound to its session, and with the party it names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from trust.client.statements import Speaker
from trust.sandbox.peers import Channel, Message, PeerError, answer, call, calling, listen

NETWORK = "trust.example.org/peers"
ANNA, BEN, EVE = (Speaker(NETWORK, bytes([number]) * 32) for number in (1, 2, 3))


class Line:
    """One end of a wire in memory that keeps what went over it."""

    def __init__(self, there: asyncio.Queue[str | bytes], here: asyncio.Queue[str | bytes]) -> None:
        self.there, self.here = there, here
        self.sent: list[str | bytes] = []

    async def send(self, message: str | bytes) -> None:
        self.sent.append(message)
        await self.there.put(message)

    async def recv(self) -> str | bytes:
        return await asyncio.wait_for(self.here.get(), 1)


async def _talking(caller: Speaker = ANNA, called: Speaker = BEN) -> tuple[Channel, Channel, Line]:
    a: asyncio.Queue[str | bytes] = asyncio.Queue()
    b: asyncio.Queue[str | bytes] = asyncio.Queue()
    line = Line(a, b)
    here, there = await asyncio.gather(call(line, caller, called.actor), answer(Line(b, a), called))
    return here, there, line


def _run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def test_what_one_says_the_other_hears_and_can_show() -> None:
    async def test() -> None:
        anna, ben, _ = await _talking()
        said = [await anna.say({"file": "ast.py"}), await anna.say({"rules": "x"})]
        heard = [await ben.hear(), await ben.hear()]
        assert heard == said
        assert [message.facts for message in heard] == [{"file": "ast.py"}, {"rules": "x"}]
        await ben.say({"agreed": True})
        shown = await anna.hear()
        shown.verify()
        assert shown.sender == BEN.actor

    _run(test)


def test_nothing_that_was_said_crosses_the_wire_in_clear() -> None:
    async def test() -> None:
        anna, _, line = await _talking()
        await anna.say({"secret": "only between us"})
        frames = [frame for frame in line.sent if isinstance(frame, bytes)]
        assert len(frames) == 1
        assert b"only between us" not in frames[0]
        assert b"signature" not in frames[0]

    _run(test)


def test_somebody_else_at_the_address_is_found_out_at_the_hello() -> None:
    async def test() -> None:
        a: asyncio.Queue[str | bytes] = asyncio.Queue()
        b: asyncio.Queue[str | bytes] = asyncio.Queue()
        answering = asyncio.create_task(answer(Line(b, a), EVE))
        with pytest.raises(PeerError, match="answered"):
            await call(Line(a, b), ANNA, BEN.actor)
        await answering

    _run(test)


def test_who_only_claims_to_be_a_party_can_neither_speak_nor_understand() -> None:
    async def test() -> None:
        anna, ben, line = await _talking()
        eve = Channel(EVE, ANNA.actor, anna.session, ben.wire)
        await eve.say({"i am": "ben"})
        with pytest.raises(PeerError, match="did not encrypt"):
            await anna.hear()
        await anna.say({"secret": 1})
        with pytest.raises(PeerError, match="did not encrypt"):
            await eve.hear()
        assert line.sent

    _run(test)


def test_a_frame_of_another_session_or_played_twice_is_refused() -> None:
    async def test() -> None:
        anna, ben, line = await _talking()
        await anna.say({"n": 1})
        await ben.hear()
        frame = line.sent[-1]
        await line.there.put(frame)
        with pytest.raises(PeerError, match="signature"):
            await ben.hear()
        _, later, second = await _talking()
        await second.there.put(frame)
        with pytest.raises(PeerError, match="signature"):
            await later.hear()

    _run(test)


@pytest.mark.parametrize("field", ["network", "session", "sender", "body"])
def test_a_shown_message_with_one_field_changed_does_not_verify(field: str) -> None:
    async def test() -> Message:
        anna, ben, _ = await _talking()
        await anna.say({"n": 1})
        return await ben.hear()

    message = asyncio.run(test())
    message.verify()
    other = {"network": "else", "session": "0" * 64, "sender": BEN.actor, "body": '{"n":2}'}[field]
    with pytest.raises(PeerError):
        replace(message, **{field: other}).verify()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "hello",
    [
        "",
        "[]",
        "{}",
        json.dumps({"did": ANNA.actor, "network": "else", "nonce": "0" * 64}),
        json.dumps({"did": ANNA.actor, "network": NETWORK, "nonce": "00"}),
        json.dumps({"did": "did:key:z6Mk", "network": NETWORK, "nonce": "0" * 64}),
        json.dumps({"did": BEN.actor, "network": NETWORK, "nonce": "0" * 64}),
    ],
)
def test_a_bad_hello_is_refused(hello: str) -> None:
    async def test() -> None:
        a: asyncio.Queue[str | bytes] = asyncio.Queue()
        await a.put(hello)
        with pytest.raises(PeerError):
            await answer(Line(asyncio.Queue(), a), BEN)

    _run(test)


def test_two_agents_agree_over_a_real_websocket() -> None:
    async def test() -> None:
        async def talk(channel: Channel) -> None:
            asked = await channel.hear()
            await channel.say({"agreed": asked.facts["file"]})

        server = await listen(BEN, talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, calling(f"ws://127.0.0.1:{port}", ANNA, BEN.actor) as channel:
            await channel.say({"file": "ast.py"})
            assert (await channel.hear()).facts == {"agreed": "ast.py"}

    _run(test)
