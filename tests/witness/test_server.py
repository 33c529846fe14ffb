"""The witness over HTTP: strangers get an answer or are cut off, in bounded time and memory."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from tests.speaking import Speaking
from tests.witness.logs import ORIGIN, WITNESS, AskingLog, log_key
from trust import listening
from trust.cli import run
from trust.cli.failures import GOOD, USAGE
from trust.log.note import Verifier, open_note
from trust.witness.server import WitnessServer
from trust.witness.store import Store
from trust.witness.witness import Witness

LOG = AskingLog()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WitnessServer]:
    """A witness that knows one log and has little patience, on a free port."""
    Store.create(tmp_path / "witness.db")
    store = Store(tmp_path / "witness.db")
    store.add_log(ORIGIN, log_key().verifier)
    with WitnessServer("127.0.0.1", 0, Witness(store, WITNESS, tmp_path), 1_000, 600) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
    store.close()


@pytest.fixture
def url(server: WitnessServer) -> str:
    return f"http://127.0.0.1:{server.port}/add-checkpoint"


def raw(server: WitnessServer, data: bytes, timeout_s: float = 5) -> bytes:
    """All that comes back on a connection that sent these bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout_s) as connection:
        connection.sendall(data)
        received = b""
        while part := connection.recv(65_536):
            received += part
        return received


def test_a_log_gets_cosignatures_on_one_connection(url: str) -> None:
    with httpx.Client() as client:
        for old, new in ((0, 5), (5, 6), (6, 300)):
            answer = client.post(url, content=LOG.body(old, new))
            assert answer.status_code == 200
            assert open_note(LOG.note(new) + answer.content, [WITNESS.verifier]).text
        answer = client.post(url, content=LOG.body(0, 7))
        assert (answer.status_code, answer.text) == (409, "300\n")
        assert answer.headers["content-type"] == "text/x.tlog.size"
        assert "connection" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/add-checkpoint", 405),
        ("PUT", "/add-checkpoint", 405),
        ("HEAD", "/add-checkpoint", 405),
        ("BREW", "/add-checkpoint", 501),
        ("GET", "/", 404),
        ("POST", "/", 404),
        ("POST", "/add-checkpoint/", 404),
        ("POST", "/add-checkpoint?x=1", 404),
        ("POST", "/%61dd-checkpoint", 404),
        ("POST", "/../add-checkpoint", 404),
        ("POST", "/../../etc/passwd", 404),
        ("POST", "/add-checkpoint%00", 404),
    ],
)
def test_another_path_or_method_is_refused(
    server: WitnessServer, method: str, path: str, status: int
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request(method, path, body=b"x")
    assert connection.getresponse().status == status
    connection.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"", b"411"),
        (b"Content-Length: -1\r\n", b"411"),
        (b"Content-Length: +5\r\n", b"411"),
        (b"Content-Length: 5, 5\r\n", b"411"),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n", b"411"),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"400"),
        (b"Transfer-Encoding: gzip, chunked\r\n", b"400"),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"400"),
        (b"Content-Length: 65537\r\n", b"413"),
        (b"Content-Length: 999999999\r\n", b"413"),
        (b"Content-Length: 99999999999999999999\r\n", b"411"),
        (b"X: " + b"y" * 70_000 + b"\r\n", b"431"),
        (b"X: y\r\n" * 200, b"431"),
    ],
)
def test_a_body_without_an_honest_length_is_refused_unread(
    server: WitnessServer, headers: bytes, status: bytes
) -> None:
    answer = raw(server, b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n")
    assert answer.split()[1] == status
    assert b"Connection: close" in answer


def test_a_body_may_come_in_chunks(url: str) -> None:
    body = LOG.body(0, 20)
    for size in (1, 7, len(body)):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        assert httpx.post(url, content=iter(pieces)).status_code in (200, 409)
    with httpx.Client() as client:
        for old, new in ((20, 30), (30, 40)):
            answer = client.post(url, content=iter([LOG.body(old, new)]))
            assert open_note(LOG.note(new) + answer.content, [WITNESS.verifier]).text


@pytest.mark.parametrize(
    ("chunks", "status"),
    [
        (b"x\r\n", b"400"),
        (b"-1\r\n", b"400"),
        (b"5\r\nabcdefg\r\n0\r\n\r\n", b"400"),
        (b"0\r\n" + b"a: b\r\n" * 100, b"400"),
        (b"5;" + b"x" * 1_000 + b"\r\nabcde\r\n0\r\n\r\n", b"400"),
        (b"10001\r\n", b"413"),
        (b"ffffffff\r\n", b"413"),
        (b"ffff\r\n" + bytes(65_535) + b"\r\n2\r\n", b"413"),
        (b"3\r\nabc\r\n0\r\nt: u\r\n\r\n", b"400"),
    ],
)
def test_chunks_that_are_wrong_or_too_many_are_refused(
    server: WitnessServer, chunks: bytes, status: bytes
) -> None:
    head = (
        b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    assert raw(server, head + chunks).split()[1] == status


def test_monitors_read_the_last_checkpoint_as_it_was_cosigned(server: WitnessServer, url: str) -> None:
    place = f"http://127.0.0.1:{server.port}/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    assert httpx.get(place).status_code == 404
    for old, new in ((0, 5), (5, 9)):
        line = httpx.post(url, content=LOG.body(old, new)).content
        answer = httpx.get(place)
        assert (answer.status_code, answer.content) == (200, LOG.note(new) + line)
        opened = open_note(answer.content, [log_key().verifier, WITNESS.verifier])
        assert len(opened.verified) == 2
    assert httpx.head(place).headers["content-length"] == str(len(answer.content))
    for other in (place.upper(), place.replace("/checkpoint", ""), place.replace(place[-70:], "0" * 64)):
        assert httpx.get(other.replace("HTTP", "http")).status_code == 404
    assert (httpx.post(place, content=b"").status_code, httpx.post(place).headers["allow"]) == (
        405,
        "GET, HEAD",
    )


@pytest.mark.parametrize(
    "data", [b"\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"A B C D\r\n\r\n"]
)
def test_what_is_not_http_ends_the_connection(server: WitnessServer, url: str, data: bytes) -> None:
    raw(server, data)
    assert httpx.post(url, content=LOG.body(0, 5)).status_code == 200


def test_a_body_that_ends_early_changes_nothing(server: WitnessServer, url: str) -> None:
    body = LOG.body(0, 5)
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(
            b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (len(body) + 1) + body
        )
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100).split()[1] == b"400"
    assert httpx.post(url, content=LOG.body(0, 7)).status_code == 200


@pytest.mark.parametrize(
    "begun", [b"", b"POST /add-", b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 500\r\n\r\n"]
)
def test_a_sender_that_drips_is_cut_off_as_if_it_were_silent(server: WitnessServer, begun: bytes) -> None:
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(begun)
        try:
            while time.monotonic() - start < 5:
                connection.sendall(b"x" if begun else b"")
                connection.settimeout(0.05)
                try:
                    if not connection.recv(1_000):
                        break
                except TimeoutError:
                    continue
        except ConnectionError:
            pass
    assert time.monotonic() - start < 3


def test_connections_beyond_the_limit_are_closed_and_the_places_come_back(
    server: WitnessServer, url: str
) -> None:
    address = ("127.0.0.1", server.port)
    idle = [socket.create_connection(address, timeout=5) for _ in range(listening.MAX_CONNECTIONS)]
    with socket.create_connection(address, timeout=5) as refused:
        assert refused.recv(1) == b""
    for connection in idle:
        connection.close()
    end = time.monotonic() + 5
    while True:
        try:
            assert httpx.post(url, content=LOG.body(0, 5)).status_code == 200
            return
        except httpx.TransportError:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_store_that_fails_is_503_without_a_cosignature(server: WitnessServer, url: str) -> None:
    server.witness._store.close()
    answer = httpx.post(url, content=LOG.body(0, 5))
    assert answer.status_code == 503
    assert "—" not in answer.text


# -- the command


@pytest.fixture
def data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A witness that `trust witness init` made, and that knows one log."""
    data = tmp_path / "w"
    assert run(["witness", "init", "--name", "witness.example.org/w", "--data", str(data)]) == GOOD
    assert run(["witness", "add-log", str(log_key().verifier), "--data", str(data)]) == GOOD
    capsys.readouterr()
    return data


@pytest.mark.journey
def test_a_witness_that_was_killed_remembers_what_it_cosigned(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = Verifier.parse((data / "witness.vkey").read_text(encoding="utf-8").strip())
    old = 0
    for new in (5, 9, 300):
        with _serving(data) as (_, url):
            answer = httpx.post(url, content=LOG.body(old, new))
            assert answer.status_code == 200
            assert open_note(LOG.note(new) + answer.content, [key]).text
            old = new
    assert run(["witness", "show", "--data", str(data), "--json"]) == GOOD
    (log,) = json.loads(capsys.readouterr().out)["logs"]
    assert (log["origin"], log["size"]) == (ORIGIN, 300)


@contextmanager
def _serving(data: Path) -> Iterator[tuple[Speaking, str]]:
    """A witness in a process of its own, and its address; killed at the end of the block."""
    process = Speaking(["witness", "serve", "--data", str(data), "--port", "0", "--json"], data.parent)
    try:
        told = b""
        while not told.endswith(b"}\n"):
            line = process.line()
            assert line, process.errors()
            told += line
        yield process, f"{json.loads(told)['serving']}/add-checkpoint"
    finally:
        process.kill()


@pytest.mark.journey
def test_a_witness_ends_when_it_is_told_to(data: Path) -> None:
    with _serving(data) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_init_never_replaces_a_key_and_wrong_usage_is_told(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = (data / "witness.key").read_bytes()
    assert (data / "witness.key").stat().st_mode & 0o777 == 0o600
    name = ["--name", "witness.example.org/w"]
    assert run(["witness", "init", *name, "--data", str(data)]) == USAGE
    assert (data / "witness.key").read_bytes() == key
    assert run(["witness", "init", "--name", "a b", "--data", str(tmp_path / "x")]) == USAGE
    assert not (tmp_path / "x").exists()
    assert run(["witness", "show", "--data", str(tmp_path / "x")]) == USAGE
    assert run(["witness", "add-log", str(WITNESS.verifier), "--data", str(data)]) == USAGE
    assert run(["witness", "add-log", "a+b+c", "--data", str(data)]) == USAGE
    assert "Traceback" not in capsys.readouterr().err
