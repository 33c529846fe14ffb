"""Tasks, who may claim them, and claims."""

from __future__ import annotations

from typing import ClassVar

from trust.core import lifecycle
from trust.core.lifecycle import Life
from trust.core.records.record import Record
from trust.core.sampling.shortlist import Shortlisted


class Task(Record, frozen=True):
    """`fees_units` is F, the fees escrowed beside the price; before
    `exclusive_until_ms` only its shortlist may claim it; `older` and `newer` are its neighbours among its requester's
    tasks that are not closed."""

    table: ClassVar[str] = "tasks"
    life: ClassVar[Life | None] = lifecycle.TASK
    requester: str
    task_kind: str
    index: int
    policy: int
    state: str
    posted_ms: int
    deadline_ms: int
    price_units: int
    fees_units: int
    stake_units: int
    lease_ms: int
    spec_sha256: str
    spec_uri: str
    items_count: int
    tolerated_bad_ppm: int
    assignee: str
    relay: str
    claim: str = ""
    closed_why: str = ""
    older: str = ""
    newer: str = ""
    exclusive_until_ms: int = 0


class Poster(Record, frozen=True):
    """Where a requester's tasks that are not closed begin; `closing` is where closing them goes on after it left."""

    table: ClassVar[str] = "posters"
    newest: str = ""
    closing: str = ""


class Bar(Record, frozen=True):
    """`id` is task/owner: who was rejected, expired or abandoned there may not claim it again."""

    table: ClassVar[str] = "bars"
    claim: str


class Allocation(Record, frozen=True):
    """The one draw of who may claim a task first (`id` is the task's).

    `statement` is what asked for it, `index` its entry, `draw_key` who draws; `size` places are drawn from
    `candidates`, or where there are none from the sealed pools `pool` and `lane`. After the draw: how many were
    `eligible`, of how many `owners`, the `shortlist`, and whether anybody on it ever claimed (`used`).
    """

    table: ClassVar[str] = "allocations"
    life: ClassVar[Life | None] = lifecycle.ALLOCATION
    statement: str
    index: int
    draw_key: str
    state: str
    size: int
    exclusive_ms: int
    candidates: tuple[str, ...]
    pool: str
    lane: str
    eligible: int = 0
    owners: int = 0
    shortlist: tuple[Shortlisted, ...] = ()
    used: bool = False


class Probation(Record, frozen=True):
    """The one claim that an agent (`id`) has in flight out of the probation lane: nobody has passed it yet."""

    table: ClassVar[str] = "probations"
    claim: str


class Lapses(Record, frozen=True):
    """Allocations that an owner's requesters let come to nothing (`id` is owner/kind), as a decayed raw sum."""

    table: ClassVar[str] = "lapses"
    count: bytes


class Claim(Record, frozen=True):
    """One worker's hold on one task; `state` as `lifecycle.CLAIM` moves it.

    `route` is how the worker came to it and `delta_ppm` what praise counts for that (reputation.md 1). `draw_round` is
    the round whose draw is awaited (0: none), `rate_ppm` the check rate fixed at the claim's entry,
    `pool` the sealed pool that its panels are drawn from ("" where none was sealed before it), `hold_units` what is
    left of the stake for evidence after acceptance, `challenge` its last challenge; `unchecked` stays where the coin
    said no check; `canary` is the answer that the operator had committed to ("": none).
    """

    table: ClassVar[str] = "claims"
    life: ClassVar[Life | None] = lifecycle.CLAIM
    task: str
    worker: str
    relay: str
    index: int
    state: str
    stake_units: int
    opened_ms: int
    lease_until_ms: int
    rate_ppm: int
    draw_key: str
    pool: str
    route: str
    delta_ppm: int
    renewals: int = 0
    output: str = ""
    output_index: int = 0
    items_root: str = ""
    draw_round: int = 0
    round: int = 0
    opened: bool = False
    verdict: str = ""
    verdict_round: int = 0
    accepted_by_requester: bool = False
    hold_units: int = 0
    ended_ms: int = 0
    unchecked: bool = False
    challenge: str = ""
    submitted_ms: int = 0
    canary: str = ""
