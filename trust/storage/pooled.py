"""The tables of `trust.core.pooled`: pools, their seals and nodes, and who was drawn from them for a task."""

from __future__ import annotations

from sqlalchemy import Index, text
from sqlmodel import SQLModel

from trust.storage.columns import Bytes, Clustered, Json, KeyWords, Whole, Words


class Allocations(SQLModel, table=True):
    __table_args__ = (
        Index(
            "ix_allocations_awaited",
            "index",
            sqlite_where=text("state = 'awaited'"),
            postgresql_where=text("state = 'awaited'"),
        ),
    )
    id: KeyWords
    statement: Words
    index: Whole
    draw_key: Words
    state: Words
    size: Whole
    exclusive_ms: Whole
    candidates: Json
    pool: Words
    lane: Words
    eligible: Whole
    owners: Whole
    shortlist: Json
    used: bool


class Probations(Clustered, table=True):
    id: KeyWords
    claim: Words


class Lapses(Clustered, table=True):
    id: KeyWords
    count: Bytes


class Pools(SQLModel, table=True):
    id: KeyWords
    slots: Whole
    dirty: bool
    epoch: Whole
    as_of: Whole
    sealed_epoch: Whole
    sealed: Words


class SealedPools(SQLModel, table=True):
    __tablename__ = "sealed_pools"
    id: KeyWords
    pool: Words
    epoch: Whole
    as_of: Whole
    root: Words
    count: Whole
    total: Whole
    heavy: Json
    members: Whole
    owners: Whole


class Slots(SQLModel, table=True):
    __table_args__ = (Index("ix_slots_pool_index", "pool", "index"),)
    id: KeyWords
    pool: Words
    number: Whole
    agent: Words
    owner: Words
    weight: Whole
    index: Whole


class Nodes(SQLModel, table=True):
    id: KeyWords
    data: Bytes
