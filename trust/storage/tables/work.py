"""Tasks, who may claim them, claims, and the panels that check them."""

from __future__ import annotations

from sqlalchemy import Index, text
from sqlmodel import SQLModel

from trust.storage.columns import Bytes, Clustered, FindWords, Json, KeyWords, Whole, Words


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


class Posters(Clustered, table=True):
    id: KeyWords
    newest: Words
    closing: Words


class Bars(Clustered, table=True):
    id: KeyWords
    claim: Words


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


class Challenges(SQLModel, table=True):
    id: KeyWords
    claim: FindWords
    challenger: FindWords
    index: Whole
    against: Words
    round: Whole
    statement: Words
    bond_units: Whole
    prepaid_units: Whole
    before: Words
    state: Words


class Openings(Clustered, table=True):
    id: KeyWords
    leaf: Words


class CanaryRoots(Clustered, table=True):
    __tablename__ = "canary_roots"
    id: KeyWords
    count: Whole
    opened: Whole
    open_by_ms: Whole
    committed_ms: Whole
    index: Whole


class Canaries(Clustered, table=True):
    id: KeyWords
    root: Words
    number: Whole
    verdict: Words
    claim: Words
    index: Whole


class Convictions(Clustered, table=True):
    id: KeyWords
    reporter: Words
    index: Whole
