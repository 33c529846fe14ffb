"""Who takes part, by which rules, and the money."""

from __future__ import annotations

from sqlmodel import SQLModel

from trust.storage.columns import Clustered, FindWords, Json, KeyWords, Whole, Words


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


class Parties(Clustered, table=True):
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
