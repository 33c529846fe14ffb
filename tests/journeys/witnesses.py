"""Witnesses as their operators run them: processes of their own, made with two commands each and started by a third."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

from tests.api.processes import free_port
from tests.speaking import Speaking
from trust.cli import run
from trust.cli.failures import GOOD

LABELS = ("w1", "w2", "w3")


class Witness:
    """One witness; `kill` as a power cut does it, `start` with the memory that it had."""

    def __init__(self, folder: Path, label: str) -> None:
        self.label = label
        self._data = folder / label
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: Speaking | None = None
        self.vkey = str(json.loads(self._run("init", "--name", f"{label}.example.org"))["vkey"])

    def _run(self, command: str, *arguments: str) -> str:
        with redirect_stdout(StringIO()) as said:
            assert run(["witness", command, *arguments, "--data", str(self._data), "--json"]) == GOOD
        return said.getvalue()

    def add_log(self, vkey: str) -> None:
        self._run("add-log", vkey)

    def start(self) -> None:
        command = ["witness", "serve", "--data", str(self._data), "--port", str(self._port), "--json"]
        self._process = Speaking(command, self._data.parent)
        assert self._process.line(), self._process.errors()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()


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
