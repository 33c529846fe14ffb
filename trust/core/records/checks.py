"""Panels and their seats, challenges, canaries, and what convicts."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from trust.core import lifecycle
from trust.core.lifecycle import Life
from trust.core.records.record import Record


class Alternate(msgspec.Struct, frozen=True, array_like=True):
    """Who is next in line for a seat, and the owner that the draw excluded for others."""

    agent: str
    owner: str


class Round(Record, frozen=True):
    """One panel on one claim, `id` is claim/number. `phase` is opening, commit, reveal or over.

    `seats` holds the current seat of each place, `items` the item indices that each place judges (empty where the
    output is not a batch), `to_open` how many of them the worker still has to open, `replaced` how often each place
    passed on, `disputed` the items without agreement, `samples` the items of each sample that the verdict is about:
    the round's own, then what is still contested of those before.
    """

    table: ClassVar[str] = "rounds"
    life: ClassVar[Life | None] = lifecycle.ROUND
    claim: str
    number: int
    phase: str
    until_ms: int
    quorum: int
    bond_units: int
    fee_units: int
    accept_count: int
    seats: tuple[str, ...]
    alternates: tuple[Alternate, ...]
    items: tuple[tuple[int, ...], ...]
    to_open: tuple[int, ...]
    replaced: tuple[int, ...]
    past_seats: tuple[str, ...] = ()
    verdict: str = ""
    bad: tuple[int, ...] = ()
    disputed: tuple[int, ...] = ()
    samples: tuple[tuple[int, ...], ...] = ()


class Seat(Record, frozen=True):
    """A verifier's place on a panel. `state` is seated, committed, revealed, passed (no commit), excused (it left)
    or silent (no reveal); after settlement `outcome` says right, wrong, canary-right, canary-wrong, heard, silent,
    passed or idle."""

    table: ClassVar[str] = "seats"
    life: ClassVar[Life | None] = lifecycle.SEAT
    claim: str
    round: int
    place: int
    agent: str
    owner: str
    bond_units: int
    state: str
    until_ms: int
    index: int
    commitment: str = ""
    verdict: str = ""
    bad: tuple[int, ...] = ()
    outcome: str = ""


class Challenge(Record, frozen=True):
    """An attack on a verdict, or on an output that was not checked.

    `against` is what it attacks, pass or fail (unchecked counts as pass); `round` the round that it opens; `statement`
    the id of its statement, which enters that round's draw; `before` the claim's challenge before this one. On its bond
    lie `bond_units` and `prepaid_units`, the fees of the round's panel. `state` is open, won, lost or returned.
    """

    table: ClassVar[str] = "challenges"
    life: ClassVar[Life | None] = lifecycle.CHALLENGE
    claim: str
    challenger: str
    index: int
    against: str
    round: int
    statement: str
    bond_units: int
    prepaid_units: int
    before: str = ""
    state: str = lifecycle.ChallengeState.OPEN


class Opening(Record, frozen=True):
    """An item the worker opened for a place; `id` is claim/round/place/index."""

    table: ClassVar[str] = "openings"
    leaf: str


class CanaryRoot(Record, frozen=True):
    """A promise of `count` canaries under the Merkle root `id` (hex); `opened` of them are."""

    table: ClassVar[str] = "canary_roots"
    count: int
    opened: int
    open_by_ms: int
    committed_ms: int
    index: int


class Canary(Record, frozen=True):
    """A canary that was opened, `id` is task/worker; `claim` is "" where the answer came to bear on none."""

    table: ClassVar[str] = "canaries"
    root: str
    number: int
    verdict: str
    claim: str
    index: int


class Conviction(Record, frozen=True):
    """A fact that convicted somebody (`id`), which therefore convicts no second time."""

    table: ClassVar[str] = "convictions"
    reporter: str
    index: int
