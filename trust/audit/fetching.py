"""Where a log comes from: a service over HTTP, a directory of the same files, or a service's own database.

All three give the same bytes (C2SP tlog-tiles): checkpoint, entry bundles, hash tiles. Nothing here is believed.
What is not there is None and for the audit to judge; what cannot be reached at all is `CannotCheck`. A partial tile
may have given way to the full one since the checkpoint was signed: the full one is then cut.

A server may answer a byte at a time for ever, and no timeout between bytes ends that: a request has a deadline of its
own, headers and body together.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import httpx

from trust.audit.report import CannotCheck
from trust.client.transports import ELSEWHERE_HINT, OwnConnections
from trust.log.merkle import HASH_BYTES
from trust.log.note import MAX_NOTE_BYTES
from trust.log.tiles import MAX_ENTRY_BYTES, TILE_BYTES, TILE_WIDTH, TilePath
from trust.settings import sqlite_url

MAX_BUNDLE_BYTES = TILE_WIDTH * (MAX_ENTRY_BYTES + 2)
MAX_ANSWER_BYTES = 4 * 1024 * 1024
TIMEOUT_S = 30.0
DEADLINE_S = 120.0
TRIES = 4
PAUSE_S = 0.5
PATIENCE_S = 60
"""How long a server that limits its callers may ask us to wait, in all."""
FORBIDDEN_HINT = "let everybody read the log's files; a bucket also needs leave to list, to say 404"
DATABASE_NAME = "trust.db"
MISSING = (httpx.codes.NOT_FOUND, httpx.codes.GONE)


SIZE_HEADER = "Trust-Size"
JSON = {"Content-Type": "application/json"}
T = TypeVar("T")
Hooks = Mapping[str, list[Callable[[Any], None]]]


class Forbidden(CannotCheck):
    """A server says 403: a bucket says so of what is not there, others of what they do not want to show."""


class Answer(NamedTuple):
    """The answer of a server: its status, the body as far as it was wanted, and the size of log that it is as of."""

    status: int
    body: bytes
    size: str
    retry_after_s: int = 0


def within(seconds: float, call: Callable[[], T]) -> T:
    """Returns the result of a call; TimeoutError where it takes longer: it goes on, on a thread that nobody awaits."""
    done: Future[T] = Future()

    def work() -> None:
        try:
            done.set_result(call())
        except Exception as error:
            done.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return done.result(seconds)


class Service(NamedTuple):
    """A service's address, and how it is asked: URL, the most bytes to read, and what is posted where anything is."""

    address: str
    ask: Callable[..., Answer | None]


class Source(Protocol):
    """A log's bytes. Threads may share it; all methods may raise CannotCheck."""

    fetchers: int
    """How many threads it can serve at once."""

    def checkpoint(self) -> bytes:
        """The signed note over the log as it is."""
        ...

    def bundle(self, n: int, width: int) -> bytes | None:
        """At least the first `width` entries of bundle `n`, each behind its length; None where it is not there."""
        ...

    def tile(self, level: int, n: int, width: int) -> bytes | None:
        """The first `width` hashes of a tile, or None where it is not served."""
        ...

    def service(self) -> Service | None:
        """The service behind the log, where one answers beside it."""
        ...

    def close(self) -> None:
        """Lets go of connections."""
        ...


class _Files:
    """A source that has the paths of C2SP tlog-tiles."""

    fetchers = 1

    def checkpoint(self) -> bytes:
        data = self.get("checkpoint", MAX_NOTE_BYTES)
        if data is None:
            raise CannotCheck(f"there is no log at {self}: no checkpoint")
        return data

    def bundle(self, n: int, width: int) -> bytes | None:
        return self._whole_or_partial(TilePath(None, n, width), MAX_BUNDLE_BYTES)

    def tile(self, level: int, n: int, width: int) -> bytes | None:
        data = self._whole_or_partial(TilePath(level, n, width), TILE_BYTES)
        return None if data is None else data[: width * HASH_BYTES]

    def _whole_or_partial(self, path: TilePath, max_bytes: int) -> bytes | None:
        if path.width == TILE_WIDTH:
            return self.get(str(path), max_bytes)
        with suppress(Forbidden):  # what a bucket says of what is not there; the full one must be answered
            if (data := self.get(str(path), max_bytes)) is not None:
                return data
        return self.get(str(TilePath(path.level, path.n)), max_bytes)

    def get(self, path: str, max_bytes: int) -> bytes | None:
        raise NotImplementedError

    def service(self) -> Service | None:
        return None

    def close(self) -> None:
        return None


class DirectorySource(_Files):
    """A log as files: a mirror, an export, a copy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __str__(self) -> str:
        return str(self._folder)

    def get(self, path: str, max_bytes: int) -> bytes | None:
        try:
            with (self._folder / path).open("rb") as file:
                return file.read(max_bytes + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CannotCheck(f"{path} cannot be read: {error.strerror}") from error


class HttpSource(_Files):
    """A log over HTTP: a service's address, or the prefix of any log of C2SP tlog-tiles."""

    fetchers = 4

    def __init__(
        self,
        url: str,
        transport: httpx.BaseTransport | None = None,
        pause_s: float = PAUSE_S,
        deadline_s: float = DEADLINE_S,
        hooks: Hooks | None = None,
    ) -> None:
        options = {"timeout": TIMEOUT_S, "transport": transport, "follow_redirects": True}
        self._own = OwnConnections(httpx.Client, options | {"event_hooks": hooks or {}})
        self._pause_s = pause_s
        self._deadline_s = deadline_s
        self._prefix = url.rstrip("/") + "/log/"
        if not self._has_checkpoint():
            self._prefix = url.rstrip("/") + "/"

    def _has_checkpoint(self) -> bool:
        try:
            return self.get("checkpoint", MAX_NOTE_BYTES) is not None
        except Forbidden:
            return False

    def __str__(self) -> str:
        return self._prefix

    def get(self, path: str, max_bytes: int) -> bytes | None:
        """The body, None for 404 and 410; tries again where the server is busy or does not answer."""
        answer = self.ask(self._prefix + path, max_bytes)
        return None if answer is None else answer.body

    def service(self) -> Service | None:
        address = self._prefix.removesuffix("/log/")
        try:
            has_one = (
                address != self._prefix and self.ask(f"{address}/v1/stats", MAX_ANSWER_BYTES) is not None
            )
        except Forbidden:
            has_one = False
        return Service(address, self.ask) if has_one else None

    def ask(self, url: str, max_bytes: int, posted: bytes | None = None) -> Answer | None:
        """Returns the answer with its headers; `posted` is sent as JSON. A server that limits callers is waited for."""
        waited_s = 0
        while True:
            answer = self._tried(url, max_bytes, posted)
            if answer is None or answer.status == httpx.codes.OK:
                return answer
            wait_s = max(1, answer.retry_after_s)
            waited_s += wait_s
            if waited_s > PATIENCE_S:
                raise CannotCheck(f"{url} cannot be fetched: status {answer.status}")
            time.sleep(self._pause_s * wait_s / PAUSE_S)

    def _tried(self, url: str, max_bytes: int, posted: bytes | None) -> Answer | None:
        """An answer of status 200 or 429, None for what is not there; CannotCheck for anything else."""
        problem = ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(self._pause_s * 2 ** (attempt - 1))
            try:
                answer = within(self._deadline_s, lambda: self._attempt(url, max_bytes, posted))
            except TimeoutError as error:
                raise CannotCheck(f"{url}: no whole answer within {self._deadline_s:g} s") from error
            except (httpx.TransportError, httpx.DecodingError) as error:
                problem = str(error) or type(error).__name__
                continue
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise CannotCheck(f"{url}: {error}") from error
            if answer.status in (httpx.codes.OK, httpx.codes.TOO_MANY_REQUESTS):
                return answer
            if answer.status in MISSING:
                return None
            if answer.status == httpx.codes.FORBIDDEN:
                raise Forbidden(f"{url} cannot be fetched: status 403", FORBIDDEN_HINT)
            problem = f"status {answer.status}"
            if answer.status < httpx.codes.INTERNAL_SERVER_ERROR:
                break
        raise CannotCheck(f"{url} cannot be fetched: {problem}")

    def _attempt(self, url: str, max_bytes: int, posted: bytes | None) -> Answer:
        body = bytearray()
        sent: dict[str, Any] = {} if posted is None else {"content": posted, "headers": JSON}
        with self._own.get().stream("GET" if posted is None else "POST", url, **sent) as response:
            is_page = response.headers.get("content-type", "").startswith("text/html")
            if is_page and response.status_code not in MISSING:  # of what is not there any web server says so
                raise CannotCheck(f"{url} answers with a web page, from {response.url}", ELSEWHERE_HINT)
            for part in response.iter_bytes():
                body += part
                if len(body) > max_bytes:
                    break
            asked = response.headers.get("retry-after", "")
            wait_s = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 0
            return Answer(response.status_code, bytes(body), response.headers.get(SIZE_HEADER, ""), wait_s)

    def close(self) -> None:
        self._own.get().close()


def open_source(place: str, hooks: Hooks | None = None) -> Source:
    """The source at an http(s) address, in a directory of tiles, in a service's data directory or database.

    `hooks` are httpx's: what to call for each request and each answer.
    """
    if place.startswith(("http://", "https://")):
        return HttpSource(place, hooks=hooks)
    if "://" in place:
        return _database(place)
    path = Path(place)
    for file in (path, path / DATABASE_NAME):
        if file.is_file():
            return _database(sqlite_url(file))
    if not path.is_dir():
        raise CannotCheck(f"there is nothing to audit at {place}")
    return DirectorySource(path)


def _database(url: str) -> Source:
    from trust.audit.database_source import DatabaseSource  # half a second, which most logs need not

    return DatabaseSource(url)
