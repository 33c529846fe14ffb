"""The layer that every request passes before and after its handler: an id, limits, deadlines, `min_size`, the last net.

Every answer carries `Request-Id` and `Trust-Size`; reads may be called from any web page (CORS). Litestar's routing
errors pass here too, which is why this wraps the application and is not one of its middlewares.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import count
from traceback import format_exc
from typing import Any
from urllib.parse import parse_qs

from trust import spans
from trust.api.callers import Proxies, RateLimit, share_of
from trust.api.deadlines import PATIENCE_S, Message, Receive, Send, TooSlow, Transfer, Waiting
from trust.api.methods import Methods, is_read
from trust.api.problems import PROBLEM_TYPE, problem, unexpected
from trust.api.telemetry import Telemetry
from trust.api.tracing import traced
from trust.clock import monotonic_ms
from trust.errors import TrustError
from trust.services.notifying import Notifier

Scope = dict[str, Any]
Header = tuple[bytes, bytes]
Peer = tuple[str, int]
ErrorPage = Callable[[str, bytes], tuple[bytes, dict[str, str]] | None]
"""Makes a page of a problem, with its headers; None where what was asked for, by its path, is no page."""
Running = Callable[[], AbstractAsyncContextManager[None]]
"""Starts what runs beside an application, and stops it."""

SIZE_KEY = "trust_size"
CALLER_KEY = "trust_caller"
PARTS_KEY = "trust_parts"
"""What the handlers of an application are given, by name."""
AT_END_KEY = "trust_at_end"
"""An ExitStack that is closed when the request has been answered."""
ONLY_HEAD_KEY = "trust_only_head"
MIN_SIZE_WAIT_S = 1.0
CUT_S = 0.5
MAX_PEERS = 20_000
_PROCESS = secrets.token_hex(4).encode()
_serial = count(1)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_ALLOW_ANY: Header = (b"access-control-allow-origin", b"*")
_EXPOSE: Header = (b"access-control-expose-headers", b"Request-Id, Trust-Size, Retry-After, ETag")
_ALLOW_HEADERS: Header = (
    b"access-control-allow-headers",
    b"Content-Type, If-None-Match, Last-Event-ID, Request-Id, traceparent",
)
_NO_SNIFFING: Header = (b"x-content-type-options", b"nosniff")
_MAX_AGE: Header = (b"access-control-max-age", b"86400")


@dataclass(frozen=True)
class Limits:
    """Limits of one caller: requests, and how long it may let the service wait."""

    requests_per_s: int = 0
    proxies: Sequence[str] = ()
    patience_s: float = PATIENCE_S


@dataclass(frozen=True)
class Parts:
    """What handlers are given, by name, and what runs beside them."""

    given: Mapping[str, object] = field(default_factory=dict)
    running: Running = nullcontext


class Edge:
    """The application as the server sees it."""

    def __init__(
        self,
        app: Any,
        notifier: Notifier,
        telemetry: Telemetry,
        methods: Methods,
        limits: Limits,
        error_page: ErrorPage = lambda _, __: None,
        parts: Parts | None = None,
    ) -> None:
        self._error_page = error_page
        self._parts = parts or Parts()
        self.app = app
        self.proxies = Proxies(limits.proxies)
        self._notifier = notifier
        self._telemetry = telemetry
        self._methods = methods
        self._patience_s = limits.patience_s
        self._limit = RateLimit(limits.requests_per_s)
        self._waiting = Waiting()
        self._busy: Counter[Peer] = Counter()
        self._asked: OrderedDict[Peer, int] = OrderedDict()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with traced(scope["method"], scope["headers"]):
            await self._answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Starts what runs beside the application, and stops it when the server says so (ASGI's lifespan)."""
        await receive()
        step = "startup"
        try:
            async with self._parts.running():
                await send({"type": "lifespan.startup.complete"})
                step = "shutdown"
                await receive()
        except BaseException:
            await send({"type": f"lifespan.{step}.failed", "message": format_exc()})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun_ms, peer, task = monotonic_ms(), _peer(scope), asyncio.current_task()
        transfer = Transfer(receive, send, self._waiting, self._patience_s)
        answer = _Answer(transfer.send, scope, self._notifier, self._methods, self._error_page)
        self._begin(peer, task)
        try:
            with ExitStack() as at_end:
                scope[AT_END_KEY] = at_end
                await self._serve(scope, transfer, answer)
        except TrustError as error:
            await answer.fail(*problem(error))
        except asyncio.CancelledError:
            await self._cut_off(answer)
        except TooSlow:
            raise
        except Exception as error:
            await answer.fail(*unexpected(scope, error))
        finally:
            transfer.end()
            self._end(peer, task)
            self._telemetry.answered(scope, answer.status, monotonic_ms() - begun_ms)
            spans.answered(scope["method"], scope.get("path_template") or "other", answer.status)

    def asked_ms(self, peer: Peer) -> int:
        """When a request of this connection was last in progress, -1 for never; from any thread."""
        return monotonic_ms() if peer in self._busy else self._asked.get(peer, -1)

    def cut(self) -> None:
        """Ends every request that is in progress: the process is about to end."""
        for task in tuple(self._tasks):
            task.cancel()

    def _begin(self, peer: Peer, task: asyncio.Task[Any] | None) -> None:
        self._tasks |= {task} if task else set()
        self._busy[peer] += 1

    def _end(self, peer: Peer, task: asyncio.Task[Any] | None) -> None:
        self._tasks -= {task} if task else set()
        self._busy[peer] -= 1
        if not self._busy[peer]:
            del self._busy[peer]
        self._asked[peer] = monotonic_ms()
        self._asked.move_to_end(peer)
        if len(self._asked) > MAX_PEERS:
            self._asked.popitem(last=False)

    async def _cut_off(self, answer: _Answer) -> None:
        with suppress(TimeoutError, TooSlow):
            await asyncio.wait_for(answer.fail(*problem(TrustError("shutting-down"))), CUT_S)

    async def _serve(self, scope: Scope, transfer: Transfer, answer: _Answer) -> None:
        caller = scope[CALLER_KEY] = share_of(self.proxies.caller(scope))
        path = scope["path"]
        if not path.startswith("/health/") and not self._limit.admits(caller):
            raise TrustError(
                "rate-limited", "more requests in a second than this service takes of one caller"
            )
        if "//" in path or (path != "/" and path.endswith("/")):
            raise TrustError("unknown-path")  # the framework would take it for another address of the same
        if scope["method"] == "OPTIONS":
            await answer.options(path)
            return
        if scope["method"] == "HEAD":
            scope |= {"method": "GET", ONLY_HEAD_KEY: True}
        if b"min_size=" in scope["query_string"]:
            await self._wait_for(scope["query_string"])
        scope[PARTS_KEY] = self._parts.given
        await self.app(scope, transfer.receive, answer.send)

    async def _wait_for(self, query: bytes) -> None:
        asked = parse_qs(query.decode("ascii", "replace")).get("min_size", [""])[0]
        if not re.fullmatch(r"[0-9]{1,16}", asked):
            raise TrustError("bad-parameter", "min_size: a log size, a whole number")
        size = await self._notifier.more_than(int(asked) - 1, MIN_SIZE_WAIT_S)
        if size < int(asked):
            raise TrustError("behind", f"this replica has seen {size} entries, not {asked}")


class _Answer:
    """The answer to one request on its way out."""

    def __init__(
        self, send: Send, scope: Scope, notifier: Notifier, methods: Methods, error_page: ErrorPage
    ) -> None:
        self._send = send
        self._error_page = error_page
        self._scope = scope
        self._notifier = notifier
        self._methods = methods
        self._only_head = scope["method"] == "HEAD"
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*self._own(message), *self._headers()]
        elif self._only_head:
            message = {**message, "body": b""}
        await self._send(message)

    async def reply(self, status: int, body: bytes, headers: list[Header]) -> None:
        """Sends a whole answer."""
        headers = [*headers, (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    async def fail(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Sends a problem, as a page to who asked for one, where the answer has not begun."""
        if self.status:
            return
        page = self._error_page(self._scope["path"], body) if self._scope["method"] == "GET" else None
        body, shown = page or (body, {"content-type": PROBLEM_TYPE})
        pairs = [(name.lower().encode(), value.encode()) for name, value in (shown | headers).items()]
        await self.reply(status, body, pairs)

    async def options(self, path: str) -> None:
        """Says which methods a path has, and to a web page of another origin which of them it may use."""
        methods, granted = self._methods.of(path), self._methods.granted(path)
        if not methods:
            raise TrustError("unknown-path")
        headers: list[Header] = [(b"allow", ", ".join(methods).encode())]
        if _header(self._scope, b"access-control-request-method") and granted:
            allowed: Header = (b"access-control-allow-methods", ", ".join(granted).encode())
            headers += [_ALLOW_ANY, allowed, _ALLOW_HEADERS, _MAX_AGE]
        await self.send({"type": "http.response.start", "status": 204, "headers": headers})
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    def _own(self, message: Message) -> list[Header]:
        """The handler's headers; what a path does not take is told with all that it takes."""
        headers: list[Header] = list(message.get("headers", ()))
        if self.status == 405:
            allow = ", ".join(self._methods.of(self._scope["path"])).encode()
            headers = [*(each for each in headers if each[0].lower() != b"allow"), (b"allow", allow)]
        if self.status == 408:
            headers.append((b"connection", b"close"))
        return headers

    def _headers(self) -> list[Header]:
        given = _header(self._scope, b"request-id")
        request_id = given if _REQUEST_ID.fullmatch(given) else b"%b-%x" % (_PROCESS, next(_serial))
        size = self._scope.get(SIZE_KEY, self._notifier.size)
        headers = [(b"request-id", request_id), (b"trust-size", str(size).encode()), _NO_SNIFFING]
        if is_read(self._scope["method"], self._scope["path"]):
            headers += [_ALLOW_ANY, _EXPOSE]
        return headers


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key.lower() == name), b"")


def _peer(scope: Scope) -> Peer:
    host, port = scope.get("client") or ("", 0)
    return str(host), int(port or 0)
