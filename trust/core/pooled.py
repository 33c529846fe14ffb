"""Records of pools and of what is drawn from them for a task: who may be drawn, who was, and what came of it."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from trust.core.record import Record


class Pool(Record, frozen=True):
    """`id` is verifiers/<kind>, workers/<kind> or probation/<kind>. `epoch` and `as_of` name the seal that is due or
    done; `sealed` the last one done."""

    table: ClassVar[str] = "pools"
    slots: int
    dirty: bool
    epoch: int = 0
    as_of: int = 0
    sealed_epoch: int = 0
    sealed: str = ""


class SealedPool(Record, frozen=True):
    """A pool as it was sealed, `id` is pool/epoch: root (hex) of its sum tree, slots, total weight, how many slots
    weigh anything and how many owners they have, heavy owners."""

    table: ClassVar[str] = "sealed_pools"
    pool: str
    epoch: int
    as_of: int
    root: str
    count: int
    total: int
    heavy: tuple[tuple[str, int], ...]
    members: int = 0
    owners: int = 0


class Slot(Record, frozen=True):
    """An enrolment's place in a pool, `id` is pool/number; a place that was left keeps weight 0."""

    table: ClassVar[str] = "slots"
    pool: str
    number: int
    agent: str
    owner: str
    weight: int
    index: int


class Node(Record, frozen=True):
    """A node of a sealed pool's sum tree by its digest; content-addressed, so it is never changed."""

    table: ClassVar[str] = "nodes"
    data: bytes


class Shortlisted(msgspec.Struct, frozen=True, array_like=True):
    """One of those who may claim first; whether the draw found it in the probation lane."""

    agent: str
    probation: bool


class Allocation(Record, frozen=True):
    """The one draw of who may claim a task first (`id` is the task's). `state` is awaited, drawn, failed or lapsed.

    `statement` is what asked for it, `index` its entry, `draw_key` who draws; `size` places are drawn from
    `candidates`, or where there are none from the sealed pools `pool` and `lane`. After the draw: how many were
    `eligible`, of how many `owners`, the `shortlist`, and whether anybody on it ever claimed (`used`).
    """

    table: ClassVar[str] = "allocations"
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
    """The one claim that an agent (`id`) has in flight out of the probation lane."""

    table: ClassVar[str] = "probations"
    claim: str


class Lapses(Record, frozen=True):
    """Allocations that an owner's requesters let come to nothing (`id` is owner/kind), as a decayed raw sum."""

    table: ClassVar[str] = "lapses"
    count: bytes
