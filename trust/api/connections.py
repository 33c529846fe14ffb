"""The connections of this process's server, as the kernel knows them: how many there are, of whom, and who must go.

The server accepts whatever comes and waits for ever where a client takes nothing. So a thread looks at the sockets that
belong to the listening port and cuts off: an address's connections beyond its share, those beyond the number of
all, and those on which no request has been in progress for a while (a client that does not read its answer). A cut
is `shutdown`, by which the server finds the connection ended; nothing is ever closed here.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trust import clock, journal
from trust.api.callers import share_of

Peer = tuple[str, int]
LOOK_S = 0.25
COST = 20  # at most a twentieth of the time is spent on looking
IDLE_MS = 60_000
AT_ONCE = struct.pack("ii", 1, 0)
FAMILIES = (socket.AF_INET, socket.AF_INET6)
_log = journal.logger("trust.api")


@dataclass(frozen=True)
class Bounds:
    """How many connections there may be: of all, and of one caller; addresses for which `is_exempt` have no share."""

    in_all: int
    of_caller: int
    is_exempt: Callable[[str], bool] = lambda _: False


@dataclass
class _Connection:
    """A socket, when a request was last in progress on it (-1: none was yet), and since when it has been idle."""

    fd: int
    peer: Peer
    asked_ms: int
    idle_ms: int


class Connections:
    """Watches over the connections that came in on `port`; `asked_ms` says when a request was last in progress on one:
    now, at some time of the monotonic clock, or -1 for never."""

    def __init__(
        self, port: int, bounds: Bounds, asked_ms: Callable[[Peer], int], idle_ms: int = IDLE_MS
    ) -> None:
        self._port = port
        self._bounds = bounds
        self._asked_ms = asked_ms
        self._idle_ms = idle_ms
        self._known: dict[Peer, _Connection] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="connections", daemon=True)
        self.cut = 0
        """How many were cut off."""

    def start(self) -> None:
        """Begins to look; where the system does not list a process's sockets, there is nothing to look at."""
        if _folder() is not None:
            self._thread.start()

    def stop(self) -> None:
        """Looks no more."""
        self._stopping.set()

    def now(self) -> list[Peer]:
        """The addresses that are connected."""
        return [peer for _, peer in _open(self._port)]

    def cut_all(self) -> None:
        """Ends every connection."""
        for fd, peer in _open(self._port):
            _shut(fd, peer)

    def _run(self) -> None:
        wait_s = LOOK_S
        while not self._stopping.wait(wait_s):
            begun_ms = clock.monotonic_ms()
            try:
                self.look()
            except Exception as error:
                _log.error("connections were not looked at", exc_info=error)
            wait_s = max(LOOK_S, (clock.monotonic_ms() - begun_ms) * COST / 1_000)

    def look(self) -> None:
        """Looks once, and cuts off who must go."""
        now_ms = clock.monotonic_ms()
        known = {}
        for fd, peer in _open(self._port):
            before, asked_ms = self._known.get(peer), self._asked_ms(peer)
            came_ms = before.idle_ms if before else now_ms
            known[peer] = _Connection(fd, peer, asked_ms, max(asked_ms, came_ms))
        self._known = known
        gone = {one.peer for one in known.values() if now_ms - one.idle_ms >= self._idle_ms}
        gone |= self._beyond([one for one in known.values() if one.peer not in gone])
        for peer in gone:
            self.cut += _shut(known.pop(peer).fd, peer)

    def _beyond(self, here: list[_Connection]) -> set[Peer]:
        """Those that are too many: of each caller beyond its share, then of whoever has most; the idlest go first."""
        by_caller: dict[str, list[_Connection]] = {}
        for one in sorted(here, key=lambda one: (one.asked_ms, one.idle_ms), reverse=True):
            by_caller.setdefault(share_of(one.peer[0]), []).append(one)
        gone: set[Peer] = set()
        for own in by_caller.values():
            if not self._bounds.is_exempt(own[0].peer[0]):
                gone |= {one.peer for one in own[self._bounds.of_caller :]}
                del own[self._bounds.of_caller :]
        for _ in range(sum(map(len, by_caller.values())) - self._bounds.in_all):
            gone.add(max(by_caller.values(), key=len).pop().peer)
        return gone


def _folder() -> Path | None:
    """Where the system lists the descriptors of this process."""
    return next((path for path in (Path("/proc/self/fd"), Path("/dev/fd")) if path.is_dir()), None)


def _open(port: int) -> Iterator[tuple[int, Peer]]:
    """The sockets of this process that came in on a port, with who is at the other end.

    A descriptor may be closed, or be another file, by the time it is looked at. It is never duplicated: to close the
    duplicate of a database's file would drop the database's locks.
    """
    folder = _folder()
    for name in os.listdir(folder) if folder is not None else ():
        fd = int(name)
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(fd).st_mode) and (peer := _peer(fd, port)) is not None:
                yield fd, peer


def _peer(fd: int, port: int) -> Peer | None:
    """Returns the address at the other end of a socket that came in on `port`."""
    borrowed = socket.socket(fileno=fd)
    try:
        if borrowed.family not in FAMILIES or borrowed.getsockname()[1] != port:
            return None
        peer: Peer = borrowed.getpeername()[:2]
    finally:
        borrowed.detach()
    return peer


def _shut(fd: int, peer: Peer) -> bool:
    """Ends the connection with `peer`, where the descriptor is still that; whether it was."""
    with suppress(OSError):
        borrowed = socket.socket(fileno=fd)
        try:
            if borrowed.getpeername()[:2] == peer:
                borrowed.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE
                )  # what lies unread is dropped
                borrowed.shutdown(socket.SHUT_RDWR)
                return True
        finally:
            borrowed.detach()
    return False
