"""Space on the disk: refusals and warnings before the disk is full.

Below `reserve_bytes` nothing more is taken from callers (`storage-full`), so that what must always work finds room:
reads, the head file, what falls due, a clean stop. A database elsewhere keeps its own room, and says when it has none.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from trust.errors import TrustError

WARN_TIMES = 16
RETRY_S = 30
_MIB = 1024 * 1024


class Room:
    """The room where these directories lie; 0 reserves nothing."""

    def __init__(self, directories: Sequence[Path], reserve_bytes: int) -> None:
        self._directories = tuple(dict.fromkeys(directories))
        self._reserve_bytes = reserve_bytes

    def check(self) -> None:
        """TrustError `storage-full` where less than the reserve is left."""
        for directory in self._directories:
            if (free := free_bytes(directory)) < self._reserve_bytes:
                detail = f"{free // _MIB} MiB are left, of which {self._reserve_bytes // _MIB} are reserved"
                raise TrustError("storage-full", detail, retry_after_s=RETRY_S)

    def warnings(self) -> tuple[str, ...]:
        """Returns warnings for the operator while there is still room."""
        free_by_directory = [(each, free_bytes(each)) for each in self._directories]
        return tuple(
            f"the disk of {directory} is almost full: {free // _MIB} MiB are left,"
            f" below {self._reserve_bytes // _MIB} nothing is taken"
            for directory, free in free_by_directory
            if free < WARN_TIMES * self._reserve_bytes
        )


def free_bytes(directory: Path) -> int:
    """Returns the bytes that this user may still write on the disk of a directory."""
    filesystem = os.statvfs(directory)
    return filesystem.f_bavail * filesystem.f_frsize
