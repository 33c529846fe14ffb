"""What the state consists of: immutable records by key, one type a table (design.md section 3, State).

A record's key is its type and `id`. Nothing here decides: events make records (`events.py`), storage keeps them row
for row. Money is in units, times in ms, shares and scores in ppm, entry positions are indices.
"""

from __future__ import annotations

from trust.core.records.checks import (
    Alternate,
    Canary,
    CanaryRoot,
    Challenge,
    Conviction,
    Opening,
    Round,
    Seat,
)
from trust.core.records.conduct import (
    Liveness,
    Node,
    Pairing,
    Pool,
    Rater,
    Said,
    Score,
    SealedPool,
    Slot,
    Timer,
    Track,
    said_key,
)
from trust.core.records.parties import (
    Account,
    AdoptedPolicy,
    AdoptedRules,
    Booking,
    Handle,
    Key,
    Network,
    Party,
    Relay,
    Role,
    Withdrawal,
)
from trust.core.records.record import Record
from trust.core.records.work import Allocation, Bar, Claim, Lapses, Poster, Probation, Task

RECORDS: tuple[type[Record], ...] = (
    Network, AdoptedPolicy, AdoptedRules, Party, Key, Handle, Role, Relay, Account, Booking, Withdrawal, Task, Bar,
    Poster, Allocation, Probation, Lapses, Claim, Round, Seat, Challenge, Opening, Track, Score, Pairing, Rater,
    Liveness, Pool, SealedPool, Slot, Node, Said, Timer, CanaryRoot, Canary, Conviction,
)  # fmt: skip

__all__ = [
    "RECORDS", "Account", "AdoptedPolicy", "AdoptedRules", "Allocation", "Alternate", "Bar", "Booking",
    "Canary", "CanaryRoot", "Challenge", "Claim", "Conviction", "Handle", "Key", "Lapses", "Liveness",
    "Network", "Node", "Opening", "Pairing", "Party", "Pool", "Poster", "Probation", "Rater", "Record", "Relay",
    "Role", "Round", "Said", "Score", "SealedPool", "Seat", "Slot", "Task", "Timer", "Track",
    "Withdrawal", "said_key",
]  # fmt: skip
