"""Sockets: WebSocket and plain HTTP on one port, and a bound on everything that a stranger can take.

`websockets` speaks HTTP as far as its handshake does, which is GET. A POST is read here whole, within bounds, and put
to it as the request that it can answer; its body waits in `posted`. Whoever does not send a whole request, or a valid
hello, in time is hung up on, and so is who does not answer a ping; connections beyond the limit are closed at once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from trust.relay.messages import MAX_MESSAGE_BYTES, encode

MAX_HEAD_BYTES = 8 * 1024
MAX_POSTED_BYTES = 128 * 1024
MAX_CONNECTIONS = 4_096
REQUEST_S = 10.0
PING_S = 20.0
FRAMES_AHEAD = 8
"""Frames of one connection that wait to be read; then its socket is not read any further."""
BACKLOG = 1_024
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*(?=\r\n)", re.IGNORECASE)
_BODY = re.compile(rb"\r\n(?:content-length|transfer-encoding|expect):[^\r\n]*(?=\r\n)", re.IGNORECASE)
_END = b"\r\n\r\n"

Answer = tuple[int, Any]
Rest = Callable[[str, str, bytes | None], Awaitable[Answer]]
"""Method, path with its query, body: status and what to answer, bytes as they are and anything else as JSON."""


class Connection(ServerConnection):
    """One connection; `posted` is the body of a POST."""

    posted: bytes | None = None
    _head = b""
    _passed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self.server.handler_tasks) > MAX_CONNECTIONS:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hands on what is no POST as it comes, and a POST once it is whole."""
        if self._passed:
            super().data_received(data)
            return
        self._head += data
        if not b"POST ".startswith(self._head[:5]):
            self._pass(self._head)
        elif _END in self._head:
            self._read_body()
        elif len(self._head) > MAX_HEAD_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")

    def _pass(self, data: bytes) -> None:
        self._passed, self._head = True, b""
        super().data_received(data)

    def _read_body(self) -> None:
        head, _, body = self._head.partition(_END)
        lengths = _LENGTH.findall(head + b"\r\n")
        if len(lengths) != 1 or b"transfer-encoding:" in head.lower():
            self._refuse(b"411 Length Required")
        elif int(lengths[0]) > MAX_POSTED_BYTES or len(body) > int(lengths[0]):
            self._refuse(b"413 Content Too Large")
        elif b"expect: 100-continue" in head.lower() and not body and int(lengths[0]):
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if len(lengths) == 1 and len(body) == int(lengths[0]) and not self._passed:
            self.posted = body
            self._pass(b"GET" + _BODY.sub(b"", head.removeprefix(b"POST") + b"\r\n") + b"\r\n")

    def _refuse(self, status: bytes) -> None:
        self._passed = True
        self.transport.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self.transport.close()


async def listen(
    talk: Callable[[ServerConnection], Awaitable[None]], rest: Rest, host: str, port: int
) -> Server:
    """Starts serving: WebSockets to `talk`, requests to `rest`."""

    async def answer(connection: ServerConnection, request: Request) -> Response | None:
        posted = getattr(connection, "posted", None)
        if posted is None and request.headers.get("Upgrade", "").lower() == "websocket":
            return None
        method = request.method if posted is None else "POST"
        if method not in ("GET", "POST"):
            return _response(405, {"status": 405, "code": "method-not-allowed", "detail": method[:20]})
        return _response(*await rest(method, request.path, posted))

    return await serve(
        talk,
        host,
        port,
        process_request=answer,
        create_connection=Connection,
        compression=None,
        max_size=MAX_MESSAGE_BYTES,
        max_queue=FRAMES_AHEAD,
        open_timeout=REQUEST_S,
        ping_interval=PING_S,
        ping_timeout=PING_S,
        close_timeout=1,
        backlog=BACKLOG,
    )


def _response(status: int, value: Any) -> Response:
    body = value if isinstance(value, bytes) else encode(value) + b"\n"
    kind = "application/octet-stream" if isinstance(value, bytes) else "application/json"
    headers = Headers(
        {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Connection": "close",
            "Access-Control-Allow-Origin": "*",
        }
    )
    return Response(status, REASONS.get(status, "Error"), headers, body)


REASONS = {
    200: "OK", 201: "Created", 400: "Bad Request", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 409: "Conflict", 410: "Gone", 413: "Content Too Large", 422: "Unprocessable Content",
    429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip
