"""File calls that fail in turn: the control block that a test shares with `file_calls.c`, and how a run is started."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("file_calls.c")
ROOT = Path(__file__).resolve().parents[2]
ERRORS = (errno.EIO, errno.ENOSPC, errno.EACCES)
_BLOCK = struct.Struct("4i32s")


class Calls:
    """The file calls of this process; `struck` says whether the one whose turn it was came."""

    def __init__(self, control: Path) -> None:
        with control.open("r+b") as file:
            self._block = mmap.mmap(file.fileno(), 4_096)

    @contextmanager
    def at(self, call: int, error: int | None = None) -> Iterator[None]:
        """Has this call fail, of those that are made in the block."""
        chosen = ERRORS[call % len(ERRORS)] if error is None else error
        _BLOCK.pack_into(self._block, 0, call, chosen, 0, 0, b"")
        try:
            yield
        finally:
            struct.pack_into("i", self._block, 0, 0)

    @property
    def struck(self) -> bool:
        return bool(self._read()[3])

    @property
    def name(self) -> str:
        """What the call that failed was."""
        return bytes(self._read()[4]).rstrip(b"\0").decode()

    def _read(self) -> tuple[int, int, int, int, bytes]:
        return _BLOCK.unpack_from(self._block, 0)

    def turns(self) -> Iterator[int]:
        """The number of each call, or of each n-th where FAULTS_EVERY=n, until one that did not come."""
        for call in count(1, int(os.environ.get("FAULTS_EVERY", "1"))):
            yield call
            if not self.struck:
                return


def run(life: str, directory: Path) -> str:
    """What a life (`tests.faults.lives`) says at its end; it runs in a process whose file calls can fail."""
    if shutil.which("cc") is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler and Linux")
    library, control, data = directory / "file_calls.so", directory / "control", directory / "data"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    control.write_bytes(bytes(4_096))
    data.mkdir()
    faults = {"LD_PRELOAD": str(library), "FAULTS_CONTROL": str(control), "FAULTS_UNDER": f"{data}/"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.lives", life, str(data), str(control)],
        cwd=ROOT, env=os.environ | faults, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-6_000:]
    return done.stdout.splitlines()[-1]
