"""SIGTERM ends the service in the time that it states, whoever stalls, whatever it is doing, and also as PID 1."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from tests.api.house import found, locked, settings_for
from tests.api.processes import Running, free_port, serving
from trust.app import END_MS
from trust.stopping import FORCED, TERMINATED

DRAIN_MS = 500
STATED_S = (DRAIN_MS + END_MS) / 1_000
LARGE = bytes(8_000_000)
HEAD = b" HTTP/1.1\r\nhost: x\r\n"
STALLED = {
    "half a request": b"GET /v1/policy" + HEAD,
    "a body that never ends": b"POST /v1/statements" + HEAD + b"content-length: 99\r\n"
    b"content-type: application/json\r\n\r\n[",
    "a body for nobody": b"POST /v1/nothing" + HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\n",
    "a stream that is not read": b"GET /v1/events?after=-1" + HEAD + b"\r\n",
    "an answer that is not read": b"GET /v1/blobs/%b" % sha256(LARGE).hexdigest().encode() + HEAD + b"\r\n",
    "a connection without a request": b"",
}


def test_stalled_callers_do_not_keep_a_service_up(tmp_path: Path, sqlite_url: str) -> None:
    vkey = found(settings_for(tmp_path, sqlite_url), max_bytes=16_000_000)
    _store(sqlite_url, LARGE)
    with serving(tmp_path, sqlite_url, vkey, changes={"drain_ms": DRAIN_MS}) as (running, _):
        callers = [_connected(running, request) for request in STALLED.values()]
        time.sleep(0.3)
        begun = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - begun < STATED_S
        for caller in callers:
            caller.close()


def _store(url: str, data: bytes) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database, database:
        columns = {
            "sha256": sha256(data).hexdigest(),
            "size": len(data),
            "data": data,
            "created_ms": 2**50,
            "party": "",
        }
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        database.execute(f"INSERT INTO blobs ({names}) VALUES ({marks})", list(columns.values()))


def _connected(running: Running, request: bytes) -> socket.socket:
    caller = socket.socket()
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    caller.connect(("127.0.0.1", running.port))
    caller.sendall(request)
    return caller


def test_what_was_asked_before_a_stop_is_answered(tmp_path: Path, sqlite_url: str) -> None:
    vkey = found(settings_for(tmp_path, sqlite_url))
    with serving(tmp_path, sqlite_url, vkey) as (running, home), ThreadPoolExecutor(1) as callers:
        home.settle_in()
        with locked(tmp_path / "trust.db"):
            answer = callers.submit(home.post_to, "/v1/tasks", home.task_post("late"))
            time.sleep(0.3)
            running.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
        assert answer.result(5).status_code == 201
        assert running.process.wait(5) == 0


@pytest.mark.slow
def test_a_database_that_does_not_answer_does_not_keep_a_service_up(tmp_path: Path, sqlite_url: str) -> None:
    vkey = found(settings_for(tmp_path, sqlite_url))
    changes = {"drain_ms": DRAIN_MS}
    with serving(tmp_path, sqlite_url, vkey, changes=changes) as (running, home):
        home.settle_in()
        with locked(tmp_path / "trust.db"), ThreadPoolExecutor(1) as callers:
            answer = callers.submit(home.post_to, "/v1/tasks", home.task_post("never"))
            time.sleep(0.3)
            begun = time.monotonic()
            running.stop()
            assert time.monotonic() - begun < STATED_S + 1
            assert answer.result(1).json()["code"] == "shutting-down"


def test_a_start_that_waits_for_its_database_is_broken_off(tmp_path: Path, sqlite_url: str) -> None:
    found(settings_for(tmp_path, sqlite_url))
    with closing(sqlite3.connect(tmp_path / "trust.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        running = Running(tmp_path, sqlite_url, free_port(), {"drain_ms": 60_000})
        time.sleep(2)
        begun = time.monotonic()
        running.stop()
        assert time.monotonic() - begun < 3


PID_1 = ("unshare", "--pid", "--fork", "--kill-child")


def _can_be_pid_1() -> bool:
    return shutil.which("unshare") is not None and not subprocess.call(
        [*PID_1, "true"], stderr=subprocess.DEVNULL
    )


def _listening(outer: int) -> int:
    """The process inside, once it has a handler for SIGTERM: before, the interpreter is still starting."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        children = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
        if children:
            status = Path(f"/proc/{children[0]}/status").read_text()
            caught = int(status.partition("SigCgt:")[2].split()[0], 16)
            if caught >> (signal.SIGTERM - 1) & 1:
                return int(children[0])
        time.sleep(0.005)
    raise AssertionError("it never listens to signals")


@pytest.mark.skipif(not _can_be_pid_1(), reason="no namespace of processes can be made here")
@pytest.mark.parametrize("after_s", [0, 0.6, 2.0])
def test_as_pid_1_it_ends_at_whatever_moment_after_the_start(
    tmp_path: Path, sqlite_url: str, after_s: float
) -> None:
    found(settings_for(tmp_path, sqlite_url))
    running = Running(tmp_path, sqlite_url, free_port(), {"drain_ms": DRAIN_MS}, PID_1)
    inner = _listening(running.process.pid)
    time.sleep(after_s)
    begun = time.monotonic()
    os.kill(inner, signal.SIGTERM)
    assert running.process.wait(STATED_S) in (0, TERMINATED, FORCED)
    assert time.monotonic() - begun < STATED_S
