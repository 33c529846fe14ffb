"""The HTTP server around the application: what Granian is told, and how it ends.

The server runs inside this process, with no worker beside it: whatever kills the process kills all of it, so a restart
never makes a second writer.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from trust import journal
from trust.api.connections import IDLE_MS, Bounds, Connections
from trust.api.edge import Edge

BACKLOG = 1_024
HEADERS_MS = 10_000
"""How long a client may take for the headers of a request, and a connection may lie between two."""
UNREAD_MS = 20_000
"""How long bytes may lie in the socket of a client that takes none."""
CUT_S = 1.0
OWN_DESCRIPTORS = 256
"""For databases, files and witnesses."""
_log = journal.logger("trust")


@dataclass(frozen=True)
class Place:
    """Where to listen, and how many connections to bear."""

    host: str
    port: int
    connections: int
    of_caller: int
    headers_ms: int = HEADERS_MS
    idle_ms: int = IDLE_MS


class HttpServer:
    """Serves an application until it is told to stop; then callers have `drain_ms` to get their answers."""

    def __init__(self, edge: Edge, place: Place, drain_ms: int) -> None:
        self._edge = edge
        self._drain_s = drain_ms / 1_000
        self._socket = _listening(place.host, place.port)
        self.port = int(self._socket.getsockname()[1])
        connections = min(place.connections, _descriptors(2 * place.connections) // 2)
        bounds = Bounds(connections, place.of_caller, edge.proxies.lists)
        self.connections = Connections(self.port, bounds, edge.asked_ms, place.idle_ms)
        self._granian = _Granian(
            edge,
            address=place.host,
            port=self.port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(header_read_timeout=place.headers_ms),
            websockets=False,
            backlog=BACKLOG,
            backpressure=2 * connections,
            log_enabled=False,
        )
        self._granian.listening = self._socket
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Has it stop; from any thread."""
        self._loop.call_soon_threadsafe(self._stop.set)

    async def serve(self) -> None:
        """Takes requests until `stop`, answers those that it has, and cuts off what is left after the drain."""
        serving = asyncio.create_task(self._granian.serve())
        stopped = asyncio.create_task(self._stop.wait())
        self.connections.start()
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        self._granian.stop()  # type: ignore[no-untyped-call]
        if not (await asyncio.wait({serving}, timeout=self._drain_s))[0]:
            _log.warning("callers are cut off", after_s=self._drain_s)
            self._edge.cut()
            await asyncio.wait({serving}, timeout=CUT_S)
            self.connections.cut_all()
            await asyncio.wait({serving}, timeout=CUT_S)
        self.connections.stop()
        with suppress(asyncio.CancelledError):
            serving.cancel()
            await serving


class _Granian(Server):
    """Granian on a socket that was made by us."""

    listening: socket.socket

    def _init_shared_socket(self) -> None:
        self._shd: Any = SocketHolder(self.listening.fileno(), False, BACKLOG)  # type: ignore[call-arg]
        self._ssp: Any = None


def _descriptors(wanted: int) -> int:
    """How many descriptors connections may have: those that are wanted, or what the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    raised = wanted + OWN_DESCRIPTORS if hard == unlimited else min(wanted + OWN_DESCRIPTORS, hard)
    if soft != unlimited and soft < raised:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    return max(raised - OWN_DESCRIPTORS, OWN_DESCRIPTORS)


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens; OSError where that cannot be. What it is set to, its connections are set to as well."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    info = socket.getaddrinfo(host, port, family if ":" in host else 0, socket.SOCK_STREAM)[0]
    listener = socket.socket(info[0], socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
    listener.setblocking(False)
    listener.bind(info[4])
    listener.listen(BACKLOG)
    return listener
