"""Every table: the log, the state folded from it, and what reads of the log need (design.md 3 and 4).

- The log: `entries` is the truth and is never dropped; `tiles` are its full hash tiles; `head` is the one row
  that every writer locks; `cosigned` is what witnesses added to earlier heads.
- State: one table for each record type of `trust.core.records`, columns named as the record's fields. What is
  nested in a record is JSON text. All of it can be dropped and refolded from `entries`. Those of pools, and of what is
  drawn from them for a task, are in `pooled.py`.
- Projections, folded from the same entries and only ever added to, stand in `projected.py`.
- `elsewhere` holds what other networks say about agents.
- `blobs` holds bytes that parties checked or will check; the log has only their digests.
"""

from __future__ import annotations

from sqlalchemy import Index, text
from sqlmodel import SQLModel

from trust.storage import (
    case_tables,  # noqa: F401 (its tables belong to the same schema)
    pooled,
    projected,
)
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
from trust.storage.conviction_tables import Canaries, CanaryRoots, Convictions

METADATA = pooled.Pools.metadata
"""All tables, those of `pooled` too."""

SEGMENT_BITS = 14
SEGMENT = f'("index" >> {SEGMENT_BITS})'
"""The part of the log that an entry is in: leaf hashes are looked up in each by itself, so that the part of their
index to which entries are added stays small."""

ELSEWHERE = (CanaryRoots, Canaries, Convictions)
"""Tables that stand in files of their own."""


PROJECTED: tuple[type[SQLModel], ...] = (
    projected.Postings,
    projected.Mentions,
    projected.Weights,
    projected.Observations,
)


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


class Elsewhere(Clustered, table=True):
    """What another network said about an agent last: information for relays, no state."""

    agent: KeyWords
    network: KeyWords
    shown: Json


class Blobs(SQLModel, table=True):
    sha256: KeyWords
    size: Whole
    data: Bytes
    created_ms: FindWhole


class Network(SQLModel, table=True):
    id: KeyWords
    origin: Words
    operator: Words
    log_key: Words
    draw_key: Words
    t0_ms: Whole
    slow_half_life_ms: Whole
    fast_half_life_ms: Whole
    rules: Whole
    policy: Whole
    policies: Whole


class Policies(SQLModel, table=True):
    id: KeyWords
    effective_ms: Whole
    index: Whole
    terms: Json


class Rules(SQLModel, table=True):
    id: KeyWords
    effective_ms: Whole
    index: Whole
    release: Words
    source_sha256: Words


class Parties(SQLModel, table=True):
    id: KeyWords
    key: Words
    owner: FindWords
    handle: Words
    capabilities: Json
    registered_ms: Whole
    index: Whole
    places: Json
    rotations: Whole
    left: Words
    left_index: Whole
    jailed_ms: Whole
    jailed_until_ms: Whole
    enrolled: Json
    vacated: Json
    liveness_ms: Json
    failures_ms: Json
    unbonding_lost_units: Whole


class Keys(Clustered, table=True):
    id: KeyWords
    party: Words
    since_index: Whole
    until_index: Whole
    until_ms: Whole
    before: Words


class Handles(Clustered, table=True):
    id: KeyWords
    party: Words


class Roles(Clustered, table=True):
    id: KeyWords
    party: Words
    role: Words


class Relays(SQLModel, table=True):
    id: KeyWords
    name: Words
    coordinators: Json
    threshold: Whole
    index: Whole
    suspended: bool
    convicted: Json


class Accounts(Clustered, table=True):
    id: KeyWords
    balance_units: Whole


class Bookings(Clustered, table=True):
    id: KeyWords
    index: Whole


class Withdrawals(SQLModel, table=True):
    id: KeyWords
    party: FindWords
    source: Words
    amount_units: Whole
    state: Words
    matures_ms: Whole
    index: Whole


class Tasks(SQLModel, table=True):
    id: KeyWords
    requester: FindWords
    task_kind: Words
    index: Whole
    policy: Whole
    state: Words
    posted_ms: Whole
    deadline_ms: Whole
    price_units: Whole
    fees_units: Whole
    stake_units: Whole
    lease_ms: Whole
    spec_sha256: Words
    spec_uri: Words
    items_count: Whole
    tolerated_bad_ppm: Whole
    assignee: Words
    relay: Words
    claim: Words
    closed_why: Words
    older: Words
    newer: Words
    exclusive_until_ms: Whole


class Bars(Clustered, table=True):
    id: KeyWords
    claim: Words


class Claims(SQLModel, table=True):
    __table_args__ = (
        Index(
            "ix_claims_draw_round",
            "draw_round",
            sqlite_where=text("draw_round > 0"),
            postgresql_where=text("draw_round > 0"),
        ),
    )
    id: KeyWords
    task: FindWords
    worker: FindWords
    relay: Words
    index: Whole
    state: Words
    stake_units: Whole
    opened_ms: Whole
    lease_until_ms: Whole
    rate_ppm: Whole
    draw_key: Words
    pool: Words
    route: Words
    delta_ppm: Whole
    renewals: Whole
    output: Words
    output_index: Whole
    items_root: Words
    draw_round: Whole
    round: Whole
    opened: bool
    verdict: Words
    verdict_round: Whole
    accepted_by_requester: bool
    hold_units: Whole
    ended_ms: Whole
    unchecked: bool
    challenge: Words
    submitted_ms: Whole
    canary: Words


class Rounds(SQLModel, table=True):
    id: KeyWords
    claim: FindWords
    number: Whole
    phase: Words
    until_ms: Whole
    quorum: Whole
    bond_units: Whole
    fee_units: Whole
    accept_count: Whole
    seats: Json
    alternates: Json
    items: Json
    to_open: Json
    replaced: Json
    past_seats: Json
    verdict: Words
    bad: Json
    disputed: Json
    samples: Json


class Seats(SQLModel, table=True):
    id: KeyWords
    claim: FindWords
    round: Whole
    place: Whole
    agent: FindWords
    owner: Words
    bond_units: Whole
    state: Words
    until_ms: Whole
    index: Whole
    commitment: Words
    verdict: Words
    bad: Json
    outcome: Words


class Openings(Clustered, table=True):
    id: KeyWords
    leaf: Words


class Tracks(SQLModel, table=True):
    id: KeyWords
    streak: Whole
    rotations: Whole
    checks: Whole
    mean_price_units: Whole
    completed: Whole
    unchecked_milli: Whole
    recent: Json


class Scores(SQLModel, table=True):
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


class Said(Clustered, table=True):
    id: KeyWords
    index: Whole


class Timers(SQLModel, table=True):
    __table_args__ = (Index("ix_timers_due", "due_ms", "kind", "id"), Clustered.__table_args__)
    id: KeyWords
    due_ms: Whole
    kind: Words
