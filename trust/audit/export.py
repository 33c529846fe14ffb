"""A log as static files (C2SP tlog-tiles), for any web server or bucket; `trust audit` and every client reads them.

1. The checkpoint is signed by the caller's key, and the folder holds no other log and no longer one.
2. Bundles and hash tiles are made from the entries; full ones that are there already are kept, so an export that was
   interrupted goes on where it was. Each file is written beside its place, synced and renamed: whole or not there.
3. The tree over all of it must have the root that the folder's checkpoint had at its size, and the root that is
   signed now. Where it has not, what this export made goes away again.
4. The checkpoint comes last, after every directory is synced: a reader of it finds all that it covers.

Partial tiles of the sizes that were published stay until the full tile is there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from trust.audit.fetching import Source
from trust.audit.report import CannotCheck, Progress
from trust.audit.stateless_checks import Piece, entries_of
from trust.log import merkle
from trust.log.checkpoint import Checkpoint, CheckpointError
from trust.log.merkle import HASH_BYTES, leaf_hash
from trust.log.note import NoteError
from trust.log.succession import LogKey, opened
from trust.log.tiles import TILE_BYTES, TILE_HEIGHT, TILE_WIDTH, TilePath, TreeEdge, encode_bundle
from trust.verify.failures import NotProven

CHECKPOINT = "checkpoint"


class Exported(msgspec.Struct, frozen=True):
    """The entries that the folder holds now, and how many of its files were written or were there already."""

    origin: str
    size: int
    root: str
    written: int
    kept: int


def export(source: Source, key: LogKey, folder: Path, progress: Progress) -> Exported:
    """Brings the log into a folder. Raises NotProven where it is not the log that is signed, CannotCheck where it
    cannot be read or somebody else is exporting there."""
    note = source.checkpoint()
    now = opened_note(note, key, "the log's checkpoint")  # 1
    with _folder(folder) as files:
        before = _earlier(folder, key, now)
        try:
            edge = _copy(source, now.size, files, before, progress)  # 2
            if edge.root() != now.root:  # 3
                raise NotProven(f"the {now.size} entries do not lead to the root that is signed")
            _write_partials(edge, files)
        except NotProven:
            files.undo()
            raise
        files.publish(note)  # 4
        return Exported(now.origin, now.size, now.root.hex(), files.written, files.kept)


def opened_note(note: bytes, key: LogKey, what: str) -> Checkpoint:
    """The checkpoint in a note under the log's key; NotProven, in the words `what`, where it is none."""
    try:
        return opened(note, key)
    except (NoteError, CheckpointError) as error:
        raise NotProven(f"{what}: {error}") from error


def _earlier(folder: Path, key: LogKey, now: Checkpoint) -> Checkpoint | None:
    """Returns the checkpoint that the folder held, which the log must not have gone back behind."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    before = opened_note(path.read_bytes(), key, f"the checkpoint in {folder}")
    if now.size < before.size:
        raise NotProven(f"the log went back: {folder} has {before.size} entries, now it has {now.size}")
    return before


def _copy(
    source: Source, size: int, files: _Files, before: Checkpoint | None, progress: Progress
) -> TreeEdge:
    """Every bundle and every full tile; the tree that they make."""
    edge = TreeEdge()
    for n in range(-(-size // TILE_WIDTH)):
        start, width = edge.size, min(TILE_WIDTH, size - n * TILE_WIDTH)
        hashes = files.leaves(n) if width == TILE_WIDTH else None
        if hashes is None:
            hashes = _copy_bundle(source, n, width, files)
        for tile in edge.append_many(hashes):
            files.write(TilePath(tile.level, tile.n), tile.data)
        if before and start < before.size <= edge.size and edge.root(before.size) != before.root:
            raise NotProven(f"the log was forked: its first {before.size} entries had another root before")
        progress(edge.size, size)
    return edge


def _copy_bundle(source: Source, n: int, width: int, files: _Files) -> list[bytes]:
    """The leaf hashes of a bundle that was fetched and written."""
    start = n * TILE_WIDTH
    entries = entries_of(Piece(start, start + width, (source.bundle(n, width),), (None,)))
    if len(entries) < width:
        raise NotProven(f"entry {start + len(entries)} is not there, although the checkpoint covers it")
    files.write(TilePath(None, n, width), encode_bundle(entries))
    return [leaf_hash(entry) for entry in entries]


def _write_partials(edge: TreeEdge, files: _Files) -> None:
    for level in range(edge.size.bit_length() // TILE_HEIGHT + 1):
        if data := edge.partial(level):
            n = (edge.size >> level * TILE_HEIGHT) // TILE_WIDTH
            files.write(TilePath(level, n, len(data) // HASH_BYTES), data)


class _Files:
    """The folder while one export writes to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[Path] = []
        self._directories = {folder}
        self.written = self.kept = 0

    def leaves(self, n: int) -> list[bytes] | None:
        """The leaf hashes of a full bundle that is there already with its tile."""
        bundle, tile = (self._folder / str(TilePath(level, n)) for level in (None, 0))
        if not bundle.is_file() or not tile.is_file() or len(data := tile.read_bytes()) != TILE_BYTES:
            return None
        self.kept += 1
        return merkle.hashes(data)

    def write(self, tile: TilePath, data: bytes) -> None:
        """Writes a file, unless it is there as it should be."""
        path = self._folder / str(tile)
        is_new = not path.exists()
        if not is_new and path.read_bytes() == data:
            self.kept += 1
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self._replace(path, data)
        if is_new:
            self._made.append(path)

    def _replace(self, path: Path, data: bytes) -> None:
        fresh = path.with_name(f".{path.name}.new")
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        self._directories.update(_directories_of(path, self._folder))
        self.written += 1

    def undo(self) -> None:
        """Takes away what this export made."""
        for path in self._made:
            path.unlink(missing_ok=True)

    def publish(self, note: bytes) -> None:
        """Makes the new size visible, then drops the partial tiles that gave way to full ones."""
        self._sync()
        path = self._folder / CHECKPOINT
        if not path.exists() or path.read_bytes() != note:
            self._replace(path, note)
            self._sync()
        for made in self._made:
            shutil.rmtree(made.with_name(made.name + ".p"), ignore_errors=True)

    def _sync(self) -> None:
        for directory in self._directories:
            handle = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _directories_of(path: Path, folder: Path) -> Iterator[Path]:
    """The directories from a file's own up to the folder."""
    for parent in path.parents:
        yield parent
        if parent == folder:
            return


@contextmanager
def _folder(folder: Path) -> Iterator[_Files]:
    """The folder, made where it is not there, and locked against a second export."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield _Files(folder)
    except BlockingIOError as error:
        raise CannotCheck(f"somebody else is exporting to {folder}") from error
    finally:
        os.close(handle)
