"""Checks of `trust serve` before there is a service: one process a directory, an address, a database."""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from trust import clock
from trust.cli.terminal import warn
from trust.errors import Unusable
from trust.settings import Settings

WAIT_S = 30.0
"""How long another process, or a database, is waited for."""
LOOK_S = 0.2
OPEN_FILES = 65_536
_COMING = ("refused", "starting up", "shutting down", "timeout", "timed out", "unreachable", "no route", "resolve",
           "name or service", "closed the connection", "no such file")  # fmt: skip
"""Messages of PostgreSQL, or of the way to it, while it is not up yet."""


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Nobody else serves from this directory meanwhile; whoever ends is waited for.

    `Unusable` where nobody ends. Replicas share a PostgreSQL and its head's lock, but not the head file: one could put
    in its place what the other has laid ready and not committed. The lock is on the directory itself, so it needs no
    file and holds on any mount.
    """
    if not settings.data_dir.is_dir():
        raise Unusable(
            f"there is no data directory {settings.data_dir}", "trust init makes one; or give --data"
        )
    handle = os.open(settings.data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(handle, settings)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, settings: Settings) -> None:
    until_ms = clock.monotonic_ms() + int(WAIT_S * 1_000)
    is_reported = False
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.monotonic_ms() > until_ms:
                raise Unusable(
                    f"another process serves {settings.data_dir}",
                    hint="stop it; several at once take a PostgreSQL together, and a data directory each",
                ) from None
        if not is_reported:
            warn(f"trust: another process serves {settings.data_dir}: waiting up to {WAIT_S:g} s for its end")
            is_reported = True
        time.sleep(LOOK_S)


def placed(settings: Settings) -> Settings:
    """The settings with a numeric address and a port that is free: port 0 is one that the system chooses.

    OSError where somebody listens there: the server would share the port, and each get some of the requests.
    """
    host, port = settings.host, settings.port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            bound = probe.getsockname()
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return replace(settings, host=str(bound[0]), port=int(bound[1]))


def await_database(url: str) -> None:
    """Returns when PostgreSQL answers, or with an error that no waiting ends; says that it waits."""
    from sqlalchemy.exc import DBAPIError

    from trust.storage.engine import Database, file_of

    if file_of(url) is not None:
        return
    until_ms = clock.monotonic_ms() + int(WAIT_S * 1_000)
    is_reported = False
    database = Database(url, 1)
    try:
        while True:
            try:
                with database.snapshot() as connection:
                    connection.exec_driver_sql("SELECT 1")
                return
            except DBAPIError as error:
                reason = " ".join(str(error.orig).split())
                if clock.monotonic_ms() > until_ms or not _may_come(reason):
                    raise
            if not is_reported:
                warn(f"trust: the database does not answer yet, waiting up to {WAIT_S:g} s for it: {reason}")
                is_reported = True
            time.sleep(LOOK_S)
    finally:
        database.close()


def _may_come(reason: str) -> bool:
    text = reason.lower()
    return any(part in text for part in _COMING)


def raise_file_limit() -> None:
    """As many open files as this process may have: every connection takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
