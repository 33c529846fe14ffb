"""A service that answers without end takes neither the caller's time nor its memory. Real sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from trust.client import transports
from trust.client.problems import Unreachable
from trust.client.transports import AsyncTransport, Transport
from trust.client.wire import Exchange, Request, Response

Run = Callable[[str], Response]
ENDLESS = b"x" * 1_000


def asked() -> Exchange[Response]:
    answer = yield Request("GET", "/endless")
    assert isinstance(answer, Response)
    return answer


def blocking(url: str) -> Response:
    return Transport(url).run(asked())


def awaiting(url: str) -> Response:
    return asyncio.run(AsyncTransport(url).run(asked()))


both = pytest.mark.parametrize("run", [blocking, awaiting])


@contextmanager
def serving(pause_s: float, parts: int) -> Iterator[str]:
    """A server that says a little again and again."""
    enough = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            try:
                for _ in range(parts):
                    self.wfile.write(ENDLESS)
                    if enough.wait(pause_s):
                        return
            except OSError:
                return

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        enough.set()
        server.shutdown()
        server.server_close()


@both
def test_an_answer_comes_whole_in_its_parts(run: Run) -> None:
    with serving(pause_s=0, parts=50) as url:
        answer = run(url)
    assert (answer.status, answer.body) == (200, ENDLESS * 50)
    assert answer.headers["content-type"] == "text/plain"


@both
def test_an_answer_that_never_ends_is_given_up_in_time(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "DEADLINE_S", 0.3)
    with serving(pause_s=0.05, parts=10**6) as url, pytest.raises(Unreachable, match=r"longer than 0\.3 s"):
        run(url)


@both
def test_an_answer_that_is_too_large_is_given_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "MAX_BATCH_RECEIPT_BYTES", 10**6)
    with serving(pause_s=0, parts=10**6) as url, pytest.raises(Unreachable, match="more than 1000000 bytes"):
        run(url)
