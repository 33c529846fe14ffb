"""Witnesses that a service asks in tests: honest ones with a store, and some that answer whatever they like."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.core.witnesses import two_of_three, witness
from tests.services.statements import Town
from trust.core.policy import Witnesses
from trust.log.note import Verifier
from trust.witness.server import WitnessServer
from trust.witness.store import Store
from trust.witness.witness import Witness

Behave = Callable[[BaseHTTPRequestHandler, bytes], None]


def witnessed_town(lines: Sequence[str] = ()) -> Town:
    """The town under a policy that asks for two of three witnesses."""
    town = Town()
    town.policy = replace(town.policy, witnesses=Witnesses(tuple(lines or two_of_three())))
    return town


class _Mortal(WitnessServer):
    """Takes its connections with it when it goes, as a process would."""

    def __init__(self, *args: Any) -> None:
        self._connections: list[socket.socket] = []
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def server_close(self) -> None:
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


@contextmanager
def honest(directory: Path, label: str, log: Verifier, port: int = 0) -> Iterator[str]:
    """A witness of our own that knows the log; its memory in the directory outlives it."""
    path = directory / f"{label}.db"
    if not path.exists():
        Store.create(path)
    store = Store(path)
    store.add_log(log.name, log)
    with (
        _Mortal("127.0.0.1", port, Witness(store, witness(label), directory)) as server,
        _running(server),
    ):
        yield f"http://127.0.0.1:{server.port}"
    store.close()


@contextmanager
def honest_ones(directory: Path, log: Verifier, *labels: str) -> Iterator[list[str]]:
    with ExitStack() as stack:
        yield [stack.enter_context(honest(directory, label, log)) for label in labels]


@contextmanager
def behaving(behave: Behave) -> Iterator[str]:
    """Something that answers a POST as it likes."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            try:
                behave(self, body)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    with server, _running(server):
        yield f"http://127.0.0.1:{server.server_address[1]}"


def answering(status: int, body: bytes, **headers: str) -> Behave:
    """Always the same answer."""

    def behave(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


@contextmanager
def _running(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
