"""A caller that drips, or that does not read, is cut off; one with a slow line and much to send is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from trust.api.deadlines import PIECE_BYTES, SLOWEST_BYTES_PER_S, Message, TooSlow, Transfer, Waiting
from trust.errors import TrustError

PATIENCE_S = 0.05


class Caller:
    """Sends pieces with a pause before each, and takes what it is sent `takes` pieces long."""

    def __init__(self, pieces: list[bytes], pause_s: float, takes: int = 1_000) -> None:
        self._pieces = pieces
        self._pause_s = pause_s
        self._takes = takes
        self.got: list[bytes] = []

    async def receive(self) -> Message:
        await asyncio.sleep(self._pause_s)
        piece = self._pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}

    async def send(self, message: Message) -> None:
        if len(self.got) >= self._takes:
            await asyncio.sleep(60)
        self.got.append(message.get("body", b""))


async def _body(transfer: Transfer) -> bytes:
    body, more = b"", True
    while more:
        message = await transfer.receive()
        body, more = body + message["body"], message["more_body"]
    return body


def _transfer(caller: Caller, most: int = 10_000_000) -> Transfer:
    return Transfer(caller.receive, caller.send, Waiting(most), PATIENCE_S)


def _run(call: Any) -> Any:
    async def bounded() -> Any:
        return await asyncio.wait_for(call(), 10)

    return asyncio.run(bounded())


def test_a_body_that_drips_or_stands_still_is_cut_off() -> None:
    for pause_s in (PATIENCE_S / 5, 60):

        async def dripped(pause_s: float = pause_s) -> None:
            await _body(_transfer(Caller([b"x"] * 100, pause_s)))

        with pytest.raises(TrustError) as refused:
            _run(dripped)
        assert (refused.value.code, refused.value.status) == ("too-slow", 408)


def test_a_large_body_on_a_slow_line_is_taken() -> None:
    piece = bytes(SLOWEST_BYTES_PER_S // 20)

    async def slow() -> bytes:
        return await _body(_transfer(Caller([piece] * 10, 0.03)))  # 0.3 s in all, patience is 0.05 s

    assert len(_run(slow)) == 10 * len(piece)


def test_a_caller_that_does_not_read_is_cut_off() -> None:
    caller = Caller([b""], 0, takes=3)

    async def unread() -> None:
        await _transfer(caller).send({"type": "http.response.body", "body": bytes(10 * PIECE_BYTES)})

    with pytest.raises(TooSlow):
        _run(unread)
    assert len(caller.got) == 3


def test_a_large_answer_arrives_whole_and_ends_once() -> None:
    for size in (0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 7):
        sent: list[Message] = []
        caller = Caller([b""], 0)

        async def keep(message: Message, sent: list[Message] = sent) -> None:
            sent.append(message)

        caller.send = keep  # type: ignore[method-assign]

        async def answered(size: int = size, caller: Caller = caller) -> None:
            body = {"type": "http.response.body", "body": bytes(size), "more_body": False}
            await _transfer(caller).send(body)

        _run(answered)
        assert sum(len(each["body"]) for each in sent) == size
        assert [each["more_body"] for each in sent] == [True] * (len(sent) - 1) + [False]


def test_no_more_bytes_are_held_in_memory_than_are_allowed() -> None:
    waiting = Waiting(100)

    async def crowd() -> None:
        first = Transfer(Caller([bytes(80)], 0).receive, Caller([], 0).send, waiting, 1)
        await _body(first)
        second = Caller([bytes(80)], 0)
        with pytest.raises(TrustError, match="too many bytes"):
            await _body(Transfer(second.receive, second.send, waiting, 1))
        first.end()
        third = Caller([bytes(80)], 0)
        await _body(Transfer(third.receive, third.send, waiting, 1))

    _run(crowd)
