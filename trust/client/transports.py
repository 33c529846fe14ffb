"""Performing a conversation's effects with httpx, with and without asyncio: the only I/O of the client."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import httpx

from trust import clock
from trust.client.problems import Unreachable
from trust.client.wire import Await, Compute, Effect, Exchange, Pause, Request, Response
from trust.core.uploads import HEADER
from trust.errors import ClientError
from trust.verify.receipts import MAX_BATCH_RECEIPT_BYTES

TIMEOUT_S = 30.0
DEADLINE_S = 300.0
"""How long a service may be silent, and how long it may take to answer, however often it says a little."""
MAX_LINE_BYTES = 1024 * 1024
MOVED_ON = frozenset({502, 503, 504})
"""Answers after which another address is asked, where there is one."""
PROXY_HINT = "correct ALL_PROXY, HTTP_PROXY or HTTPS_PROXY, or name the service's host in NO_PROXY"
ELSEWHERE_HINT = (
    "a proxy, a portal or another site stands there: give the service's own address, or log in first"
)
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


Http = TypeVar("Http", httpx.Client, httpx.AsyncClient)


class _Addresses:
    """Where a service answers: several addresses of one log, the one that answered last first."""

    def __init__(self, url: str | Sequence[str]) -> None:
        self._all = [each.rstrip("/") for each in ([url] if isinstance(url, str) else url)]
        for each in self._all:
            if not each.startswith(("http://", "https://")):
                raise ClientError("bad-parameter", f"{each!r} is no http:// or https:// address")
        if not self._all:
            raise ClientError("bad-parameter", "no address of a service")
        self._at = 0

    def in_turn(self) -> list[str]:
        """All of them, to be tried one after the other."""
        return [*self._all[self._at :], *self._all[: self._at]]

    @contextmanager
    def trying(self, url: str, dead: list[Unreachable]) -> Iterator[None]:
        """Around a question to one of them: where it cannot be reached it is left, and its error is kept."""
        try:
            yield
        except Unreachable as error:
            dead.append(error)
            self.leave(url)

    def settled(self, url: str, answer: Response) -> Response:
        """Returns the answer of one of them, and leaves it where it gave none of its own."""
        if answer.status in MOVED_ON:
            self.leave(url)
        return answer

    def leave(self, url: str) -> None:
        """Begins with the next one from now on, where it was this one's turn."""
        if self._all[self._at] == url:
            self._at = (self._at + 1) % len(self._all)


class OwnConnections(Generic[Http]):
    """The connections of this process. A copy of it (os.fork) makes its own: two that read one would get each other's
    answers. What the copy was born with it neither uses nor closes."""

    def __init__(self, kind: type[Http], options: Mapping[str, Any]) -> None:
        self._kind: type[Http] = kind
        self._options = {"timeout": TIMEOUT_S, **options}
        self._left: list[Http] = []
        self._http: Http = self._made()

    def _made(self) -> Http:
        self._process = os.getpid()
        try:
            return self._kind(**self._options)
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            raise ClientError(
                "bad-parameter",
                f"the proxy that the environment names cannot be used: {error}",
                hint=PROXY_HINT,
            ) from error

    def get(self) -> Http:
        """The connections that are this process's."""
        if self._process != os.getpid():
            self._left.append(self._http)
            self._http = self._made()
        return self._http


def _sent(request: Request, address: str) -> dict[str, Any]:
    headers = {"Content-Type": request.content_type} if request.content_type else {}
    headers |= {HEADER: request.upload} if request.upload else {}
    return {
        "method": request.method,
        "url": address + request.path,
        "content": request.body or None,
        "headers": headers,
        **({"timeout": request.timeout_s} if request.timeout_s else {}),
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
        """All of it; `Unreachable` where something else answered in the service's place."""
        headers = {name.lower(): value for name, value in self._response.headers.items()}
        status = self._response.status_code
        if 300 <= status < 400:
            raise elsewhere(self._url, f"sends us to {headers.get('location', 'nowhere')} (status {status})")
        if headers.get("content-type", "").startswith("text/html"):
            raise elsewhere(self._url, f"answers with a web page (status {status})")
        return Response(status, bytes(self._body), headers)


def _late(url: str) -> Unreachable:
    return Unreachable(f"{url} takes longer than {DEADLINE_S:g} s to answer")


def elsewhere(url: str, what: str) -> Unreachable:
    """Returns the error where a proxy, a portal or another site answers at a service's address."""
    return Unreachable(f"{url} {what}, which the service never does", hint=ELSEWHERE_HINT)


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    """Around a question to an address: what the network does to it becomes `Unreachable`."""
    try:
        yield
    except TimeoutError as error:
        raise _late(url) from error
    except (httpx.RequestError, httpx.InvalidURL) as error:
        raise Unreachable(f"no answer from {url}: {str(error) or type(error).__name__}") from error


class Transport:
    """Blocks the calling thread; threads may share it. `url` may be several addresses of one service: while one is dead
    the next is asked. `options` go to `httpx.Client`."""

    def __init__(self, url: str | Sequence[str], **options: Any) -> None:
        self.addresses = _Addresses(url)
        self._own = OwnConnections(httpx.Client, options)

    def run(self, exchange: Exchange[T]) -> T:
        """Returns the result of a conversation, or raises its error."""
        step = _resume(exchange, None)
        while not isinstance(step, _Done):
            step = _resume(exchange, self._perform(step))
        return step.value

    def close(self) -> None:
        """Closes the connections."""
        self._own.get().close()

    def _perform(self, effect: Effect) -> Any:
        try:
            match effect:
                case Request():
                    return self._ask(effect)
                case Pause():
                    return time.sleep(effect.wait_ms / 1_000)
                case Compute():
                    return effect.function()
        except Exception as error:
            return error

    def _ask(self, request: Request) -> Response:
        if request.at:
            return self._ask_at(request.at, request)
        dead: list[Unreachable] = []
        for url in self.addresses.in_turn():
            with self.addresses.trying(url, dead):
                return self.addresses.settled(url, self._ask_at(url, request))
        raise _all_dead(dead)

    def _ask_at(self, url: str, request: Request) -> Response:
        began_ms = clock.monotonic_ms()
        with _reaching(url), self._own.get().stream(**_sent(request, url)) as response:
            answer = _Answer(url, response, began_ms)
            for part in response.iter_bytes():
                answer.take(part)
        return answer.whole()


class AsyncTransport:
    """A transport on an event loop; slow functions run on another thread. `options` go to `httpx.AsyncClient`."""

    def __init__(self, url: str | Sequence[str], **options: Any) -> None:
        self.addresses = _Addresses(url)
        self._own = OwnConnections(httpx.AsyncClient, options)

    async def run(self, exchange: Exchange[T]) -> T:
        """Returns the result of a conversation, or raises its error."""
        step = _resume(exchange, None)
        while not isinstance(step, _Done):
            step = _resume(exchange, await self._perform(step))
        return step.value

    async def close(self) -> None:
        """Closes the connections."""
        await self._own.get().aclose()

    async def lines(self, path: str) -> AsyncIterator[str]:
        """The lines of an answer without end, from the address that answered last. `Unreachable` where it breaks off,
        is silent for too long, or has a line longer than any entry."""
        url, rest = self.addresses.in_turn()[0], bytearray()
        try:
            with _reaching(url):
                async with self._own.get().stream("GET", url + path, timeout=TIMEOUT_S) as response:
                    if response.status_code != 200:
                        raise Unreachable(f"{url} answers {response.status_code}")
                    async for part in response.aiter_bytes():
                        *whole, last = (rest + part).split(b"\n")
                        for line in whole:
                            yield line.decode("utf-8", "replace")
                        rest = bytearray(last)
                        if len(rest) > MAX_LINE_BYTES:
                            raise Unreachable(f"{url} streams a line of more than {MAX_LINE_BYTES} bytes")
        except Unreachable:
            self.addresses.leave(url)
            raise

    async def _perform(self, effect: Effect) -> Any:
        try:
            match effect:
                case Request():
                    return await self._ask(effect)
                case Pause():
                    return await asyncio.sleep(effect.wait_ms / 1_000)
                case Compute():
                    return await asyncio.to_thread(effect.function)
                case Await():
                    return await effect.start()
        except Exception as error:
            return error

    async def _ask(self, request: Request) -> Response:
        if request.at:
            return await self._ask_at(request.at, request)
        dead: list[Unreachable] = []
        for url in self.addresses.in_turn():
            with self.addresses.trying(url, dead):
                return self.addresses.settled(url, await self._ask_at(url, request))
        raise _all_dead(dead)

    async def _ask_at(self, url: str, request: Request) -> Response:
        began_ms = clock.monotonic_ms()
        with _reaching(url):
            async with asyncio.timeout(DEADLINE_S), self._own.get().stream(**_sent(request, url)) as response:
                answer = _Answer(url, response, began_ms)
                async for part in response.aiter_bytes():
                    answer.take(part)
        return answer.whole()


def _all_dead(dead: Sequence[Unreachable]) -> Unreachable:
    """The error of the one address, or of all of them together."""
    return dead[0] if len(dead) == 1 else Unreachable("; ".join(each.detail for each in dead))
