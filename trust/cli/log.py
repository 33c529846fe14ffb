"""`trust log`: what an operator does with the log in a database, beside the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from trust.cli.connection import SERVICE, Service
from trust.cli.failures import FALSE, GOOD
from trust.cli.terminal import Report, progress

if TYPE_CHECKING:
    from trust.log.note import Verifier
    from trust.storage.engine import Database
    from trust.storage.reading import Reader

app = App(name="log")
CHUNK = 4_096


@app.command
def check(*, service: Service = SERVICE) -> int:
    """Check the tree in a data directory: every leaf, every tile, root, checkpoint, head file. Exit 1 at the first lie.

    Whether the decisions are right is for trust audit to say.
    """
    from trust.storage.reading import reading

    with _database(service) as database, progress("checking entries") as report, reading(database) as reader:
        size = reader.head().size
        wrong = _first_lie(reader, service.key(), report) or _head_lie(reader, service.settings().data_dir)
    service.show({"size": size, "good": not wrong} | ({"wrong": wrong} if wrong else {}))
    return FALSE if wrong else GOOD


@app.command
def rebuild(*, service: Service = SERVICE) -> None:
    """Fold all tables of state again from the log's entries."""
    from trust.services.rebuilding import rebuild as refold

    with _database(service) as database, progress("folding entries") as report:
        size = refold(database, report)
    service.show({"entries": size})


@contextmanager
def _database(service: Service) -> Iterator[Database]:
    from trust.storage.engine import Database, file_of
    from trust.storage.migrations import upgrade

    url = service.settings().database_url
    path = file_of(url)
    if path is not None and not path.exists():
        raise FileNotFoundError(2, "there is no database", str(path))
    upgrade(url)
    database = Database(url, 1)
    try:
        yield database
    finally:
        database.close()


def _first_lie(reader: Reader, key: Verifier, report: Report) -> str:
    """What is wrong with the log in a database; empty where nothing is."""
    from trust.log.checkpoint import CheckpointError, open_checkpoint
    from trust.log.merkle import leaf_hash
    from trust.log.note import NoteError
    from trust.log.tiles import TreeEdge

    head, edge = reader.head(), TreeEdge()
    for start in range(0, head.size, CHUNK):
        entries = reader.entries(start, min(start + CHUNK, head.size))
        for index, entry in enumerate(entries, start):
            if entry.index != index or leaf_hash(entry.data) != entry.leaf_hash:
                return f"entry {index} is not the one whose hash stands in the tree"
        for tile in edge.append_many([entry.leaf_hash for entry in entries]):
            if reader.tile(tile.level, tile.n) != tile.data:
                return f"tile {tile.level}/{tile.n} is not made of its entries"
        report(edge.size, head.size)
    if (edge.size, edge.root()) != (head.size, head.root):
        return f"{edge.size} entries do not lead to the head of size {head.size}"
    try:
        signed = open_checkpoint(head.checkpoint, key.name, key)
    except (NoteError, CheckpointError) as error:
        return f"the checkpoint: {error}"
    return "" if (signed.size, signed.root) == (head.size, head.root) else "the checkpoint is of another head"


def _head_lie(reader: Reader, data: Path) -> str:
    """What the head file knows better; empty where it agrees, or there is none."""
    from trust.app import HEAD_FILE
    from trust.errors import TrustError
    from trust.services import headfile

    try:
        headfile.check(data / HEAD_FILE, reader)
    except TrustError as error:
        return error.detail
    return ""
