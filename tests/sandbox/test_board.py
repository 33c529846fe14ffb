"""Following the log: every entry once, in order, whatever happens to the connection; and the right ones are woken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from trust.sandbox.board import Board

CLAIM, SEAT, NEXT = "clm_1", "seat_1", "seat_2"
ENTRIES: list[list[dict[str, Any]]] = [
    [{"kind": "task.posted", "task": "t"}],
    [{"kind": "claim.opened", "claim": CLAIM, "task": "t", "worker": "w"}],
    [{"kind": "round.opened", "claim": CLAIM, "seats": [[SEAT, "v", "v"]]}],
    [{"kind": "seat.passed", "seat": SEAT, "next": [NEXT, "x", "x"]}],
    [{"kind": "claim.ended", "claim": CLAIM, "state": "rejected"}],
]


def _run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


async def _followed(handler: Callable[[httpx.Request], httpx.Response], last: int) -> Board:
    board = Board("http://service", transport=httpx.MockTransport(handler))
    following = asyncio.create_task(board.follow())
    async with asyncio.timeout(5):
        await board.until_found(lambda: next((e for e in board.events if e["index"] == last), None))
    following.cancel()
    return board


def _lines(first: int, last: int) -> bytes:
    told = [json.dumps({"index": n, "at_ms": n, "events": ENTRIES[n]}) for n in range(first, last)]
    return b": comment\n\n" + "".join(f"id: 0\nevent: e\ndata: {line}\n\n" for line in told).encode()


def test_entries_are_seen_once_each_though_the_line_breaks_and_repeats_itself() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["after"])
        match len(asked):
            case 1:
                return httpx.Response(200, content=_lines(0, 2))
            case 2:
                raise httpx.ConnectError("the service is gone")
            case 3:
                return httpx.Response(503)
            case _:
                return httpx.Response(200, content=_lines(1, 5))

    async def test() -> None:
        board = await _followed(handler, 4)
        assert [event["index"] for event in board.events] == [0, 1, 2, 3, 4]
        assert asked[:4] == ["-1", "1", "1", "1"]

    _run(test)


def test_a_claim_wakes_its_worker_and_whoever_sits_on_it_and_nobody_else() -> None:
    async def test() -> None:
        board = await _followed(lambda _: httpx.Response(200, content=_lines(0, 5)), 4)
        assert {name for name, event in board.wake.items() if event.is_set()} == {f"w/{CLAIM}", "v", "x"}

    _run(test)


def test_events_are_found_by_kind_and_members() -> None:
    async def test() -> None:
        board = await _followed(lambda _: httpx.Response(200, content=_lines(0, 5)), 4)
        assert board.failed_before("t")
        assert not board.failed_before("u")
        assert board.find("claim.ended", claim=CLAIM, state="accepted") is None
        assert (await board.until("claim.opened", task="t"))["worker"] == "w"

    _run(test)
