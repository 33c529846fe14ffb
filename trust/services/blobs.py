"""Bytes that parties check: specs, outputs, items, by their SHA-256 (docs/rules.md 5, Bytes).

They lie in the database, so that every replica serves them and a backup has them; the log has only their digests.

Bytes are taken where a statement on the log names their digest: whoever said it has paid for a place, by a stake, an
escrow or a bond. Before one does they are taken from a registered party that signs for them, up to a small quota and
for a short while. Either way they count against a party.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, func, select, update
from sqlmodel import col

from trust import clock
from trust.core.entry import decode_entry
from trust.core.records import Party
from trust.core.uploads import MAX_LIFETIME_MS, Upload
from trust.errors import TrustError
from trust.storage import bulk, tables
from trust.storage.engine import Database
from trust.storage.projections import actor_of
from trust.storage.reading import Damaged, Reader
from trust.storage.rows import table_of
from trust.storage.unit import aside, read_head

_TABLE = table_of(tables.Blobs)
_NAMED: ColumnElement[bool] = exists().where(col(tables.Mentions.subject) == col(tables.Blobs.sha256))
_BYTES = select(func.coalesce(func.sum(col(tables.Blobs.size)), 0))
_OF_PARTY = _BYTES.where(col(tables.Blobs.party) == bindparam("party"))
_BYTES_OF_PARTY = _OF_PARTY.where(_NAMED), _OF_PARTY
"""The bytes that the log names, and all."""
_UNNAMED_BYTES = _BYTES.where(col(tables.Blobs.created_ms) >= bindparam("since_ms"), ~_NAMED)
_HAS = select(func.count()).select_from(tables.Blobs).where(col(tables.Blobs.sha256) == bindparam("digest"))
_IS_NAMED: Any = select(exists().where(col(tables.Mentions.subject) == bindparam("digest")))
_LOCK = 0x626C6F6273  # "blobs"
MIB = 1024 * 1024


@dataclass(frozen=True)
class Quotas:
    """Bytes, and for how long those are kept that nothing names."""

    blob: int = 64 * MIB
    unnamed_of_party: int = 64 * MIB
    unnamed_in_all: int = 1024 * MIB
    of_party: int = 4096 * MIB
    unnamed_ms: int = 1_800_000


class Stored(msgspec.Struct, frozen=True):
    """The bytes that a party has in the store."""

    named_bytes: int
    unnamed_bytes: int


class Blobs:
    """The store; `room` raises TrustError where there is none left."""

    def __init__(
        self,
        database: Database,
        quotas: Quotas | None = None,
        now_ms: Callable[[], int] = clock.now_ms,
        room: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._quotas = quotas or Quotas()
        self._now_ms = now_ms
        self._room = room
        self._looked_at_ms = 0

    def admit(self, reader: Reader, digest: str, size: int, upload: str) -> str:
        """Returns the party that stores these bytes: whoever names them on the log, else the party that signs `upload`.

        TrustError where nobody does, or the party's quota is used up.
        """
        if size > self._quotas.blob:
            raise TrustError("too-large", f"{size} bytes, a blob has at most {self._quotas.blob}")
        party = _signer(reader, digest, upload, self._now_ms()) if upload else _namer(reader, digest)
        if not party:
            raise TrustError(
                "unnamed-blob", f"no statement on the log names {digest}, and nobody signs for it"
            )
        self._check_quota(reader.connection, digest, size, party)
        return party

    def put(self, digest: str, data: bytes, party: str) -> bool:
        """Stores the bytes that `digest` (hex) names for a party that was admitted; whether they are new."""
        if sha256(data).hexdigest() != digest:
            raise TrustError("digest-mismatch", f"the bytes have the SHA-256 {sha256(data).hexdigest()}")
        self._room()
        with aside(self._database) as connection:
            _one_after_the_other(connection)
            if _has(connection, digest):
                renewed = {"created_ms": self._now_ms(), "party": party}
                kept = update(tables.Blobs).where(col(tables.Blobs.sha256) == digest, ~_NAMED)
                connection.execute(kept.values(renewed))
                return False
            self._check_quota(connection, digest, len(data), party)
            bulk.insert(connection, _TABLE, [(digest, len(data), data, self._now_ms(), party)])
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

    def forget_unnamed(self) -> int:
        """Deletes what no statement has named in time; returns how many those were.

        Each is looked at once, when its time is over: what was named by then stays named.
        """
        until_ms = self._now_ms() - self._quotas.unnamed_ms
        created_ms = col(tables.Blobs.created_ms)
        with aside(self._database) as connection:
            read_head(connection, lock=True)  # nobody names one of them meanwhile
            old = (created_ms >= self._looked_at_ms) & (created_ms < until_ms)
            gone = connection.execute(delete(tables.Blobs).where(old, ~_NAMED))
        self._looked_at_ms = until_ms
        return int(gone.rowcount)

    def forget(self, before_ms: int) -> int:
        """Deletes what was stored and last named before a time, when no case can need it any more; how many."""
        named_since = (
            exists()
            .where(col(tables.Mentions.subject) == col(tables.Blobs.sha256))
            .where(col(tables.Entries.index) == col(tables.Mentions.index))
            .where(col(tables.Entries.at_ms) >= before_ms)
        )
        with aside(self._database) as connection:
            read_head(connection, lock=True)
            old = col(tables.Blobs.created_ms) < before_ms
            return int(connection.execute(delete(tables.Blobs).where(old, ~named_since)).rowcount)

    def _check_quota(self, connection: Connection, digest: str, size: int, party: str) -> None:
        if _has(connection, digest):
            return
        here, is_named = stored(connection, party), _is_named(connection, digest)
        quotas = self._quotas
        if here.named_bytes + here.unnamed_bytes + size > quotas.of_party:
            raise _used_up(here, quotas.of_party, "in all")
        if is_named:
            return
        if here.unnamed_bytes + size > quotas.unnamed_of_party:
            raise _used_up(here, quotas.unnamed_of_party, "that no statement names")
        since_ms = self._now_ms() - 2 * quotas.unnamed_ms  # the older ones are gone
        unnamed_bytes = connection.execute(_UNNAMED_BYTES, {"since_ms": since_ms}).scalar_one()
        if int(unnamed_bytes) + size > quotas.unnamed_in_all:
            raise TrustError("overloaded", "too many bytes are here that no statement names yet")


def stored_bytes(connection: Connection) -> int:
    """How many bytes the store holds."""
    return int(connection.execute(_BYTES).scalar_one())


def stored(connection: Connection, party: str) -> Stored:
    """Returns the bytes that count against a party."""
    named, all_ = (int(connection.execute(q, {"party": party}).scalar_one()) for q in _BYTES_OF_PARTY)
    return Stored(named, all_ - named)


def missing(reader: Reader, digests: Iterable[str]) -> list[str]:
    """Which of these blobs are not here, in order."""
    asked = list(digests)
    query = select(col(tables.Blobs.sha256)).where(col(tables.Blobs.sha256).in_(set(asked)))
    stored = set(reader.connection.execute(query).scalars())
    return [digest for digest in asked if digest not in stored]


def _signer(reader: Reader, digest: str, header: str, now_ms: int) -> str:
    """The party that signs for the bytes with its current key."""
    signed_upload = Upload.parse(header)
    if signed_upload is None:
        raise TrustError("bad-parameter", "Trust-Upload: a DID, a time in ms and a signature, as docs say")
    party = reader.record(Party, signed_upload.party)
    if party is None or party.left:
        raise TrustError("unknown-agent", f"there is no agent {signed_upload.party} in this network")
    if not now_ms < signed_upload.until_ms <= now_ms + MAX_LIFETIME_MS:
        raise TrustError("expired", "Trust-Upload: the time is over, or more than an hour ahead")
    if not signed_upload.is_signed(reader.network().origin, digest, party.key):
        raise TrustError(
            "bad-signature", "Trust-Upload: not signed by the party's current key for these bytes"
        )
    return party.id


def _namer(reader: Reader, digest: str) -> str:
    """Returns the party that was the first to name the bytes on the log; "" where nobody did."""
    for entry in reader.timeline([digest], limit=1):
        return actor_of(decode_entry(entry.data))
    return ""


def _one_after_the_other(connection: Connection) -> None:
    """Has each upload find what the one before has used up of a quota; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def _has(connection: Connection, digest: str) -> bool:
    return bool(connection.execute(_HAS, {"digest": digest}).scalar_one())


def _is_named(connection: Connection, digest: str) -> bool:
    return bool(connection.execute(_IS_NAMED, {"digest": digest}).scalar_one())


def _used_up(here: Stored, quota: int, which: str) -> TrustError:
    held = f"{here.named_bytes} bytes that the log names and {here.unnamed_bytes} that it does not"
    return TrustError(
        "quota-exceeded", f"the party has {held}; at most {quota} bytes {which} are kept for it"
    )
