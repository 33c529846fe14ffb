"""Records of conduct, the pools that draws pick from, and what is due."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import SQLModel

from trust.storage.columns import Bytes, Clustered, FindWords, Json, KeyWords, Whole, Words


class Tracks(SQLModel, table=True):
    id: KeyWords
    streak: Whole
    rotations: Whole
    checks: Whole
    mean_price_units: Whole
    completed: Whole
    unchecked_milli: Whole
    recent: Json


class Scores(Clustered, table=True):
    id: KeyWords
    agent: FindWords
    role: Words
    task_kind: Words
    events: Whole
    index: Whole
    good_slow: Bytes
    bad_slow: Bytes
    failure_slow: Bytes
    good_fast: Bytes
    bad_fast: Bytes
    failure_fast: Bytes


class Pairings(Clustered, table=True):
    id: KeyWords
    good: Bytes


class Raters(Clustered, table=True):
    id: KeyWords
    agree_milli: Whole
    against_milli: Whole


class Liveness(Clustered, table=True):
    id: KeyWords
    done: Bytes
    expired: Bytes


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


class Said(Clustered, table=True):
    id: KeyWords
    index: Whole


class Timers(SQLModel, table=True):
    __table_args__ = (Index("ix_timers_due", "due_ms", "kind", "id"), Clustered.__table_args__)
    id: KeyWords
    due_ms: Whole
    kind: Words
