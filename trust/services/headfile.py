"""The last head that was signed, kept outside the database (docs/architecture.md 4, step 13).

A database that was restored from a backup forks the log without knowing it. The file is a lower bound that the
restore does not touch: the tree in the database must contain the tree that the file names.

It is written in two steps, so that it cannot fail when it is too late: the new one is on the disk beside the old one
before the database commits, and takes its place afterwards.
"""

from __future__ import annotations

import os
from pathlib import Path

from trust.errors import TrustError
from trust.log import merkle
from trust.log.checkpoint import Checkpoint, CheckpointError
from trust.log.note import NoteError, parse_note
from trust.storage.reading import Reader


class HeadFile:
    """One process's head file; `size` is what it says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._laid = b""
        self._owed: tuple[int, bytes] | None = None

    def open(self, reader: Reader, *, take_over: bool) -> None:
        """Checks the database against the file, and that the file can be written.

        TrustError `log-frozen` where the log has entries and there is no file, unless this is to `take_over`.
        """
        head = reader.head()
        self.size = check(self.path, reader)
        if not head.size:
            return
        if not self.size and not take_over:
            raise _unknown(head.size, self.path)
        self.prepare(head.checkpoint)
        self.place(head.size)

    def prepare(self, checkpoint: bytes) -> None:
        """Lays a new file ready; OSError where there is no room, and then the old one stands as it was."""
        _write(_fresh(self.path), checkpoint)
        self._laid = checkpoint

    def place(self, size: int) -> None:
        """Puts what was laid ready, of a head that is committed, in the old one's place.

        OSError where that fails: then it is owed, and nothing more should be committed before `pay`.
        """
        self._owed = size, self._laid
        _replace(self.path)
        self.size, self._owed = size, None

    def pay(self) -> None:
        """Writes anew what could not be put in its place before: how far that went nobody knows."""
        if self._owed is not None:
            size, checkpoint = self._owed
            write(self.path, checkpoint)
            self.size, self._owed = size, None


def _unknown(size: int, path: Path) -> TrustError:
    return TrustError(
        "log-frozen",
        f"the database has {size} entries, and {path}, which would say how many were signed, is not there",
        hint="bring the head file back; where it is lost for good, trust serve --take-over goes on from this database,"
        " once the witnesses, or --seen with the newest checkpoint that anybody has, bear it out",
    )


def write(path: Path, checkpoint: bytes) -> None:
    """Replaces the file; once this returns, a crash of the machine leaves the new one."""
    _write(_fresh(path), checkpoint)
    _replace(path)


def _fresh(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path) -> None:
    _fresh(path).replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read(path: Path) -> Checkpoint | None:
    """The checkpoint in the file; None where there is none. TrustError `log-frozen` where it cannot be read as one."""
    if not path.exists():
        return None
    try:
        return Checkpoint.parse(parse_note(path.read_bytes())[0])
    except (NoteError, CheckpointError) as error:
        raise TrustError(
            "log-frozen",
            f"{path} is damaged: {error}",
            hint="bring the head file back from where the head is kept too, or see trust serve --take-over",
        ) from error


def check(path: Path, reader: Reader) -> int:
    """The size that the file names, 0 where there is none; TrustError `log-frozen` unless the log in the database
    extends that one."""
    known = read(path)
    if known is None or known.size == 0:
        return 0
    extends(reader, known, str(path))
    return known.size


def extends(reader: Reader, known: Checkpoint, where: str) -> None:
    """TrustError `log-frozen` unless the log in the database extends this checkpoint, found at `where`."""
    head = reader.head()
    if head.size < known.size:
        raise TrustError(
            "log-frozen",
            f"the database has {head.size} entries, but {where} says that {known.size} were signed",
            hint="bring back the newer database; one that lacks signed entries would fork the log",
        )
    if merkle.root(known.size, reader.nodes(head.size)) != known.root:
        raise TrustError(
            "log-frozen",
            f"the first {known.size} entries in the database are not the ones whose root stands in {where}",
            hint="this is another log's database, or its entries were changed: compare with a witness",
        )
