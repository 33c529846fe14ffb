"""Performing a conversation's effects with httpx, with and without asyncio: the only I/O of the client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import httpx

from trust import clock
from trust.client.problems import Unreachable
from trust.client.wire import Compute, Effect, Exchange, Pause, Request, Response
from trust.core.uploads import HEADER
from trust.errors import ClientError
from trust.verify.receipts import MAX_BATCH_RECEIPT_BYTES

TIMEOUT_S = 30.0
DEADLINE_S = 300.0
"""How long a service may be silent, and how long it may take to answer, however often it says a little."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Done(Generic[T]):
    value: T


def _resume(exchange: Exchange[T], outcome: Any) -> Effect | _Done[T]:
    """The conversation's next effect, or what it came to; an exception that an effect ended in goes back into it."""
    try:
        return exchange.throw(outcome) if isinstance(outcome, Exception) else exchange.send(outcome)
    except StopIteration as end:
        return _Done(end.value)


def _arguments(url: str, options: Mapping[str, Any]) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        raise ClientError("bad-parameter", f"{url!r} is no http:// or https:// address")
    return {"base_url": url.rstrip("/"), "timeout": TIMEOUT_S, **options}


def _sent(request: Request) -> dict[str, Any]:
    headers = {"Content-Type": request.content_type} if request.content_type else {}
    headers |= {HEADER: request.upload} if request.upload else {}
    return {
        "method": request.method,
        "url": request.path,
        "content": request.body or None,
        "headers": headers,
    }


class _Answer:
    """An answer as it comes: a service that streams without end has no more of the caller's time and memory."""

    def __init__(self, url: str, response: httpx.Response, began_ms: int) -> None:
        self._url, self._response, self._body = url, response, bytearray()
        self._until_ms = began_ms + int(DEADLINE_S * 1_000)

    def take(self, part: bytes) -> None:
        """The next part of the body; `Unreachable` where it becomes too much or too late."""
        self._body += part
        if len(self._body) > MAX_BATCH_RECEIPT_BYTES:
            raise Unreachable(f"{self._url} answers with more than {MAX_BATCH_RECEIPT_BYTES} bytes")
        if clock.monotonic_ms() > self._until_ms:
            raise _late(self._url)

    def whole(self) -> Response:
        """All of it."""
        headers = {name.lower(): value for name, value in self._response.headers.items()}
        return Response(self._response.status_code, bytes(self._body), headers)


def _late(url: str) -> Unreachable:
    return Unreachable(f"{url} takes longer than {DEADLINE_S:g} s to answer")


def _unreachable(error: Exception, url: str) -> Unreachable:
    return Unreachable(f"no answer from {url}: {str(error) or type(error).__name__}")


class Transport:
    """Blocks the calling thread; threads may share it. `options` go to `httpx.Client`."""

    def __init__(self, url: str, **options: Any) -> None:
        self.url = url
        self.http = httpx.Client(**_arguments(url, options))

    def run(self, exchange: Exchange[T]) -> T:
        """What a conversation comes to."""
        step = _resume(exchange, None)
        while not isinstance(step, _Done):
            step = _resume(exchange, self._perform(step))
        return step.value

    def _perform(self, effect: Effect) -> Any:
        try:
            match effect:
                case Request():
                    return self._ask(effect)
                case Pause():
                    return time.sleep(effect.wait_ms / 1_000)
                case Compute():
                    return effect.function()
        except httpx.RequestError as error:
            return _unreachable(error, self.url)
        except Exception as error:
            return error

    def _ask(self, request: Request) -> Response:
        began_ms = clock.monotonic_ms()
        with self.http.stream(**_sent(request)) as response:
            answer = _Answer(self.url, response, began_ms)
            for part in response.iter_bytes():
                answer.take(part)
        return answer.whole()


class AsyncTransport:
    """The same on an event loop; slow functions run on another thread. `options` go to `httpx.AsyncClient`."""

    def __init__(self, url: str, **options: Any) -> None:
        self.url = url
        self.http = httpx.AsyncClient(**_arguments(url, options))

    async def run(self, exchange: Exchange[T]) -> T:
        """What a conversation comes to."""
        step = _resume(exchange, None)
        while not isinstance(step, _Done):
            step = _resume(exchange, await self._perform(step))
        return step.value

    async def _perform(self, effect: Effect) -> Any:
        try:
            match effect:
                case Request():
                    return await self._ask(effect)
                case Pause():
                    return await asyncio.sleep(effect.wait_ms / 1_000)
                case Compute():
                    return await asyncio.to_thread(effect.function)
        except httpx.RequestError as error:
            return _unreachable(error, self.url)
        except Exception as error:
            return error

    async def _ask(self, request: Request) -> Response:
        began_ms = clock.monotonic_ms()
        try:
            async with asyncio.timeout(DEADLINE_S), self.http.stream(**_sent(request)) as response:
                answer = _Answer(self.url, response, began_ms)
                async for part in response.aiter_bytes():
                    answer.take(part)
        except TimeoutError as error:
            raise _late(self.url) from error
        return answer.whole()
