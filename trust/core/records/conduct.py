"""Records of conduct, the pools that draws pick from, and what is due."""

from __future__ import annotations

from typing import ClassVar

from trust.core.records.record import Record


class Track(Record, frozen=True):
    """A worker's way in one task kind (`id` is worker/kind): what the check rate reads.

    `recent` are the verifiers of the last five checks, newest last; `rotations` the party's count that `streak` and
    `checks` have accounted for.
    """

    table: ClassVar[str] = "tracks"
    streak: int = 0
    rotations: int = 0
    checks: int = 0
    mean_price_units: int = 0
    completed: int = 0
    unchecked_milli: int = 0
    recent: tuple[tuple[str, ...], ...] = ()


class Score(Record, frozen=True):
    """The raw sums of one (agent, role, task kind), `id` is agent/role/kind; sums grow for ever, hence bytes."""

    table: ClassVar[str] = "scores"
    agent: str
    role: str
    task_kind: str
    events: int
    index: int
    good_slow: bytes = b""
    bad_slow: bytes = b""
    failure_slow: bytes = b""
    good_fast: bytes = b""
    bad_fast: bytes = b""
    failure_fast: bytes = b""


class Pairing(Record, frozen=True):
    """How often an agent did well by one counterparty's owner (`id` is agent/kind/owner), as a decayed raw sum."""

    table: ClassVar[str] = "pairings"
    good: bytes


class Rater(Record, frozen=True):
    """How a requester's acceptances agreed with panels on the same outputs (milli-units, whole life)."""

    table: ClassVar[str] = "raters"
    agree_milli: int
    against_milli: int


class Liveness(Record, frozen=True):
    """An agent's finished and expired claims as decayed raw sums (slow half-life)."""

    table: ClassVar[str] = "liveness"
    done: bytes = b""
    expired: bytes = b""


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


class Said(Record, frozen=True):
    """A statement that is on the log: it counts once. The key begins with the time at which it was issued, so that
    what is said in one hour lies together, and remembering it costs the same however long the log is."""

    table: ClassVar[str] = "said"
    index: int


def said_key(issued_ms: int, statement_id: str) -> str:
    """The key of a statement; equal ids are equal payloads, so equal times."""
    return f"{issued_ms:014x}/{statement_id}"


class Timer(Record, frozen=True):
    """The one due date of the object `id`; settled in order (due_ms, kind, id)."""

    table: ClassVar[str] = "timers"
    due_ms: int
    kind: str
