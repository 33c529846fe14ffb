"""`trust serve` as its own process, over a log that was made before."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType

from tests.services.statements import Town

HOST = "127.0.0.1"
START_S = 60


class Served:
    """The service, from its first answer to its end."""

    def __init__(self, town: Town, directory: Path, url: str, **settings: int) -> None:
        self.port = _free_port()
        given = {f"TRUST_{name.upper()}": str(value) for name, value in settings.items()}
        assert isinstance(town.log.seed, bytes)
        keys = {"TRUST_LOG_KEY": town.log.seed.hex(), "TRUST_DRAW_KEY": town.draw.seed.hex()}
        where = {"TRUST_DATA": str(directory), "TRUST_DATABASE": url, "TRUST_PORT": str(self.port)}
        with (directory / "service.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).with_name("trust")), "serve"],
                env={**os.environ, **given, **keys, **where},
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Served:
        end = monotonic() + START_S
        while not self._is_ready():
            if self.process.poll() is not None or monotonic() > end:
                raise RuntimeError("the service did not start; see service.log in its directory")
            sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def connect(self) -> HTTPConnection:
        """A new connection."""
        connection = HTTPConnection(HOST, self.port, timeout=120)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def peak_rss_bytes(self) -> int:
        """The most that the process held of memory so far."""
        return self._status_kib("VmHWM") * 1024

    @property
    def cpu_s(self) -> float:
        """What the process has used of processors so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status_kib(self, name: str) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1])

    def _is_ready(self) -> bool:
        try:
            connection = HTTPConnection(HOST, self.port, timeout=1)
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])
