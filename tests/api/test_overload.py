"""Crowds against a service as it runs: it goes on to answer, and what a crowd costs is bounded. Run with `-m slow`."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.api.house import House, found, settings_for
from tests.api.processes import Running, serving

pytestmark = pytest.mark.slow
SUBSCRIBERS = 2_000
SUBSCRIBE = b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n"
ROOMY = {
    "connections_max": 8_000, "connections_per_caller": 8_000, "streams_max": 4_000, "streams_per_caller": 0,
    "requests_per_s": 0,
}  # fmt: skip
QUICK_S = 1.0
QUIET_SHARE = 0.15  # of a core


@pytest.fixture(autouse=True)
def _descriptors() -> Iterator[None]:
    """As many open sockets as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4_000:
        pytest.skip(f"{hard} open files are too few for a crowd")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def roomy(tmp_path: Path, sqlite_url: str) -> Iterator[tuple[Running, House]]:
    """A service that lets this one address have many connections."""
    vkey = found(settings_for(tmp_path, sqlite_url), epoch_ms=600_000, score_epoch_ms=600_000)
    with serving(tmp_path, sqlite_url, vkey, changes=ROOMY) as (running, home):
        home.settle_in()
        yield running, home


def _crowd(stack: ExitStack, running: Running, count: int, request: bytes) -> list[socket.socket]:
    callers = []
    for _ in range(count):
        caller = socket.socket()
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        caller.settimeout(20)
        caller.connect(("127.0.0.1", running.port))
        caller.sendall(request)
        callers.append(stack.enter_context(caller))
    return callers


def _cpu_s(running: Running) -> float:
    fields = Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _slowest_s(running: Running, rounds: int = 60) -> float:
    """How long the slowest of some honest requests took."""
    slowest = 0.0
    for _ in range(rounds):
        begun = time.monotonic()
        assert httpx.get(f"{running.base_url}/v1/policy", timeout=20).status_code == 200
        slowest = max(slowest, time.monotonic() - begun)
        time.sleep(0.03)
    return slowest


def test_thousands_who_listen_cost_next_to_nothing_and_each_hears(roomy: tuple[Running, House]) -> None:
    running, home = roomy
    with ExitStack() as stack:
        callers = _crowd(stack, running, SUBSCRIBERS, SUBSCRIBE)
        for caller in callers:
            assert caller.recv(12) == b"HTTP/1.1 200"
        before, begun = _cpu_s(running), time.monotonic()
        slowest = _slowest_s(running)
        time.sleep(5)
        share = (_cpu_s(running) - before) / (time.monotonic() - begun)
        begun = time.monotonic()
        home.done("/v1/tasks", home.task_post("heard"))
        for caller in callers:
            told = b""
            while b"task.posted" not in told:
                told += caller.recv(4_096)
        print(
            f"{SUBSCRIBERS} subscribers: {share:.1%} of a core, slowest honest answer {slowest * 1e3:.0f} ms, ",
            end="",
        )
        print(f"an entry heard by all after {time.monotonic() - begun:.2f} s")
        assert share < QUIET_SHARE
        assert slowest < QUICK_S


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"GET /v1/policy HTTP/1.1\r\nhost: x\r\n",
        b"POST /v1/statements HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n[",
        b"GET /v1/events?after=-1 HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["silent", "half heads", "half bodies", "unread streams"],
)
def test_a_crowd_that_stalls_slows_nobody_and_is_gone_in_a_while(
    roomy: tuple[Running, House], request_: bytes
) -> None:
    running, _ = roomy
    with ExitStack() as stack:
        _crowd(stack, running, 1_000, request_)
        slowest = _slowest_s(running)
        print(f"1,000 stalled: slowest honest answer {slowest * 1e3:.0f} ms")
        assert slowest < QUICK_S
    assert running.stop() == 0


def test_by_default_one_address_cannot_take_the_places_of_others(tmp_path: Path, sqlite_url: str) -> None:
    vkey = found(settings_for(tmp_path, sqlite_url))
    with serving(tmp_path, sqlite_url, vkey) as (running, _), ExitStack() as stack:
        _crowd(stack, running, 1_500, b"")
        time.sleep(1)
        slowest = _slowest_s(running)
        print(f"1,500 connections of one address: slowest honest answer {slowest * 1e3:.0f} ms")
        assert slowest < QUICK_S
        listed = Path(f"/proc/{running.process.pid}/fd")
        sockets = sum(1 for each in listed.iterdir() if "socket" in str(each.readlink()))
        assert sockets < 700
