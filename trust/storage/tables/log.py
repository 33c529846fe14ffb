"""The log, and what is kept beside it: bytes that parties check, what witnesses added, what other networks say."""

from __future__ import annotations

from sqlalchemy import Index, text
from sqlmodel import SQLModel

from trust.storage.columns import (
    Bytes,
    Clustered,
    FindWhole,
    FindWords,
    Json,
    KeyWhole,
    KeyWords,
    Whole,
    Words,
)

SEGMENT_BITS = 14
SEGMENT = f'("index" >> {SEGMENT_BITS})'
"""The part of the log that an entry is in: leaf hashes are looked up in each by itself, so that the part of their
index to which entries are added stays small."""


class Entries(SQLModel, table=True):
    """The log: the bytes of entry `index`. `kind` is the command's, for a statement its payload's."""

    __table_args__ = (Index("ix_entries_leaf_hash", text(SEGMENT), "leaf_hash"),)
    index: KeyWhole
    at_ms: Whole
    kind: Words
    data: Bytes
    leaf_hash: Bytes


class Tiles(SQLModel, table=True):
    """A full hash tile: 256 hashes of 32 bytes."""

    level: KeyWhole
    number: KeyWhole
    data: Bytes


class Head(SQLModel, table=True):
    """One row (`id` 0): the size, time and root of the log, and the checkpoint that was signed over them."""

    id: KeyWhole
    size: Whole
    at_ms: Whole
    root: Bytes
    checkpoint: Bytes


class Cosigned(SQLModel, table=True):
    """The newest checkpoint that the witnesses of policy number `policy` cosigned, and when there was a quorum."""

    policy: KeyWhole
    size: Whole
    at_ms: Whole
    note: Bytes


class Blobs(SQLModel, table=True):
    """Bytes by their SHA-256 in hex, and whose they count as: the party that named them or signed for them."""

    sha256: KeyWords
    size: Whole
    data: Bytes
    created_ms: FindWhole
    party: FindWords


class Elsewhere(Clustered, table=True):
    """What another network said about an agent last: information for relays, no state."""

    agent: KeyWords
    network: KeyWords
    shown: Json
