"""Statements of many agents in one request: each gets its own answer, in order, and a failure is everybody's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from trust.client import ServiceError, Unreachable
from trust.errors import ClientError
from trust.relay import batches
from trust.relay.batches import Batches


class Service:
    """Answers each statement with its own number, as slowly as told; an odd one is refused."""

    def __init__(self) -> None:
        self.requests: list[list[bytes]] = []
        self.go = asyncio.Event()
        self.fails = False

    async def send_many(self, envelopes: Sequence[bytes]) -> list[Any]:
        self.requests.append(list(envelopes))
        await self.go.wait()
        if self.fails:
            raise Unreachable("gone")
        return [
            ServiceError.of(409, {"code": f"no-{one.decode()}"}) if int(one) % 2 else one for one in envelopes
        ]


def test_what_comes_while_requests_are_under_way_goes_together_and_each_gets_its_own_answer() -> None:
    async def test() -> None:
        service = Service()
        made = Batches(service.send_many)
        sent = [asyncio.create_task(made.send_all([b"%d" % n])) for n in range(10)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        service.go.set()
        results: list[Any] = [(await each)[0] for each in sent]
        assert sum(len(each) for each in service.requests) == 10
        assert len(service.requests) <= batches.UNDER_WAY + 1
        assert [n for n, each in enumerate(results) if isinstance(each, ServiceError)] == [1, 3, 5, 7, 9]
        assert results[4] == b"4"

    asyncio.run(test())


def test_what_was_said_together_stays_together_and_in_order() -> None:
    async def test() -> None:
        service, said = Service(), [b"%d" % (2 * n) for n in range(batches.MAX_TOGETHER + 50)]
        service.go.set()
        made = Batches(service.send_many)
        results: Any = await asyncio.gather(made.send_all(said), made.send_all([b"0"]))
        assert results[0] == said
        assert said in [each[: len(said)] for each in service.requests]

    asyncio.run(test())


def test_a_request_that_fails_is_an_error_of_each_and_the_next_one_is_sent() -> None:
    async def test() -> None:
        service = Service()
        service.fails = True
        service.go.set()
        made = Batches(service.send_many)
        failed = await asyncio.gather(*(made.send(b"0") for _ in range(3)), return_exceptions=True)
        assert all(isinstance(each, Unreachable) for each in failed)
        service.fails = False
        again: Any = await made.send(b"2")
        assert again == b"2"
        with pytest.raises(ServiceError, match="no-1"):
            await made.send(b"1")

    asyncio.run(test())


def test_who_comes_where_too_many_wait_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MAX_WAITING", 2)

    async def test() -> None:
        service = Service()
        made = Batches(service.send_many)
        waiting = [asyncio.create_task(made.send(b"0")) for _ in range(4)]
        while len(made._waiting) < 2:
            waiting.append(asyncio.create_task(made.send(b"0")))
            await asyncio.sleep(0)
        with pytest.raises(ClientError, match="overloaded"):
            await made.send(b"0")
        service.go.set()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(test())
