"""Every table, as a page a subject (design.md 3 and 4).

- `log`: `entries` is the truth and is never dropped; `tiles` are its full hash tiles; `head` is the one row that every
  writer locks; `cosigned` is what witnesses added to earlier heads. Beside it `blobs`, bytes that parties check (the
  log has only their digests), and `elsewhere`, what other networks say about agents.
- `parties`, `work`, `conduct`: state, one table for each record type of `trust.core.records`, columns named as the
  record's fields. What is nested in a record is JSON text. All of it can be dropped and refolded from `entries`.
- `projected`: folded from the same entries for those who read.
"""

from __future__ import annotations

from sqlmodel import SQLModel

from trust.storage.tables.conduct import (
    Liveness,
    Nodes,
    Pairings,
    Pools,
    Raters,
    Said,
    Scores,
    SealedPools,
    Slots,
    Timers,
    Tracks,
)
from trust.storage.tables.log import SEGMENT, SEGMENT_BITS, Blobs, Cosigned, Elsewhere, Entries, Head, Tiles
from trust.storage.tables.parties import (
    Accounts,
    Bookings,
    Handles,
    Keys,
    Network,
    Parties,
    Policies,
    Relays,
    Roles,
    Rules,
    Withdrawals,
)
from trust.storage.tables.projected import Mentions, Observations, Postings, SealedScores, Weights
from trust.storage.tables.work import (
    Allocations,
    Bars,
    Canaries,
    CanaryRoots,
    Challenges,
    Claims,
    Convictions,
    Lapses,
    Openings,
    Posters,
    Probations,
    Rounds,
    Seats,
    Tasks,
)

METADATA = Entries.metadata
"""All of them."""

PROJECTED: tuple[type[SQLModel], ...] = (Postings, Mentions, Weights, Observations)
"""What is only ever added to."""

__all__ = [
    "METADATA", "PROJECTED", "SEGMENT", "SEGMENT_BITS", "Accounts", "Allocations", "Bars", "Blobs", "Bookings",
    "Canaries", "CanaryRoots", "Challenges", "Claims", "Convictions", "Cosigned", "Elsewhere", "Entries",
    "Handles", "Head", "Keys", "Lapses", "Liveness", "Mentions", "Network", "Nodes", "Observations", "Openings",
    "Pairings", "Parties", "Policies", "Pools", "Posters", "Postings", "Probations", "Raters", "Relays",
    "Roles", "Rounds", "Rules", "Said", "Scores", "SealedPools", "SealedScores", "Seats", "Slots", "Tasks",
    "Tiles", "Timers", "Tracks", "Weights", "Withdrawals",
]  # fmt: skip
