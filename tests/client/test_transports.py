"""A service that answers without end takes neither the caller's time nor its memory. Real sockets."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.cli.served import serving as echoing
from trust.client import transports
from trust.client.problems import Unreachable
from trust.client.transports import AsyncTransport, Transport
from trust.client.wire import Exchange, Request, Response
from trust.errors import ClientError

Run = Callable[[str], Response]
NOBODY = "http://127.0.0.1:9"
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


def _asking(path: str) -> Exchange[Response]:
    answer = yield Request("GET", path)
    assert isinstance(answer, Response)
    return answer


def _child(transport: Transport, name: int) -> int:
    """A copy of this process that asks fifty times and says how many answers were another's."""
    child = os.fork()
    if child:
        return child
    wrong = 1
    try:
        paths = [f"/{name}/{number}" for number in range(50)]
        wrong = sum(transport.run(_asking(path)).body != path.encode() for path in paths)
    finally:
        os._exit(min(wrong, 1))


def test_copies_of_a_process_never_read_each_others_answers() -> None:
    with echoing(lambda request: Response(200, request.path.encode())) as url:
        transport = Transport(url)
        assert transport.run(_asking("/before")).body == b"/before"
        children = [_child(transport, name) for name in range(2)]
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
        assert transport.run(_asking("/after")).body == b"/after"


def _run_at(urls: list[str], *, is_async: bool) -> tuple[Response, str]:
    if not is_async:
        transport = Transport(urls)
        return transport.run(_asking("/x")), transport.addresses.in_turn()[0]
    waiting = AsyncTransport(urls)
    return asyncio.run(waiting.run(_asking("/x"))), waiting.addresses.in_turn()[0]


@pytest.mark.parametrize("is_async", [False, True])
def test_where_an_address_is_dead_the_next_one_is_asked_and_stays(is_async: bool) -> None:
    with echoing(lambda request: Response(200, b"here")) as url:
        answer, first = _run_at([NOBODY, url], is_async=is_async)
    assert (answer.body, first) == (b"here", url)


@pytest.mark.parametrize("is_async", [False, True])
def test_where_every_address_is_dead_all_of_them_are_told(is_async: bool) -> None:
    with pytest.raises(Unreachable) as told:
        _run_at([NOBODY, "http://127.0.0.1:7"], is_async=is_async)
    assert "127.0.0.1:9" in told.value.detail
    assert "127.0.0.1:7" in told.value.detail


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (Response(302, b"", {"location": "https://portal.example/login"}), "https://portal.example/login"),
        (Response(200, b"<html>", {"content-type": "text/html; charset=utf-8"}), "web page"),
        (Response(403, b"<html>", {"content-type": "text/html"}), "web page"),
    ],
)
def test_another_site_in_the_services_place_is_no_answer_of_the_service(
    answer: Response, what: str, is_async: bool
) -> None:
    with echoing(lambda request: answer) as url, pytest.raises(Unreachable, match=what):
        _run_at([url], is_async=is_async)


@pytest.mark.parametrize("kind", [Transport, AsyncTransport])
def test_a_proxy_in_the_environment_that_cannot_be_used_is_named(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:1")
    with pytest.raises(ClientError, match="proxy") as told:
        kind("http://127.0.0.1:1")
    assert "ALL_PROXY" in told.value.hint


def test_a_socks_proxy_is_no_trouble_for_a_service_in_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with echoing(lambda request: Response(200, b"here")) as url:
        assert Transport(url).run(_asking("/x")).body == b"here"
