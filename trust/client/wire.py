"""Requests and answers without any I/O: what a conversation with the service asks the outside world to do.

A conversation is a generator (`Exchange`). It yields effects - send this request, wait, run this slow function - and
is handed what came of them; a transport performs them, with or without asyncio. So every rule on retrying, parsing
and verifying stands once, and tests drive it with made-up answers. Shapes: docs/protocol.md 5.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from urllib.parse import quote, urlencode

import msgspec

from trust.client.problems import ServiceError
from trust.core.payloads import KINDS
from trust.verify.failures import NotProven

JSON_TYPE = "application/json"
BYTES_TYPE = "application/octet-stream"
MAX_BATCH_STATEMENTS = 1_000
MAX_BATCH_BYTES = 4 * 1024 * 1024
BATCH_PATH = "/v1/statements"

Facts = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `path` starts with a slash and carries the query.

    `at` is the address of somebody else than the service, such as a coordinator. `timeout_s`: how long the other side
    may be silent; the transport's own patience where it is 0.
    """

    method: str
    path: str
    body: bytes = b""
    content_type: str = ""
    upload: str = ""
    """The header that signs for bytes, where this stores some."""
    at: str = ""
    timeout_s: float = 0


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer, header names in lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before going on."""

    wait_ms: int


@dataclass(frozen=True, slots=True)
class Compute:
    """Run a function that may take long; its result comes back."""

    function: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for something on the event loop; only a transport that has one can."""

    start: Callable[[], Awaitable[Any]]


Effect = Request | Pause | Compute | Await
Exchange = Generator[Effect, Any, T]


def ask(request: Request) -> Exchange[Response]:
    """Sends a request once."""
    return cast(Response, (yield request))


def pause(wait_ms: int) -> Exchange[None]:
    """Waits."""
    yield Pause(wait_ms)


def compute(function: Callable[[], T]) -> Exchange[T]:
    """Runs a slow function where it blocks nobody."""
    return cast(T, (yield Compute(function)))


def awaited(start: Callable[[], Awaitable[T]]) -> Exchange[T]:
    """Waits for something on the event loop."""
    return cast(T, (yield Await(start)))


def write_path(kind: str) -> str:
    """Where a statement of this kind is posted."""
    return KINDS[kind].endpoint


def path(template: str, *parts: str, **query: object) -> str:
    """A path from a template with `{}` for each part; parts and query are quoted, a query that is None left out."""
    filled = template.format(*(quote(part, safe="@:") for part in parts))
    given = {name: str(value) for name, value in query.items() if value is not None}
    return f"{filled}?{urlencode(given)}" if given else filled


def write(kind: str, envelope: bytes) -> Request:
    """The request that posts one statement."""
    return Request("POST", write_path(kind), envelope, JSON_TYPE)


def batches(envelopes: Sequence[bytes]) -> list[list[bytes]]:
    """The envelopes in order, in as few batches as the limits allow."""
    cut: list[list[bytes]] = [[]]
    room = MAX_BATCH_BYTES - 2
    for envelope in envelopes:
        if len(cut[-1]) == MAX_BATCH_STATEMENTS or (cut[-1] and len(envelope) + 1 > room):
            cut.append([])
            room = MAX_BATCH_BYTES - 2
        cut[-1].append(envelope)
        room -= len(envelope) + 1
    return cut if cut[0] else []


def batch(envelopes: Sequence[bytes]) -> Request:
    """The request that posts several statements, in order."""
    return Request("POST", BATCH_PATH, b"[" + b",".join(envelopes) + b"]", JSON_TYPE)


def facts(response: Response) -> Facts:
    """The JSON object of an answer; `NotProven` where it is none, the service's error where it is a problem."""
    value = _json(response)
    if response.status >= 400:
        raise ServiceError.of(response.status, value or {}, retry_after_s(response))
    if value is None:
        raise NotProven(f"an answer of status {response.status} that is no JSON object")
    return value


def content(response: Response) -> bytes:
    """The bytes of an answer, or the service's error."""
    if response.status >= 400:
        raise ServiceError.of(response.status, _json(response) or {}, retry_after_s(response))
    return response.body


def _json(response: Response) -> Facts | None:
    try:
        value = json.loads(response.body, object_hook=Answered)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def retry_after_s(response: Response) -> int | None:
    """The seconds of Retry-After; None without one, or where it is a date."""
    text = response.headers.get("retry-after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


class Answered(dict[str, Any]):
    """An object of an answer: asked for a member that it lacks, it is what does not fit, and not who asks."""

    def __missing__(self, name: str) -> Any:
        raise NotProven(f"an answer without {name!r}: {', '.join(self) or 'nothing'} is in it")


def shaped(value: object, shape: type[T]) -> T:
    """An answer's JSON as a type, members it does not name left out; `NotProven` where it does not fit."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise NotProven(f"an answer that is not what it should be: {error}") from error
