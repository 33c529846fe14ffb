"""The service as a process of its own, as an operator runs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.api.house import House, settings_for
from tests.forking import Forked
from tests.services.statements import Party
from trust.storage.engine import Database

ROOT = Path(__file__).resolve().parents[2]
_SERVE = "import sys; from trust.cli import main; sys.argv = ['trust', 'serve']; main()"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Running:
    """A service that was started; `stop` as an operator does it, `kill` as a power cut does."""

    def __init__(
        self, directory: Path, url: str, port: int, changes: Mapping[str, object], within: Sequence[str] = ()
    ) -> None:
        self.port = port
        self.base_url = f"http://127.0.0.1:{port}"
        chosen = {"DATA": str(directory), "DATABASE": url, "PORT": str(port)}
        chosen |= {name.upper(): str(value) for name, value in changes.items()}
        keys = {"LOG_KEY": Party("log").seed.hex(), "DRAW_KEY": Party("draw").seed.hex()}
        environment = os.environ | {f"TRUST_{name}": value for name, value in (chosen | keys).items()}
        self.process: Forked | subprocess.Popen[bytes] = (
            _started(within, environment) if within else Forked(_SERVE, (), ROOT, environment)
        )

    def wait(self, timeout_s: float = 30) -> None:
        end = time.monotonic() + timeout_s
        while True:
            try:
                if httpx.get(f"{self.base_url}/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, "the service ended"
            assert time.monotonic() < end, "the service did not start"
            time.sleep(0.05)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=15)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _started(within: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*within, sys.executable, "-c", _SERVE],
        cwd=ROOT,
        env=environment,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def serving(
    directory: Path,
    url: str,
    vkey: str,
    port: int | None = None,
    changes: Mapping[str, object] | None = None,
) -> Iterator[tuple[Running, House]]:
    """A service that is ready, and its town; it is killed in the end, if it still runs."""
    settings = settings_for(directory, url)
    running = Running(directory, url, port or free_port(), changes or {})
    try:
        running.wait()
        with httpx.Client(base_url=running.base_url, timeout=30) as client:
            yield running, House(client, vkey, Database(settings.database_url))
    finally:
        if running.process.poll() is None:
            running.kill()
