"""What every request passes before and after its handler: an id, the rate limit, `min_size`, counts, and the last net.

Every answer carries `Request-Id` and `Trust-Size`; reads may be called from any web page (CORS). Litestar's routing
errors pass here too, which is why this wraps the application and is not one of its middlewares.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any
from urllib.parse import parse_qs

from trust.api.problems import PROBLEM_TYPE, problem, unexpected
from trust.api.telemetry import Telemetry
from trust.clock import monotonic_ms
from trust.errors import TrustError
from trust.services.notifying import Notifier

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

SIZE_KEY = "trust_size"
MIN_SIZE_WAIT_S = 1.0
MAX_CALLERS = 10_000
POSTED_READS = frozenset({"/v1/priorities", "/v1/claims/check"})
_PROCESS = secrets.token_hex(4).encode()
_serial = count(1)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_ALLOW_ANY: Header = (b"access-control-allow-origin", b"*")
_EXPOSE: Header = (b"access-control-expose-headers", b"Request-Id, Trust-Size, Retry-After, ETag")
_PREFLIGHT: list[Header] = [
    _ALLOW_ANY,
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"Content-Type, Last-Event-ID, Request-Id"),
    (b"access-control-max-age", b"86400"),
]


class RateLimit:
    """A token bucket for each caller: `per_s` requests a second, and as many at once; 0 is no limit."""

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def admits(self, caller: str) -> bool:
        """Takes a token of this caller, or says that there is none."""
        if not self._per_s:
            return True
        now_ms = monotonic_ms()
        tokens, since_ms = self._buckets.pop(caller, (float(self._per_s), now_ms))
        tokens = min(float(self._per_s), tokens + (now_ms - since_ms) * self._per_s / 1000)
        admitted = tokens >= 1
        self._buckets[caller] = (tokens - 1 if admitted else tokens, now_ms)
        if len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        return admitted


class Edge:
    """The application as the server sees it."""

    def __init__(self, app: Any, notifier: Notifier, telemetry: Telemetry, requests_per_s: int) -> None:
        self.app = app
        self._notifier = notifier
        self._telemetry = telemetry
        self._limit = RateLimit(requests_per_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun_ms = monotonic_ms()
        answer = _Answer(send, scope, self._notifier)
        try:
            await self._serve(scope, receive, answer)
        except TrustError as error:
            await answer.fail(*problem(error))
        except Exception as error:
            await answer.fail(*unexpected(scope, error))
        finally:
            self._telemetry.answered(scope, answer.status, monotonic_ms() - begun_ms)

    async def _serve(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        if scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method"):
            await answer.reply(204, b"", _PREFLIGHT)
            return
        client = scope.get("client") or ("", 0)
        if not scope["path"].startswith("/health/") and not self._limit.admits(client[0]):
            raise TrustError(
                "rate-limited", "more requests in a second than this service takes of one caller"
            )
        if b"min_size=" in scope["query_string"]:
            await self._wait_for(scope["query_string"])
        await self.app(scope, receive, answer.send)

    async def _wait_for(self, query: bytes) -> None:
        asked = parse_qs(query.decode("ascii", "replace")).get("min_size", [""])[0]
        if not re.fullmatch(r"[0-9]{1,16}", asked):
            raise TrustError("bad-parameter", "min_size: a log size, a whole number")
        size = await self._notifier.more_than(int(asked) - 1, MIN_SIZE_WAIT_S)
        if size < int(asked):
            raise TrustError("behind", f"this replica has seen {size} entries, not {asked}")


class _Answer:
    """The answer to one request on its way out."""

    def __init__(self, send: Send, scope: Scope, notifier: Notifier) -> None:
        self._send = send
        self._scope = scope
        self._notifier = notifier
        self.status = 0

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._headers()]
        await self._send(message)

    async def reply(self, status: int, body: bytes, headers: list[Header]) -> None:
        """Sends a whole answer."""
        headers = [*headers, (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    async def fail(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Sends a problem, where the answer has not begun."""
        if self.status:
            return
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.reply(status, body, [(b"content-type", PROBLEM_TYPE.encode()), *pairs])

    def _headers(self) -> list[Header]:
        given = _header(self._scope, b"request-id")
        request_id = given if _REQUEST_ID.fullmatch(given) else b"%b-%x" % (_PROCESS, next(_serial))
        size = self._scope.get(SIZE_KEY, self._notifier.size)
        headers = [(b"request-id", request_id), (b"trust-size", str(size).encode())]
        if self._scope["method"] == "GET" or self._scope["path"] in POSTED_READS:
            headers += [_ALLOW_ANY, _EXPOSE]
        return headers


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key.lower() == name), b"")
