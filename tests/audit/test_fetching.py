"""A log is read from a service, a directory or a database, and not believed from any of them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from tests.audit.networks import World, publish, signer
from tests.audit.stored import store
from trust.audit.auditing import audit
from trust.audit.database_source import DatabaseSource
from trust.audit.fetching import DirectorySource, HttpSource, Source, open_source
from trust.audit.report import CannotCheck
from trust.storage.engine import Database

VKEY = str(signer().verifier)
Answer = Callable[[str], httpx.Response]


def files(folder: Path, prefix: str = "/log/") -> Answer:
    """Answers from a directory, under a path."""

    def answer(path: str) -> httpx.Response:
        file = folder / path.removeprefix(prefix)
        if path.startswith(prefix) and file.is_file():
            return httpx.Response(200, content=file.read_bytes())
        return httpx.Response(404)

    return answer


def served(answer: Answer) -> HttpSource:
    """A source over HTTP whose server answers like this."""
    transport = httpx.MockTransport(lambda request: answer(request.url.path))
    return HttpSource("https://trust.example.org", transport, pause_s=0)


def test_a_log_over_http_passes(log: Path) -> None:
    assert audit(served(files(log)), VKEY).ok


def test_a_log_at_the_root_of_a_server_passes(log: Path) -> None:
    assert audit(served(files(log, "/")), VKEY).ok


def test_a_server_that_is_busy_now_and_then_is_asked_again(log: Path) -> None:
    answer, asked = files(log), 0

    def busy(path: str) -> httpx.Response:
        nonlocal asked
        asked += 1
        if asked % 3 == 0:
            raise httpx.ReadTimeout("slow")
        return httpx.Response(503) if asked % 3 == 1 else answer(path)

    assert audit(served(busy), VKEY).ok


@pytest.mark.parametrize("status", [500, 503, 403])
def test_a_server_that_does_not_answer_cannot_be_checked(log: Path, status: int) -> None:
    answer = files(log)

    def broken(path: str) -> httpx.Response:
        return httpx.Response(status) if "entries" in path else answer(path)

    with pytest.raises(CannotCheck, match=str(status)):
        audit(served(broken), VKEY)


def test_a_server_that_is_not_there_cannot_be_checked() -> None:
    def refuse(path: str) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    with pytest.raises(CannotCheck, match="connection refused"):
        served(refuse)


def test_an_address_that_is_none_cannot_be_checked() -> None:
    with pytest.raises(CannotCheck):
        HttpSource("http://[::1", pause_s=0)


def test_a_server_that_denies_an_entry_that_it_signed_is_caught(log: Path) -> None:
    answer = files(log)

    def forgetful(path: str) -> httpx.Response:
        return httpx.Response(404) if "entries/001" in path else answer(path)

    report = audit(served(forgetful), VKEY)
    assert report.findings[0].index == 256


def test_a_body_without_end_is_not_read_to_its_end(log: Path) -> None:
    class Endless(httpx.SyncByteStream):
        sent = 0

        def __iter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204
            while True:
                self.sent += 65_536
                yield bytes(65_536)

    endless, answer = Endless(), files(log)

    def flood(path: str) -> httpx.Response:
        return httpx.Response(200, stream=endless) if "tile/0" in path else answer(path)

    report = audit(served(flood), VKEY)
    assert report.findings[0].index == 0
    assert endless.sent < 1_000_000


@contextmanager
def dripping(answer: bytes) -> Iterator[str]:
    """The address of a server that begins every answer with these bytes, then sends one a second, for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(answer)
            while not over.wait(1):
                connection.sendall(b"x")

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        listener.close()


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\nX-", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"]
)
def test_a_server_that_drips_holds_nobody_longer_than_the_deadline(answer: bytes) -> None:
    with dripping(answer) as url:
        begun = time.monotonic()
        with pytest.raises(CannotCheck, match=r"no whole answer within 2 s"):
            HttpSource(url, deadline_s=2)
        assert time.monotonic() - begun < 4


def test_a_partial_tile_that_gave_way_to_the_full_one_is_cut(world: World, log: Path, tmp_path: Path) -> None:
    """The checkpoint was read when the log had 290 entries; since then bundle 1 became full."""
    entries = [*world.entries, *[world.entries[299]] * 212]
    grown = publish(tmp_path / "grown", entries, signer())
    publish(tmp_path / "before", world.entries[:290], signer())
    (grown / "checkpoint").write_bytes((tmp_path / "before" / "checkpoint").read_bytes())
    assert not list((grown / "tile").rglob("*.p/34"))
    assert audit(str(grown), VKEY).ok


def test_a_data_directory_and_a_database_pass(world: World, tmp_path: Path) -> None:
    url = store(world, tmp_path)
    for place in (url, str(tmp_path), str(tmp_path / "trust.db")):
        report = audit(place, VKEY)
        assert report.ok
        assert report.replayed == 300


def test_a_database_is_checked_beyond_what_an_auditor_from_outside_sees(world: World, tmp_path: Path) -> None:
    database = Database(store(world, tmp_path))
    with database.writers.connect() as connection:
        connection.execute(text('UPDATE entries SET leaf_hash = zeroblob(32) WHERE "index" = 5'))
        connection.commit()
    database.close()
    report = audit(str(tmp_path), VKEY)
    assert not report.ok
    assert report.findings[0].index == 5


def test_all_sources_give_the_same_bytes(world: World, log: Path, tmp_path: Path) -> None:
    sources: list[Source] = [DirectorySource(log), served(files(log)), DatabaseSource(store(world, tmp_path))]
    for asked in ((0, 256), (1, 44)):
        assert len({source.bundle(*asked) for source in sources}) == 1
        assert len({source.tile(0, *asked) for source in sources}) == 1
    assert len({source.checkpoint() for source in sources}) == 1
    for source in sources:
        assert source.bundle(2, 1) is None
        source.close()


def test_a_kind_of_place_is_told_from_its_name(log: Path) -> None:
    assert isinstance(open_source(str(log)), DirectorySource)
    with pytest.raises(CannotCheck, match=r"nowhere\.db"):
        open_source("sqlite:///nowhere.db")


def test_a_file_that_is_no_database_cannot_be_checked(tmp_path: Path) -> None:
    (tmp_path / "trust.db").write_bytes(b"hello" * 100)
    with pytest.raises(CannotCheck, match="cannot be read"):
        audit(str(tmp_path), VKEY)
