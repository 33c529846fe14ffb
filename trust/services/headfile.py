"""The last head that was signed, kept outside the database (docs/architecture.md 4, step 13).

A database that was restored from a backup forks the log without knowing it. The file is a lower bound that the
restore does not touch: the tree in the database must contain the tree that the file names.
"""

from __future__ import annotations

import os
from pathlib import Path

from trust.errors import TrustError
from trust.log import merkle
from trust.log.checkpoint import Checkpoint
from trust.log.note import parse_note
from trust.storage.reading import Reader


def write(path: Path, checkpoint: bytes) -> None:
    """Replaces the file; once this returns, a crash of the machine leaves the new one."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(checkpoint)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read(path: Path) -> Checkpoint | None:
    """The checkpoint in the file; None where there is none yet."""
    if not path.exists():
        return None
    return Checkpoint.parse(parse_note(path.read_bytes())[0])


def check(path: Path, reader: Reader) -> int:
    """The size that the file names; TrustError `log-frozen` unless the log in the database extends that one."""
    known = read(path)
    if known is None or known.size == 0:
        return 0
    head = reader.head()
    if head.size < known.size:
        raise TrustError(
            "log-frozen",
            f"the database has {head.size} entries, but {path} says that {known.size} were signed",
            hint="bring back the newer database; one that lacks signed entries would fork the log",
        )
    if merkle.root(known.size, reader.nodes(head.size)) != known.root:
        raise TrustError(
            "log-frozen",
            f"the first {known.size} entries in the database are not the ones whose root stands in {path}",
            hint="this is another log's database, or its entries were changed: compare with a witness",
        )
    return known.size
