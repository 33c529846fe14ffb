"""The real server on loopback: the stream of events, hostile requests, stopping, killing, starting again."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.house import House, found, settings_for
from tests.api.processes import Running, free_port, serving
from trust.settings import Settings

SLOW_S = 1.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, House]]:
    """A town on a service that runs for this module."""
    directory = tmp_path_factory.mktemp("served")
    url = f"sqlite:///{directory / 'trust.db'}"
    vkey = found(settings_for(directory, url), epoch_ms=600_000)  # nothing comes by itself
    with serving(directory, url, vkey) as (running, home):
        home.settle_in(verifiers=0)
        yield running, home


class Listener(threading.Thread):
    """Reads a stream of events, and when each came."""

    def __init__(self, base_url: str, headers: dict[str, str] | None = None, query: str = "") -> None:
        super().__init__(daemon=True)
        self.events: list[tuple[float, dict[str, Any]]] = []
        self.ended = threading.Event()
        self._response = httpx.stream("GET", f"{base_url}/v1/events{query}", headers=headers, timeout=30)
        self.start()

    def run(self) -> None:
        fields: dict[str, str] = {}
        try:
            with self._response as response:
                for line in response.iter_lines():
                    name, _, value = line.partition(": ")
                    if line:
                        fields[name] = value
                        continue
                    if "id" in fields:
                        self.events.append((time.monotonic(), {**json.loads(fields["data"]), **fields}))
                    fields = {}
        except httpx.TransportError:
            pass
        self.ended.set()

    def wait(self, count: int, timeout_s: float = 5) -> list[dict[str, Any]]:
        end = time.monotonic() + timeout_s
        while len(self.events) < count:
            assert time.monotonic() < end, f"{len(self.events)} of {count} events"
            time.sleep(0.005)
        return [event for _, event in self.events]


def test_events_come_at_once_and_go_on_where_a_reader_left(served: tuple[Running, House]) -> None:
    running, home = served
    live = Listener(running.base_url)
    time.sleep(0.3)
    index = home.done("/v1/tasks", home.task_post("streamed"))["receipt"]["index"]
    answered = time.monotonic()
    event = live.wait(1)[0]
    assert (event["id"], event["index"], event["event"]) == (str(index), index, "task.post")
    assert event["events"][0]["kind"] == "task.posted"
    assert live.events[0][0] - answered < 0.05
    resumed = Listener(running.base_url, {"last-event-id": str(index - 2)})
    assert [each["index"] for each in resumed.wait(2)[:2]] == [index - 1, index]
    whole = Listener(running.base_url, query="?after=-1")
    assert [each["index"] for each in whole.wait(index + 1)] == list(range(index + 1))
    assert httpx.get(f"{running.base_url}/v1/events", headers={"last-event-id": "x"}).status_code == 400


def test_a_stream_that_would_begin_beyond_the_log_is_told_so(served: tuple[Running, House]) -> None:
    running, home = served
    size = home.get("/v1/stats")["size"]
    for asked in ({"params": {"after": size}}, {"headers": {"last-event-id": str(size + 7)}}):
        answer = httpx.get(f"{running.base_url}/v1/events", **asked)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-entry")
    with httpx.stream("GET", f"{running.base_url}/v1/events", params={"after": size - 1}) as answer:
        assert answer.status_code == 200


def test_one_caller_has_its_share_of_the_streams(served: tuple[Running, House]) -> None:
    running, _ = served
    share = Settings().streams_per_caller
    with ExitStack() as stack:
        statuses = []
        for _ in range(share + 3):
            caller = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=5))
            caller.sendall(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n")
            statuses.append(int(caller.recv(16).split()[1]))
        assert statuses.count(200) <= share
        assert statuses[-1] == 429
    end = time.monotonic() + 5
    while httpx.head(f"{running.base_url}/v1/events").status_code == 429:
        assert time.monotonic() < end, "places are not given back"
        time.sleep(0.05)


def test_what_is_sent_raw_gets_an_answer_below_500(served: tuple[Running, House]) -> None:
    running, _ = served
    lines = [
        b"GET /v1/tasks/%ff%fe HTTP/1.1",
        b"GET /v1/tasks/%00 HTTP/1.1",
        b"GET /v1/agents/@b?limit=%ff HTTP/1.1",
        b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1",
        b"GET /v1/agents/" + b"a" * 6_000 + b" HTTP/1.1",
        b"POST /v1/tasks HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n\xff\xff",
        b"POST /v1/tasks HTTP/1.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
        b"PATCH /v1/tasks HTTP/1.1",
        b"HEAD /v1/policy HTTP/1.1",
        b"nonsense",
    ]
    for line in lines:
        status = _raw(running.base_url, line + b"\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert status < 500, line


def _raw(base_url: str, data: bytes) -> int:
    host, port = base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(data)
        first = connection.makefile("rb").readline()
    return int(first.split()[1]) if first else 400


def test_a_body_that_is_too_large_is_answered_and_not_cut_off(served: tuple[Running, House]) -> None:
    running, _ = served
    headers = {"content-type": "application/json"}
    answer = httpx.post(f"{running.base_url}/v1/statements", content=bytes(5 * 1024 * 1024), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_a_stop_ends_the_streams_and_is_quick(tmp_path: Path, sqlite_url: str) -> None:
    with serving(tmp_path, sqlite_url, found(settings_for(tmp_path, sqlite_url))) as (running, _):
        stream = Listener(running.base_url, query="?after=-1")
        stream.wait(1)
        begun = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - begun < 5
        assert stream.ended.wait(2)


def test_a_killed_service_goes_on_where_it_was(tmp_path: Path, sqlite_url: str) -> None:
    vkey, port = found(settings_for(tmp_path, sqlite_url)), free_port()
    with serving(tmp_path, sqlite_url, vkey, port) as (running, home):
        home.settle_in(verifiers=4)
        claim = home.claimed("interrupted")
        running.kill()
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{running.base_url}/health/live")
    with serving(tmp_path, sqlite_url, vkey, port) as (running, again):
        again.relay, again.verifiers = home.relay, home.verifiers
        assert again.get(f"/v1/claims/{claim}")["state"] == "claimed"
        again.delivered("afterwards")
        assert running.stop() == 0
