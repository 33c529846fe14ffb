"""Callers that stall, drip, never read or come in crowds are cut off by the real server, and the others are served."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from trust.api.connections import Bounds, Connections
from trust.api.edge import Edge, Limits
from trust.api.methods import Methods
from trust.api.server import HttpServer, Place
from trust.api.telemetry import Telemetry
from trust.services.notifying import Notifier

SHORT_MS = 400
CUT_S = 4.0
LARGE = bytes(12_000_000)
HEAD = b" HTTP/1.1\r\nhost: x\r\n"
pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="sockets are listed on Linux")


async def _app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Reads the body, and answers with much at `/large`, for ever at `/stream`."""
    while (await receive()).get("more_body", False):
        pass
    body = LARGE if scope["path"] == "/large" else b"answered"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while scope["path"] == "/stream":
        await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})
    await send({"type": "http.response.body", "body": body, "more_body": False})


class Served:
    """A server in a thread of its own."""

    def __init__(self, **bounds: int) -> None:
        self._bounds = {"connections": 100, "of_caller": 50, **bounds}
        self._begun = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        assert self._begun.wait(10)

    async def _run(self) -> None:
        limits = Limits(patience_s=SHORT_MS / 1_000)
        self.edge = Edge(_app, Notifier(), Telemetry(), Methods([]), limits)
        place = Place("127.0.0.1", 0, headers_ms=SHORT_MS, idle_ms=2 * SHORT_MS, **self._bounds)
        self.server = HttpServer(self.edge, place, 200)
        self._begun.set()
        await self.server.serve()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def connect(self, request: bytes = b"") -> socket.socket:
        caller = socket.socket()
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        caller.settimeout(10)
        caller.connect(("127.0.0.1", self.server.port))
        caller.sendall(request)
        return caller

    def stop(self) -> None:
        self.server.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()


@contextmanager
def _served(**bounds: int) -> Iterator[Served]:
    served = Served(**bounds)
    try:
        yield served
    finally:
        served.stop()


def _is_cut(caller: socket.socket, timeout_s: float = CUT_S) -> bool:
    """Whether the other side ends a connection on which nothing is read."""
    end = time.monotonic() + timeout_s
    caller.setblocking(False)
    while time.monotonic() < end:
        try:
            if caller.send(b"") == 0 and _has_ended(caller):
                return True
        except BlockingIOError:
            pass
        except OSError:
            return True
        time.sleep(0.02)
    return False


def _has_ended(caller: socket.socket) -> bool:
    """The kernel's word on it: no longer established, whatever lies unread."""
    state = caller.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state != 1


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"GET /" + HEAD,
        b"GET /" + HEAD + b"\r\n",
        b"POST /" + HEAD + b"content-length: 9\r\n\r\nx",
        b"POST /" + HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n",
        b"GET /large" + HEAD + b"\r\n",
        b"GET /stream" + HEAD + b"\r\n",
    ],
    ids=[
        "nothing",
        "half a head",
        "idle afterwards",
        "half a body",
        "endless body",
        "unread answer",
        "unread stream",
    ],
)
def test_whoever_stalls_is_cut_off(request_: bytes) -> None:
    with _served() as served:
        assert _is_cut(served.connect(request_))
        assert httpx.get(served.url).text == "answered"


def test_a_body_that_stops_is_told_so() -> None:
    with _served() as served:
        caller = served.connect(b"POST /" + HEAD + b"content-length: 9\r\n\r\nx")
        answer = caller.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 408")
        assert b'"code":"too-slow"' in answer


def test_one_caller_has_its_share_of_the_connections_and_the_idlest_go() -> None:
    with _served(of_caller=10) as served, httpx.Client(base_url=served.url) as honest, ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(served.connect())
        end, most = time.monotonic() + 2, 0
        while time.monotonic() < end:
            assert honest.get("/").text == "answered"
            time.sleep(0.05)
        most = len(served.server.connections.now())
        assert most <= 10


def test_beyond_the_bound_of_all_who_has_most_loses(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Connections(1, Bounds(6, 100), lambda peer: 10**15 if peer[1] == 1 else -1)
    here = [("10.0.0.1", port) for port in range(1, 9)] + [("10.0.0.2", 1), ("10.0.0.3", 2)]
    cut: list[tuple[str, int]] = []
    monkeypatch.setattr("trust.api.connections._open", lambda port: list(enumerate(here)))
    monkeypatch.setattr("trust.api.connections._shut", lambda fd, peer: cut.__iadd__([peer]) != [])
    watched.look()
    assert len(cut) == 4
    assert {peer[0] for peer in cut} == {"10.0.0.1"}
    assert ("10.0.0.1", 1) not in cut


def test_a_listed_proxy_has_no_share_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Connections(1, Bounds(100, 2, lambda address: address == "10.0.0.1"), lambda _: -1)
    here = [("10.0.0.1", port) for port in range(9)] + [("10.0.0.2", port) for port in range(4)]
    cut: list[tuple[str, int]] = []
    monkeypatch.setattr("trust.api.connections._open", lambda port: list(enumerate(here)))
    monkeypatch.setattr("trust.api.connections._shut", lambda fd, peer: cut.__iadd__([peer]) != [])
    watched.look()
    assert sorted(peer[0] for peer in cut) == ["10.0.0.2"] * 2


def test_no_other_descriptor_of_the_process_is_touched() -> None:
    with _served(of_caller=1) as served, ExitStack() as stack:
        ours, theirs = socket.socketpair()
        elsewhere = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        client = stack.enter_context(socket.create_connection(elsewhere.getsockname()))
        accepted = stack.enter_context(elsewhere.accept()[0])
        for _ in range(5):
            stack.enter_context(served.connect())
        time.sleep(0.8)
        for one, other in ((ours, theirs), (client, accepted)):
            one.sendall(b"still here")
            assert other.recv(20) == b"still here"
            one.close()
            other.close()
