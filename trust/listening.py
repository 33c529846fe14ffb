"""A small HTTP server, with a bound on everything that a stranger can take.

Bodies have at most `max_bytes`, with their length told beforehand or in chunks; a connection waits at most 30 s for a
request and a request takes at most 10 s as a whole, however slowly its bytes drip; connections beyond 128 are closed at
once.
"""

from __future__ import annotations

import io
import re
import signal
import socket
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, cast

from trust import clock, journal

IDLE_MS = 30_000
REQUEST_MS = 10_000
MAX_CONNECTIONS = 128
MAX_CHUNK_LINE = 256
MAX_TRAILERS = 16
TEXT = "text/plain; charset=utf-8"
_LENGTH = re.compile(r"0|[1-9][0-9]{0,8}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[^\r\n]*)?\r?\n")
_log = journal.logger("trust.listening")


class Answer(NamedTuple):
    """An HTTP status, a body and its type."""

    status: int
    body: bytes
    content_type: str = TEXT


class _Timed(io.RawIOBase):
    """A reader of a socket until a moment: a sender that drips does not start the time anew."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._until_ms = 0

    def allow(self, ms: int) -> None:
        """Lets reads take so long from now on, all together."""
        self._until_ms = clock.monotonic_ms() + ms

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_ms = self._until_ms - clock.monotonic_ms()
        if left_ms <= 0:
            raise TimeoutError("the request took too long")
        self._connection.settimeout(left_ms / 1_000)
        return self._connection.recv_into(buffer)


class Handler(BaseHTTPRequestHandler):
    """The requests of one connection. A kind of server names the methods of each path in `allowed`, and has `get` or
    `post` for them."""

    protocol_version = "HTTP/1.1"
    server_version = "trust"
    sys_version = ""
    max_bytes = 65_536

    def allowed(self) -> str:
        """Returns the methods of the request's path, as `Allow` shows them; "" where there is nothing."""
        return ""

    def get(self) -> Answer:
        """Answers GET and HEAD."""
        raise NotImplementedError

    def post(self, body: bytes) -> Answer:
        """Answers POST."""
        del body
        raise NotImplementedError

    def setup(self) -> None:
        super().setup()
        self._incoming = _Timed(self.connection)
        self.rfile = io.BufferedReader(self._incoming)

    def handle_one_request(self) -> None:
        server = cast(Server, self.server)
        self._incoming.allow(server.idle_ms)
        try:
            begun = bool(cast(io.BufferedReader, self.rfile).peek(1))
        except OSError:
            begun = False
        if not begun:
            self.close_connection = True
            return
        self._incoming.allow(server.request_ms)
        super().handle_one_request()

    def body(self) -> bytes | None:
        """Returns the request's body; None where it was answered that there is none that is taken."""
        lengths = self.headers.get_all("Content-Length", [])
        if codings := self.headers.get_all("Transfer-Encoding", []):
            if lengths or [coding.strip().lower() for coding in codings] != ["chunked"]:
                self.send_error(HTTPStatus.BAD_REQUEST)  # whoever stands in front may read it otherwise
                return None
            return self._chunked()
        if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]):
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
        elif int(lengths[0]) > self.max_bytes:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif len(body := self.rfile.read(int(lengths[0]))) < int(lengths[0]):
            self.send_error(HTTPStatus.BAD_REQUEST)
        else:
            return body
        return None

    def _chunked(self) -> bytes | None:
        """A body that came in chunks; None where it was answered that it is none, or too long."""
        body = b""
        while match := _CHUNK.fullmatch(self.rfile.readline(MAX_CHUNK_LINE)):
            size = int(match[1], 16)
            if not size:
                if self._has_ended():
                    return body
                break
            if len(body) + size > self.max_bytes:
                self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                return None
            piece = self.rfile.read(size)
            if len(piece) < size or self.rfile.readline(3) not in (b"\r\n", b"\n"):
                break
            body += piece
        self.send_error(HTTPStatus.BAD_REQUEST)
        return None

    def _has_ended(self) -> bool:
        """Returns whether an empty line follows, after few enough trailers."""
        lines = (self.rfile.readline(MAX_CHUNK_LINE) for _ in range(MAX_TRAILERS))
        return any(line in (b"\r\n", b"\n") for line in lines)

    def do_GET(self) -> None:
        """Answers where the path is for reading."""
        if self.command in self.allowed():
            self.send(self.get())
        else:
            self._not_allowed()

    def do_POST(self) -> None:
        """Answers where the path takes something, and its body is whole and not too long."""
        if self.command not in self.allowed():
            self._not_allowed()
        elif (body := self.body()) is not None:
            self.send(self.post(body))

    def _not_allowed(self) -> None:
        self.send_error(HTTPStatus.METHOD_NOT_ALLOWED if self.allowed() else HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET  # noqa: N815
    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _not_allowed  # noqa: N815

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """A plain answer, and the end of the connection: what may be left of the request is not read."""
        del message, explain
        self.close_connection = True
        self.send(Answer(int(code), f"{HTTPStatus(code).phrase}\n".encode()))

    def send(self, answer: Answer) -> None:
        """Sends an answer."""
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", self.allowed())
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as http.server calls it
        """Who serves says itself what it did."""


class Server(ThreadingHTTPServer):
    """Serves with a kind of handler: `serve_forever`, then `shutdown` from another thread."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        host: str,
        port: int,
        handler: type[Handler],
        idle_ms: int = IDLE_MS,
        request_ms: int = REQUEST_MS,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.idle_ms = idle_ms
        self.request_ms = request_ms
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((host, port), handler)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def stop_when_told(self) -> None:
        """Has SIGTERM and SIGINT end `serve_forever`; for the main thread."""

        def stop(number: int, frame: object) -> None:
            del number, frame
            threading.Thread(target=self.shutdown).start()

        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, stop)

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for the connection, or its end where there are too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no more threads
            self._free.release()
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is no event; anything else is a bug and is told."""
        del request, client_address
        if not isinstance(sys.exc_info()[1], OSError):
            _log.error("a request failed", exc_info=True)
