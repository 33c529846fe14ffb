"""The memory of a witness: the logs that it knows with their keys, and the last checkpoint of each that it
cosigned.

One SQLite file, one connection, `BEGIN IMMEDIATE` around check and store: two submissions of one log, or a second
process on the same file, can never both extend the same size. `synchronous=EXTRA` with a rollback journal: when
COMMIT returns, the file, its journal's removal and the directory are on disk.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from trust.log.checkpoint import Checkpoint
from trust.log.note import ED25519, NoteError, Verifier, parse_note

FORMAT = 2
BUSY_S = 5.0
MAX_ORIGIN_CHARS = 1_024
_SCHEMA = """
CREATE TABLE logs (origin TEXT NOT NULL, vkey TEXT NOT NULL, PRIMARY KEY (origin, vkey)) STRICT;
CREATE TABLE heads (origin TEXT PRIMARY KEY NOT NULL, note BLOB NOT NULL) STRICT;
"""
_COSIGNED = """
CREATE TABLE cosigned (origin_hash TEXT PRIMARY KEY NOT NULL, note BLOB NOT NULL) STRICT;
"""


class StoreError(ValueError):
    """A store that is not there, of another release, or a log that cannot be added to it."""


class Store:
    """The memory of one witness; threads may share it. sqlite3.Error where the file cannot be read or written."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StoreError(f"there is no witness at {path.parent}: make one with trust witness init")
        self._lock = threading.Lock()
        self._connection = _connect(path)
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 1:
            self._connection.executescript(f"BEGIN; {_COSIGNED} PRAGMA user_version = {FORMAT}; COMMIT;")
            version = FORMAT
        if version != FORMAT:
            self.close()
            raise StoreError(f"{path} has the format {version}, this release reads {FORMAT}")

    @staticmethod
    def create(path: Path) -> None:
        """Makes an empty store, or ends what was begun. FileExistsError where there is one already."""
        path.touch(mode=0o600)
        connection = _connect(path)
        try:
            if connection.execute("PRAGMA user_version").fetchone()[0]:
                raise FileExistsError(17, "there already", str(path))
            connection.executescript(f"BEGIN; {_SCHEMA} {_COSIGNED} PRAGMA user_version = {FORMAT}; COMMIT;")
        finally:
            connection.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()

    def add_log(self, origin: str, key: Verifier) -> None:
        """Witnesses this log from now on, under this key; a log may have several."""
        if key.key_type != ED25519:
            raise StoreError("a log signs with a key of type 0x01 (Ed25519)")
        if not origin or len(origin) > MAX_ORIGIN_CHARS or not origin.isprintable():
            raise StoreError(f"not the origin of a log: {origin[:80]!r}")
        with self._writing():
            self._connection.execute("INSERT OR IGNORE INTO logs VALUES (?, ?)", (origin, str(key)))

    def logs(self) -> list[tuple[str, Verifier]]:
        """Every log with each of its keys, by origin."""
        with self._lock:
            rows = self._connection.execute("SELECT origin, vkey FROM logs ORDER BY origin, vkey").fetchall()
        return [(origin, Verifier.parse(vkey)) for origin, vkey in rows]

    def keys(self, origin: str) -> list[Verifier]:
        """The keys that may sign this log's checkpoints; none where the log is not known."""
        with self._lock:
            rows = self._connection.execute("SELECT vkey FROM logs WHERE origin = ?", (origin,)).fetchall()
        return [Verifier.parse(vkey) for (vkey,) in rows]

    def held(self, origin: str) -> bytes | None:
        """The note of the last checkpoint that was cosigned."""
        with self._lock:
            return self._held(origin)

    def cosigned(self, origin_hash: str) -> bytes | None:
        """The last note that was cosigned, of the log whose origin has this SHA-256 (hex)."""
        query = "SELECT note FROM cosigned WHERE origin_hash = ?"
        with self._lock:
            row = self._connection.execute(query, (origin_hash,)).fetchone()
        return None if row is None else bytes(row[0])

    @contextmanager
    def advancing(self, origin: str) -> Iterator[Advance]:
        """Nobody else reads or writes this log's last checkpoint meanwhile; what was kept is on disk afterwards."""
        with self._writing():
            advance = Advance(self._held(origin))
            yield advance
            if advance.kept is not None:
                row = (origin, advance.kept)
                self._connection.execute("INSERT OR REPLACE INTO heads VALUES (?, ?)", row)
                shown = sha256(origin.encode()).hexdigest(), advance.cosigned
                self._connection.execute("INSERT OR REPLACE INTO cosigned VALUES (?, ?)", shown)

    def _held(self, origin: str) -> bytes | None:
        row = self._connection.execute("SELECT note FROM heads WHERE origin = ?", (origin,)).fetchone()
        return None if row is None else bytes(row[0])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


class Advance:
    """One log's last checkpoint while it is decided whether a new one follows it."""

    def __init__(self, held: bytes | None) -> None:
        self.held = held
        self.kept: bytes | None = None
        self.cosigned = b""

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The last checkpoint; it was verified before it was stored."""
        return None if self.held is None else checkpoint_of(self.held)

    def keep(self, note: bytes, cosigned: bytes) -> None:
        """Makes this the last checkpoint, once the block ends; `cosigned` is the note with the witness's own line."""
        self.kept, self.cosigned = note, cosigned


def checkpoint_of(note: bytes) -> Checkpoint:
    """The checkpoint in a note that was verified before."""
    try:
        return Checkpoint.parse(parse_note(note)[0])
    except (NoteError, ValueError) as error:
        raise StoreError(f"the witness's store is damaged: {error}") from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = EXTRA")
    return connection
