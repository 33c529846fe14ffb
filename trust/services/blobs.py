"""Bytes that parties check: specs, outputs, items, by their SHA-256 (rules.md 5, Bytes).

They lie in the database, so that every replica serves them and a backup has them; the log has only their digests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256

from sqlalchemy import Connection, delete, func, select
from sqlmodel import col

from trust import clock
from trust.errors import TrustError
from trust.storage import bulk, tables
from trust.storage.bulk import Existing
from trust.storage.engine import Database
from trust.storage.reading import Damaged, Reader
from trust.storage.rows import table_of
from trust.storage.unit import aside

_TABLE = table_of(tables.Blobs)


class Blobs:
    """The store; `max_bytes` is the limit for one blob, `room` raises TrustError where there is none left."""

    def __init__(
        self,
        database: Database,
        max_bytes: int,
        now_ms: Callable[[], int] = clock.now_ms,
        room: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._max_bytes = max_bytes
        self._now_ms = now_ms
        self._room = room

    def put(self, digest: str, data: bytes) -> bool:
        """Stores the bytes that `digest` (hex) names; whether they are new. TrustError where they are not those."""
        if len(data) > self._max_bytes:
            raise TrustError("too-large", f"{len(data)} bytes, a blob has at most {self._max_bytes}")
        if sha256(data).hexdigest() != digest:
            raise TrustError("digest-mismatch", f"the bytes have the SHA-256 {sha256(data).hexdigest()}")
        self._room()
        with aside(self._database) as connection:
            if _has(connection, digest):
                return False
            bulk.insert(connection, _TABLE, [(digest, len(data), data, self._now_ms())], Existing.KEEP)
        return True

    def get(self, digest: str) -> bytes:
        """The bytes; TrustError `unknown-blob` where they are not here."""
        query = select(col(tables.Blobs.data)).where(col(tables.Blobs.sha256) == digest)
        with self._database.snapshot() as connection:
            data = connection.execute(query).scalar_one_or_none()
        if data is None:
            raise TrustError("unknown-blob", f"there is no blob {digest[:80]}")
        if sha256(data).hexdigest() != digest:
            raise Damaged(f"blob {digest} does not have its hash: see trust log check")
        return data

    def has(self, digest: str) -> bool:
        """Whether the bytes are here."""
        with self._database.snapshot() as connection:
            return _has(connection, digest)

    def forget(self, before_ms: int) -> int:
        """Deletes what was stored before a time, when no claim can need it any more; returns how many those were."""
        with aside(self._database) as connection:
            old = col(tables.Blobs.created_ms) < before_ms
            return int(connection.execute(delete(tables.Blobs).where(old)).rowcount)


def missing(reader: Reader, digests: Iterable[str]) -> list[str]:
    """Which of these blobs are not here, in order."""
    asked = list(digests)
    query = select(col(tables.Blobs.sha256)).where(col(tables.Blobs.sha256).in_(set(asked)))
    found = set(reader.connection.execute(query).scalars())
    return [digest for digest in asked if digest not in found]


def _has(connection: Connection, digest: str) -> bool:
    query = select(func.count()).select_from(_TABLE).where(col(tables.Blobs.sha256) == digest)
    return bool(connection.execute(query).scalar_one())
