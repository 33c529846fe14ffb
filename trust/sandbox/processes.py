"""The demo's processes: each in a process group of its own, its errors in a file, and ended with the demo.

The service is watched: when it dies, however it dies, it is started again on the same port and data. Its process id
stands in `service.pid`, so that anybody may try.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

PATIENCE_S = 10.0
MAX_RESTARTS = 5
PID_FILE = "service.pid"
MAX_LINE_BYTES = 16 * 1024 * 1024
CLI = ("-c", "from trust.cli import main; main()")


class ProcessFailed(Exception):
    """A process of the demo ended with an error; the message has the last of what it said."""


class Processes:
    """The processes that the demo has started; `logs` is a directory with one file a process."""

    def __init__(self, data: Path, logs: Path) -> None:
        self._data = data
        self._logs = logs
        self._running: list[Process] = []
        self._watching: asyncio.Task[None] | None = None
        self.service: Process | None = None
        self.restarts = 0

    async def start(self, name: str, *arguments: str) -> Process:
        """Starts Python with these arguments; its output is piped, its errors go to a file."""
        with (self._logs / f"{name}.log").open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdout=PIPE,
                stderr=errors,
                start_new_session=True,
                limit=MAX_LINE_BYTES,
            )
        self._running.append(process)
        return process

    async def finish(self, name: str, *arguments: str) -> tuple[int, str]:
        """Runs Python with these arguments to its end: exit code and output."""
        process = await self.start(name, *arguments)
        output, _ = await process.communicate()
        self._running.remove(process)
        return process.returncode or 0, output.decode()

    def last_words(self, name: str) -> str:
        """The end of what a process said on stderr."""
        text = (self._logs / f"{name}.log").read_text("utf-8", "replace").strip()
        return text[-500:]

    # -- the service

    async def serve(self, *arguments: str) -> None:
        """Starts the service, and keeps it running from here on."""
        await self._serve(arguments)
        self._watching = asyncio.create_task(self._watch(arguments))

    async def _serve(self, arguments: Sequence[str]) -> None:
        self.service = await self.start("service", *CLI, "serve", *arguments)
        (self._data / PID_FILE).write_text(f"{self.service.pid}\n", encoding="ascii")

    async def _watch(self, arguments: Sequence[str]) -> None:
        while self.service is not None and self.restarts < MAX_RESTARTS:
            await self.service.wait()
            self.restarts += 1
            await self._serve(arguments)

    def kill_service(self) -> None:
        """Kills the service's whole process group with -9, as a crash would; it is started again."""
        if self.service is not None:
            os.killpg(self.service.pid, signal.SIGKILL)

    def kill(self, process: Process) -> None:
        """Kills a process with -9, for good."""
        _signal(process, signal.SIGKILL)

    async def stop(self) -> None:
        """Ends everything that still runs: asks first, then kills."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        for process in self._running:
            _signal(process, signal.SIGTERM)
        waits = [process.wait() for process in self._running]
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*waits), PATIENCE_S)
        for process in self._running:
            _signal(process, signal.SIGKILL)
        (self._data / PID_FILE).unlink(missing_ok=True)


def _signal(process: Process, number: signal.Signals) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on at this moment."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in taken]
    for each in taken:
        each.close()
    return ports
