"""Bodies as bytes: the type is right, and no more is read than is allowed (docs/architecture.md 4, step 1).

Nothing is decoded here. The one strict parser does that, so the framework's own decoding of bodies is never used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec
from litestar import Request

from trust.errors import TrustError

JSON = "application/json"
NDJSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
MAX_BATCH = 1_000
MAX_DRAINED_BYTES = 16 * 1024 * 1024
HttpRequest = Request[Any, Any, Any]
_batch = msgspec.json.Decoder(list[msgspec.Raw])


def media_type(request: HttpRequest) -> str:
    """The body's media type without parameters; a compressed body is of no type that we take."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise TrustError("unsupported-type", "send the body without a content-encoding")
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def pieces(request: HttpRequest, max_bytes: int) -> AsyncIterator[bytes]:
    """The body as it arrives; TrustError `too-large` as soon as it is known to be."""
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > max_bytes:
        await drain(request)
        raise _too_large(max_bytes)
    size, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":
            raise TrustError("malformed", "the connection ended within the body")
        more = message.get("more_body", False)
        piece = message.get("body", b"")
        size += len(piece)
        if size > max_bytes:
            raise _too_large(max_bytes)
        yield piece


async def read(request: HttpRequest, max_bytes: int, types: Iterable[str] = (JSON,)) -> bytes:
    """The whole body of one of the media types."""
    if media_type(request) not in types:
        raise TrustError("unsupported-type", f"the body is to be {' or '.join(sorted(types))}")
    return b"".join([piece async for piece in pieces(request, max_bytes)])


async def read_batch(request: HttpRequest, max_bytes: int) -> list[bytes]:
    """The items of a JSON array or of NDJSON lines, each as the bytes that it stood there with."""
    body = await read(request, max_bytes, {JSON, *NDJSON})
    items = _lines(body) if media_type(request) in NDJSON else _items(body)
    if not 1 <= len(items) <= MAX_BATCH:
        raise TrustError("malformed", f"a batch has 1 to {MAX_BATCH} statements, not {len(items)}")
    return items


def _lines(body: bytes) -> list[bytes]:
    return [line for line in body.split(b"\n") if line.strip()]


def _items(body: bytes) -> list[bytes]:
    try:
        return [bytes(item) for item in _batch.decode(body)]
    except UnicodeDecodeError as error:
        raise TrustError("invalid-utf8", f"not UTF-8 at byte {error.start}") from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise TrustError("malformed", f"not a JSON array: {error}") from None


def _too_large(max_bytes: int) -> TrustError:
    return TrustError("too-large", f"at most {max_bytes} bytes are taken here")


async def drain(request: HttpRequest) -> None:
    """Reads on where it is not much, so that the client is still there for the answer."""
    left = MAX_DRAINED_BYTES
    while left > 0:
        message: Any = await request.receive()
        left -= len(message.get("body", b""))
        if not message.get("more_body", False):
            return
