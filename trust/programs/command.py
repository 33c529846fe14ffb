"""An owner's command, run on one case: files in, an exit status and what it printed out (docs/protocol.md 9.2).

The command is somebody's own program, and what it reads was written by others. So it gets bytes as files whose names
are ours, a time and a size that it cannot exceed, and a directory that is gone afterwards.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

MAX_WORDS = 200
MAX_FILES = 64
LAUNCHER = str(Path(__file__).with_name("launcher.py"))


@dataclass(frozen=True)
class Limits:
    """The limits of a command: wall time, address space, and the size of any file that it writes, its output too."""

    seconds: float = 600
    memory_bytes: int = 2 << 30
    file_bytes: int = 16 << 20

    @property
    def sizes(self) -> tuple[int, int]:
        """Returns what the launcher sets, and what the command and all that it starts inherit."""
        return self.memory_bytes, self.file_bytes


@dataclass(frozen=True)
class Outcome:
    """`status` is the exit status, negative for a signal, None where the time was over or the command is not there;
    `why` says so in words. `files` is what it left in `output/`, by name."""

    status: int | None
    stdout: bytes = b""
    stderr: bytes = b""
    why: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def failure(self) -> str:
        """Returns why it is no result, in words; "" where it ended well."""
        if self.status == 0:
            return ""
        lines = self.stderr.decode(errors="replace").strip().splitlines()
        why = self.why or f"the command ended with {self.status}"
        return f"{why}: {lines[-1]}"[:MAX_WORDS] if lines else why


def run(
    command: Sequence[str],
    case: Mapping[str, Any],
    blobs: Mapping[str, bytes],
    limits: Limits,
) -> Outcome:
    """Runs a command on a case; returns how it ended.

    It starts in a directory with nothing but `case.json`, which is its standard input as well; `blobs/`, where each of
    `blobs` is a file that has its SHA-256 in hex as its name; and `output/`, which is empty.
    """
    with tempfile.TemporaryDirectory(prefix="trust-case-") as name:
        directory = Path(name)
        for folder in ("blobs", "output"):
            (directory / folder).mkdir()
        for data in blobs.values():
            (directory / "blobs" / sha256(data).hexdigest()).write_bytes(data)
        (directory / "case.json").write_bytes(msgspec.json.format(msgspec.json.encode(case)))
        return _run(command, directory, limits)


def _run(command: Sequence[str], directory: Path, limits: Limits) -> Outcome:
    stdout, stderr = directory / ".stdout", directory / ".stderr"
    with (directory / "case.json").open("rb") as given, stdout.open("wb") as out, stderr.open("wb") as err:
        if shutil.which(command[0]) is None:
            return Outcome(None, why=f"{command[0]} cannot be run: it is not there, or is no program")
        watched, alive = os.pipe()
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", LAUNCHER, *map(str, (watched, *limits.sizes)), *command],
                cwd=directory,
                stdin=given,
                stdout=out,
                stderr=err,
                pass_fds=[watched],
                start_new_session=True,
            )
            status, why = _wait(process, limits)
        finally:
            os.close(watched)
            os.close(alive)
    try:
        files = {} if status else _left(directory / "output", limits)
    except ValueError as error:
        return Outcome(None, why=str(error))
    return Outcome(status, stdout.read_bytes(), stderr.read_bytes(), why, files)


def _left(folder: Path, limits: Limits) -> dict[str, bytes]:
    """Returns the plain files in a folder by name. ValueError where they are too many or too large, or where something
    else is there: a link would deliver what it points to."""
    files: dict[str, bytes] = {}
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_file():
            raise ValueError(f"output/{path.name} is no plain file")
        if len(files) == MAX_FILES or path.stat().st_size > limits.file_bytes:
            raise ValueError(
                f"output/ has more than {MAX_FILES} files, or one of over {limits.file_bytes} bytes"
            )
        files[path.name] = path.read_bytes()
    return files


def _wait(process: subprocess.Popen[bytes], limits: Limits) -> tuple[int | None, str]:
    try:
        status = process.wait(limits.seconds)
        why = f"it was ended by {signal.Signals(-status).name}" if status < 0 else ""
        return status, why
    except subprocess.TimeoutExpired:
        return None, f"it did not end within {limits.seconds:g} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
