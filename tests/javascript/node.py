"""The JavaScript verifier, asked from here: one Node process that answers call by call."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from trust.web.offline import MODULES

LEAST_VERSION = 20


class Refused(Exception):
    """What a call threw."""


class Node:
    """`node.name(...)` calls what the modules, or the driver, export under this name; bytes go both ways."""

    def __init__(self, program: str) -> None:
        command = [program, str(Path(__file__).parent / "driver.mjs"), str(MODULES)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.call(name, *args)

    def call(self, name: str, *args: Any) -> Any:
        """What the function returns; `Refused` where it throws."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"call": name, "args": args}, default=_hex), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline(), object_hook=_bytes)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer.get("value")

    def stop(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


def find_node() -> str:
    """The program, or a skip that says what is missing."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node is not installed (Debian: nodejs)")
    told = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    if int(told.strip().removeprefix("v").partition(".")[0]) < LEAST_VERSION:
        pytest.skip(f"Node {told.strip()} is older than {LEAST_VERSION}")
    return program


def _hex(value: object) -> object:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    raise TypeError(type(value))


def _bytes(value: dict[str, Any]) -> object:
    return bytes.fromhex(value["hex"]) if value.keys() == {"hex"} else value
