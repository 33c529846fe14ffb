"""Witnesses as their operators run them: processes of their own, made with two commands each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.api.processes import free_port

COMMAND = [sys.executable, "-c", "from trust.cli import main; main()", "witness"]
LABELS = ("w1", "w2", "w3")


class Witness:
    """One witness; `kill` as a power cut does it, `start` with the memory that it had."""

    def __init__(self, folder: Path, label: str) -> None:
        self.label = label
        self._data = folder / label
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[str] | None = None
        self.vkey = str(json.loads(self._run("init", "--name", f"{label}.example.org"))["vkey"])

    def _run(self, command: str, *arguments: str) -> str:
        said = [*COMMAND, command, *arguments, "--data", str(self._data), "--json"]
        return subprocess.run(said, capture_output=True, text=True, check=True, timeout=60).stdout

    def add_log(self, vkey: str) -> None:
        self._run("add-log", vkey)

    def start(self) -> None:
        said = [*COMMAND, "serve", "--data", str(self._data), "--port", str(self._port), "--json"]
        self._process = subprocess.Popen(
            said, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline()

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@contextmanager
def three(folder: Path) -> Iterator[dict[str, Witness]]:
    """Three witnesses by label that know no log yet; whatever of them runs in the end is killed."""
    made = {label: Witness(folder, label) for label in LABELS}
    try:
        yield made
    finally:
        for each in made.values():
            each.kill()


def lines_of(witnesses: dict[str, Witness]) -> list[str]:
    """A policy that asks for two of them."""
    named = [f"witness {label} {each.vkey}" for label, each in witnesses.items()]
    return [*named, f"group most 2 {' '.join(witnesses)}", "quorum most"]
