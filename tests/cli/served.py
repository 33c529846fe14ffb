"""A service of a few lines on a real port, for commands that are run as a person runs them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.client.services import Handler
from trust.client.wire import Request, Response


@contextmanager
def serving(handle: Handler) -> Iterator[str]:
    """The address at which requests get what `handle` says; an exception is a connection that breaks off."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            said = handle(Request(self.command, self.path, self.rfile.read(length)))
            if not isinstance(said, Response):
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(said.status)
            for name, value in {"Content-Length": str(len(said.body)), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.body)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

        def handle_error(self) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
