"""Who takes part, by which rules, and what money there is."""

from __future__ import annotations

from typing import ClassVar

from trust.core import lifecycle
from trust.core.lifecycle import Life
from trust.core.policy import Policy
from trust.core.records.record import Record


class Network(Record, frozen=True):
    """The one row (`id` "network") that says what everybody must agree on."""

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
    its open withdrawals name and a slash took; `places` are the slots in the pools of workers, one a capability."""

    table: ClassVar[str] = "parties"
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


class Key(Record, frozen=True):
    """A key (`id` is its DID) that is or was a party's; `until_index` is -1 while it is current.

    A key of the service itself has the id `use/DID`, and its use (log, draw) for a party; `before` is the DID of the
    one that it follows, empty for the first.
    """

    table: ClassVar[str] = "keys"
    party: str
    since_index: int
    until_index: int
    until_ms: int = 0
    before: str = ""


class Handle(Record, frozen=True):
    table: ClassVar[str] = "handles"
    party: str


class Role(Record, frozen=True):
    """`id` is role/party."""

    table: ClassVar[str] = "roles"
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
    balance_units: int


class Booking(Record, frozen=True):
    """A deposit's or payout's `reference`, booked once."""

    table: ClassVar[str] = "bookings"
    index: int


class Withdrawal(Record, frozen=True):
    """`state` is unbonding, payable, paid or returned; `source` is the account that the money goes back to."""

    table: ClassVar[str] = "withdrawals"
    life: ClassVar[Life | None] = lifecycle.WITHDRAWAL
    party: str
    source: str
    amount_units: int
    state: str
    matures_ms: int
    index: int
