"""The records of the state: immutable, by key, one type a table (docs/architecture.md 3, State).

A record's key is its type and `id`. Nothing here decides: events make records (`core/events/`), storage keeps them row
for row. Money is in units, times in ms, shares and scores in ppm, entry positions are indices.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from trust.core import lifecycle
from trust.core.lifecycle import Life
from trust.core.payloads import Part, Reference
from trust.core.policy import Policy
from trust.core.sampling.shortlist import Shortlisted


class Record(msgspec.Struct, frozen=True):
    """One row of state. `table` names it in SQL; `id` is its key; `life` is how its state may change.

    `fixed` are the indexed fields that never change once the row is there; `is_clustered` says that on SQLite the rows
    lie in the primary key's own tree, so that a write touches one tree.
    """

    table: ClassVar[str]
    fixed: ClassVar[tuple[str, ...]] = ()
    is_clustered: ClassVar[bool] = False
    life: ClassVar[Life | None] = None
    id: str


# -- who takes part, by which rules, and what money there is


class Network(Record, frozen=True):
    """The one row (`id` "network") that says what everybody must agree on; `bond_lost_units` is what the operator's
    open withdrawals from its bond name and a fault took."""

    table: ClassVar[str] = "network"
    origin: str
    operator: str
    log_key: str
    draw_key: str
    t0_ms: int
    slow_half_life_ms: int
    fast_half_life_ms: int
    rules: int
    policy: int
    policies: int
    bond_lost_units: int = 0


class AdoptedPolicy(Record, frozen=True):
    """Policy number `id`; tasks pin the number."""

    table: ClassVar[str] = "policies"
    effective_ms: int
    index: int
    terms: Policy


class AdoptedRules(Record, frozen=True):
    table: ClassVar[str] = "rules"
    effective_ms: int
    index: int
    release: str
    source_sha256: str


class Party(Record, frozen=True):
    """Whoever registered. `left` is "", "revoked" or "tombstoned" (by entry `left_index`, else -1); `enrolled` pairs
    task kinds with pool slots, `vacated` are the slots that enrolling again takes up; `unbonding_lost_units` is what
    its open withdrawals name and a slash took; `places` are the slots in the pools of workers, one a capability;
    `caught_ms` is when work of it last failed an exact check or was withheld, `expelled` whether the operator made it
    leave."""

    table: ClassVar[str] = "parties"
    fixed: ClassVar[tuple[str, ...]] = ("owner", "index")
    is_clustered: ClassVar[bool] = True
    key: str
    owner: str
    handle: str
    capabilities: tuple[str, ...]
    registered_ms: int
    index: int
    places: tuple[int, ...] = ()
    rotations: int = 0
    left: str = ""
    left_index: int = -1
    jailed_ms: int = 0
    jailed_until_ms: int = 0
    enrolled: tuple[tuple[str, int], ...] = ()
    vacated: tuple[tuple[str, int], ...] = ()
    liveness_ms: tuple[int, ...] = ()
    failures_ms: tuple[int, ...] = ()
    unbonding_lost_units: int = 0
    caught_ms: int = 0
    expelled: bool = False


class House(Record, frozen=True):
    """How many verifiers of a task kind one owner has (`id` is kind/owner)."""

    table: ClassVar[str] = "houses"
    is_clustered: ClassVar[bool] = True
    enrolled: int


class Key(Record, frozen=True):
    """A key (`id` is its DID) that is or was a party's; `until_index` is -1 while it is current.

    A key of the service itself has the id `use/DID`, and its use (log, draw) for a party; `before` is the DID of the
    one that it follows, empty for the first.
    """

    table: ClassVar[str] = "keys"
    is_clustered: ClassVar[bool] = True
    party: str
    since_index: int
    until_index: int
    until_ms: int = 0
    before: str = ""


class Handle(Record, frozen=True):
    table: ClassVar[str] = "handles"
    is_clustered: ClassVar[bool] = True
    party: str


class Role(Record, frozen=True):
    """`id` is role/party."""

    table: ClassVar[str] = "roles"
    is_clustered: ClassVar[bool] = True
    party: str
    role: str


class Relay(Record, frozen=True):
    """`convicted` are coordinators, of now or before, who signed a false confirmation."""

    table: ClassVar[str] = "relays"
    name: str
    coordinators: tuple[str, ...]
    threshold: int
    index: int
    suspended: bool = False
    convicted: tuple[str, ...] = ()


class Account(Record, frozen=True):
    table: ClassVar[str] = "accounts"
    is_clustered: ClassVar[bool] = True
    balance_units: int


class Booking(Record, frozen=True):
    """A deposit's or payout's `reference`, booked once."""

    table: ClassVar[str] = "bookings"
    is_clustered: ClassVar[bool] = True
    index: int


class Withdrawal(Record, frozen=True):
    """`state` is unbonding, payable, paid or returned; `source` is the account that the money goes back to;
    `reference` is the payment that it names ("": none, and its party signs the payout)."""

    table: ClassVar[str] = "withdrawals"
    fixed: ClassVar[tuple[str, ...]] = ("party",)
    life: ClassVar[Life | None] = lifecycle.WITHDRAWAL
    party: str
    source: str
    amount_units: int
    state: str
    matures_ms: int
    index: int
    reference: str = ""


# -- tasks, who may claim them, and claims


class Task(Record, frozen=True):
    """`fees_units` is F, the fees escrowed beside the price; before `exclusive_until_ms` only its shortlist may claim
    it; `older` and `newer` are its neighbours among its requester's tasks that are not closed; `abandoned` is true once
    somebody gave it up for free; `reopened_ms` is when it last stood open again (0: never).

    A squad may split it into at most `most_parts`, of a single output those that `parts` names with their shares in
    ppm; then it is of `squad`. A part has a `parent`, its name there (`part`) or its `first_item`, and the `squad`."""

    table: ClassVar[str] = "tasks"
    fixed: ClassVar[tuple[str, ...]] = ("requester", "task_kind", "relay", "index")
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
    abandoned: bool = False
    reopened_ms: int = 0
    references: tuple[Reference, ...] = ()
    parts: tuple[Part, ...] = ()
    most_parts: int = 1
    parent: str = ""
    part: str = ""
    first_item: int = 0
    squad: str = ""

    @property
    def escrow_units(self) -> int:
        """Returns what is set aside while it is open: its price, and fees for as many parts as it may have."""
        return self.price_units + self.fees_units * self.most_parts


class Poster(Record, frozen=True):
    """Where a requester's tasks that are not closed begin; `closing` is where closing them goes on after it left."""

    table: ClassVar[str] = "posters"
    is_clustered: ClassVar[bool] = True
    newest: str = ""
    closing: str = ""


class Pins(Record, frozen=True):
    """The one row (`id` "policies") that says how many tasks that are not closed pin which policy, by its number."""

    table: ClassVar[str] = "pins"
    open: tuple[tuple[int, int], ...] = ()


class Portion(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a member of a squad takes: a part by its name, or the items of a batch from `first_item` on.

    `surety_units` is the most that it pays for the others, `claim` its claim while sureties stand for it,
    `asked_index` the entry in which it asked to join, where it was drawn."""

    worker: str
    stake_units: int
    price_units: int
    part: str = ""
    first_item: int = 0
    items_count: int = 0
    surety_units: int = 0
    claim: str = ""
    asked_index: int = 0


class Squad(Record, frozen=True):
    """Workers that take the parts of a task together; `tasks` are the parts that its claim split the task into.

    While it is calling, its `members` are the founder and whoever asked to join, until `asks_until_ms`."""

    table: ClassVar[str] = "squads"
    fixed: ClassVar[tuple[str, ...]] = ("task", "index")
    life: ClassVar[Life | None] = lifecycle.SQUAD
    task: str
    founder: str
    index: int
    state: str
    until_ms: int
    members: tuple[Portion, ...]
    tasks: tuple[str, ...] = ()
    asks_until_ms: int = 0


class Bar(Record, frozen=True):
    """`id` is task/owner: who was rejected, expired or abandoned there may not claim it again."""

    table: ClassVar[str] = "bars"
    is_clustered: ClassVar[bool] = True
    claim: str


class Allocation(Record, frozen=True):
    """The one draw of who may claim a task first (`id` is the task's).

    `statement` is what asked for it at `asked_ms`, `index` its entry, `draw_key` who draws; `size` places are drawn
    from `candidates`, or where there are none from the sealed pools `pool` and `lane`. After the draw: how many were
    `eligible`, of how many `owners`, the `shortlist`, and whether anybody on it ever claimed (`used`). With `squad` it
    is of who joins that, and nobody else may claim first.
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
    asked_ms: int = 0
    squad: str = ""


class Probation(Record, frozen=True):
    """The one claim that an agent (`id`) has in flight out of the probation lane: nobody has passed it yet."""

    table: ClassVar[str] = "probations"
    is_clustered: ClassVar[bool] = True
    claim: str


class Lapses(Record, frozen=True):
    """Allocations that an owner's requesters let come to nothing (`id` is owner/kind), as a decayed raw sum."""

    table: ClassVar[str] = "lapses"
    is_clustered: ClassVar[bool] = True
    count: bytes


class Claim(Record, frozen=True):
    """One worker's hold on one task; `state` as `lifecycle.CLAIM` moves it.

    `route` is how the worker came to it and `delta_ppm` what praise counts for that (docs/reputation.md 1).
    `draw_round` is the round whose draw is awaited (0: none), `rate_ppm` the check rate fixed at the claim's entry,
    `pool` the sealed pool that its panels are drawn from ("" where none was sealed before it), `hold_units` what is
    left of the stake for evidence after acceptance, `challenge` its last challenge; `unchecked` stays where the coin
    said no check; `canary` is the answer that the operator had committed to ("": none), and `measured`
    says that seats answer for it;
    `appealable` says whether its pool could seat an appeal, `caught` that it is checked because its worker was caught;
    `waited_ms` is how long the task had stood open.
    """

    table: ClassVar[str] = "claims"
    fixed: ClassVar[tuple[str, ...]] = ("task", "worker", "task_kind", "index")
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
    appealable: bool = True
    caught: bool = False
    measured: bool = False
    waited_ms: int = 0
    task_kind: str = ""


# -- panels and their seats, challenges, canaries, and what convicts


class Alternate(msgspec.Struct, frozen=True, array_like=True):
    """An agent that is next in line for a seat; `owner` is "" where the agent is its own."""

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
    fixed: ClassVar[tuple[str, ...]] = ("claim",)
    life: ClassVar[Life | None] = lifecycle.ROUND
    claim: str
    number: int
    phase: str
    until_ms: int
    quorum: int
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
    passed or idle. `salt` (base64 of 32 bytes) is what it revealed, empty before."""

    table: ClassVar[str] = "seats"
    fixed: ClassVar[tuple[str, ...]] = ("claim", "agent", "index")
    life: ClassVar[Life | None] = lifecycle.SEAT
    claim: str
    round: int
    place: int
    agent: str
    owner: str
    state: str
    until_ms: int
    index: int
    commitment: str = ""
    verdict: str = ""
    salt: str = ""
    bad: tuple[int, ...] = ()
    outcome: str = ""


class Challenge(Record, frozen=True):
    """An attack on a verdict, or on an output that was not checked.

    `against` is what it attacks, pass, fail or void (unchecked: pass); `round` the round that it opens; `before` the
    claim's challenge before this one. On its bond lie `bond_units` and `prepaid_units`, the fees of the round's panel.
    `state` is open, won, lost or returned.
    """

    table: ClassVar[str] = "challenges"
    fixed: ClassVar[tuple[str, ...]] = ("claim", "challenger")
    life: ClassVar[Life | None] = lifecycle.CHALLENGE
    claim: str
    challenger: str
    index: int
    against: str
    round: int
    bond_units: int
    prepaid_units: int
    before: str = ""
    state: str = lifecycle.ChallengeState.OPEN


class Opening(Record, frozen=True):
    """An item the worker opened for a place; `id` is claim/round/place/index."""

    table: ClassVar[str] = "openings"
    is_clustered: ClassVar[bool] = True
    leaf: str


class CanaryRoot(Record, frozen=True):
    """A promise of `count` canaries under the Merkle root `id` (hex); `opened` of them are."""

    table: ClassVar[str] = "canary_roots"
    is_clustered: ClassVar[bool] = True
    count: int
    opened: int
    open_by_ms: int
    committed_ms: int
    index: int


class Canary(Record, frozen=True):
    """A canary that was opened, `id` is task/worker; `claim` is "" where the answer came to bear on none."""

    table: ClassVar[str] = "canaries"
    is_clustered: ClassVar[bool] = True
    root: str
    number: int
    verdict: str
    claim: str
    index: int


class Conviction(Record, frozen=True):
    """A fact that convicted somebody (`id`), which therefore convicts no second time."""

    table: ClassVar[str] = "convictions"
    is_clustered: ClassVar[bool] = True
    reporter: str
    index: int


# -- records of conduct, the pools that draws pick from, and what is due


class Track(Record, frozen=True):
    """A worker's way in one task kind (`id` is worker/kind): what the check rate reads.

    `rotations` is the party's count that `streak` and `checks` have accounted for.
    """

    table: ClassVar[str] = "tracks"
    streak: int = 0
    rotations: int = 0
    checks: int = 0
    unchecked_milli: int = 0


class Score(Record, frozen=True):
    """The raw sums of one (agent, role, task kind), `id` is agent/role/kind; sums grow for ever, hence bytes."""

    table: ClassVar[str] = "scores"
    fixed: ClassVar[tuple[str, ...]] = ("agent",)
    is_clustered: ClassVar[bool] = True
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
    is_clustered: ClassVar[bool] = True
    good: bytes


class Rater(Record, frozen=True):
    """How a requester's acceptances agreed with panels on the same outputs (milli-units, whole life)."""

    table: ClassVar[str] = "raters"
    is_clustered: ClassVar[bool] = True
    agree_milli: int
    against_milli: int


class Liveness(Record, frozen=True):
    """An agent's finished and expired claims as decayed raw sums (slow half-life)."""

    table: ClassVar[str] = "liveness"
    is_clustered: ClassVar[bool] = True
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
    fixed: ClassVar[tuple[str, ...]] = ("pool", "number")
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
    fixed: ClassVar[tuple[str, ...]] = ("index",)
    is_clustered: ClassVar[bool] = True
    index: int


def said_key(issued_ms: int, statement_id: str) -> str:
    """The key of a statement; equal ids are equal payloads, so equal times."""
    return f"{issued_ms:014x}/{statement_id}"


class Timer(Record, frozen=True):
    """The one due date of the object `id`; settled in order (due_ms, kind, id)."""

    table: ClassVar[str] = "timers"
    is_clustered: ClassVar[bool] = True
    due_ms: int
    kind: str


Counts = tuple[tuple[int, int], ...]
"""A histogram: pairs of a bucket and how many fell into it, in order (`core/overhead.py`)."""


class Spent(msgspec.Struct, frozen=True):
    """Sums of the time that claims took, from when the first of their tasks stood open to the end of the last: ms
    and histograms of the three legs of those with an output; `lost` ended without one, after `lost_ms` in all."""

    claims: int = 0
    lost: int = 0
    lost_ms: int = 0
    first_ms: int = 0
    last_ms: int = 0
    wait_ms: int = 0
    work_ms: int = 0
    settle_ms: int = 0
    waits: Counts = ()
    works: Counts = ()
    settles: Counts = ()

    @property
    def is_empty(self) -> bool:
        """Returns whether no claim has ended."""
        return not self.claims and not self.lost


EMPTY_SPENT = Spent()


class Overhead(Record, frozen=True):
    """The time spent by claims on work of a kind through a relay (`id` is kind/relay, or "network" for all):
    `total` ever, `recent` in the hour that began at `since_ms`, `before` in the one before it."""

    table: ClassVar[str] = "overhead"
    is_clustered: ClassVar[bool] = True
    task_kind: str
    relay: str
    since_ms: int = 0
    total: Spent = EMPTY_SPENT
    recent: Spent = EMPTY_SPENT
    before: Spent = EMPTY_SPENT


RECORDS: tuple[type[Record], ...] = tuple(Record.__subclasses__())
"""Every record type."""
