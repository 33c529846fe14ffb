"""Files that are whole or not there: written beside their place, on the disk, and only then put into it."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OPEN, PRIVATE = 0o666, 0o600


def write_whole(path: Path, data: bytes, mode: int = OPEN) -> None:
    """Puts a file in its place, over one that is there; after a crash it is the old one or the new one.

    What is no file of a disk (a pipe, a terminal) is written as it is, and a symbolic link stays one.
    """
    if str(path).startswith(("/dev/", "/proc/")) or (path.exists() and not (path.is_file() or path.is_dir())):
        path.write_bytes(data)
        return
    path = path.resolve()
    with _beside(path, data, mode) as fresh:
        fresh.replace(path)
    sync(path.parent)


def write_once(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Writes a new file as `write_whole` does. FileExistsError where there is one: nothing is written over."""
    with _beside(path, data, mode) as fresh:
        os.link(fresh, path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Brings a directory's names to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _beside(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """A new file with the data, on the disk; it does not stay under this name."""
    if path.is_dir() or not path.name:
        raise IsADirectoryError(21, "this is a directory", str(path))
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield fresh
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(fresh), fresh):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error  # the name that a person knows
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()
