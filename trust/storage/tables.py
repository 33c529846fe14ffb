"""Every table, in three groups (docs/architecture.md 3 and 4).

- The log: `entries` is the truth and is never dropped; `tiles` are its full hash tiles; `head` is the one row that
  every writer locks; `cosigned` is what witnesses added to earlier heads. Beside it `blobs`, bytes that parties check
  (the log has only their digests), and `elsewhere`, what other networks say about agents.
- Projections: folded from the entries for those who read, and only ever added to; in `tallies` amounts are added up.
  `sealed_scores` is made again from state and log.
- State: one table for each record type of `trust.core.records`, derived from it: a column for each field, in order.
  Text, integers, bytes and truth values are columns of that type; anything nested is JSON text. All of it can be
  dropped and refolded from `entries`.

SQLModel's own `int` has 32 bits on PostgreSQL. Text compares by code point on both databases, as it does in the
rulebook: a collation of the server's choice would settle timers in another order than an auditor does. A field that
never changes once the row is there (`fixed`) is not written again, so that replacing a row leaves its indexes alone.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, get_type_hints

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text, text
from sqlmodel import Field, SQLModel

from trust.core.records import (
    RECORDS,
    Allocation,
    Challenge,
    Claim,
    Conviction,
    Party,
    Record,
    Round,
    Said,
    Score,
    Seat,
    Slot,
    Task,
    Timer,
    Withdrawal,
)
from trust.log.merkle import EMPTY_ROOT

NUMBER = BigInteger().with_variant(Integer(), "sqlite")
WORDS = Text().with_variant(Text(collation="C"), "postgresql")

Whole = Annotated[int, Field(sa_type=NUMBER)]
Words = Annotated[str, Field(sa_type=WORDS)]
Bytes = Annotated[bytes, Field(sa_type=LargeBinary)]
Json = Annotated[str, Field(sa_type=Text)]
KeyWhole = Annotated[int, Field(sa_type=NUMBER, primary_key=True, sa_column_kwargs={"autoincrement": False})]
KeyWords = Annotated[str, Field(sa_type=WORDS, primary_key=True)]
FindWhole = Annotated[int, Field(sa_type=NUMBER, index=True)]
FindWords = Annotated[str, Field(sa_type=WORDS, index=True)]


class Clustered(SQLModel):
    """SQLite: the rows lie in the primary key's own tree, so that a write touches one tree and not two."""

    __table_args__: ClassVar[Any] = {"sqlite_with_rowid": False}


# -- the log

SEGMENT_BITS = 14
SEGMENT = f'("index" >> {SEGMENT_BITS})'
"""The part of the log that an entry is in: leaf hashes are looked up in each by itself, so that the part of their
index to which entries are added stays small."""


class Entries(SQLModel, table=True):
    """The log: the bytes of entry `index`. `kind` is the command's, for a statement its payload's."""

    __table_args__ = (
        Index("ix_entries_leaf_hash", text(SEGMENT), "leaf_hash"),
        Index("ix_entries_kind", "kind", "index"),
    )
    index: KeyWhole
    at_ms: Whole
    kind: Words
    data: Bytes
    leaf_hash: Bytes


class Tiles(SQLModel, table=True):
    """A full hash tile: 256 hashes of 32 bytes."""

    level: KeyWhole
    number: KeyWhole
    data: Bytes


class Head(SQLModel, table=True):
    """One row (`id` 0): the size, time and root of the log, and the checkpoint that was signed over them."""

    id: KeyWhole
    size: Whole
    at_ms: Whole
    root: Bytes
    checkpoint: Bytes


EMPTY_HEAD: Final = {"id": 0, "size": 0, "at_ms": 0, "root": EMPTY_ROOT, "checkpoint": b""}
"""The row of a log without an entry."""


class Cosigned(SQLModel, table=True):
    """The newest checkpoint that the witnesses of policy number `policy` cosigned, and when there was a quorum."""

    policy: KeyWhole
    size: Whole
    at_ms: Whole
    note: Bytes


class Blobs(SQLModel, table=True):
    """Bytes by their SHA-256 in hex, and whose they count as: the party that named them or signed for them."""

    sha256: KeyWords
    size: Whole
    data: Bytes
    created_ms: FindWhole
    party: FindWords


class Elsewhere(Clustered, table=True):
    """The last scores of an agent from another network: information for relays, no state."""

    agent: KeyWords
    network: KeyWords
    shown: Json


# -- projections


class Postings(SQLModel, table=True):
    """Money: the `position`-th posting of an entry."""

    __table_args__ = (Index("ix_postings_account", "account", "index", "position"), Clustered.__table_args__)
    index: KeyWhole
    position: KeyWhole
    account: Words
    change_units: Whole
    why: Words


class Mentions(Clustered, table=True):
    """An entry that names a party, task, claim, seat, relay or withdrawal, or was said by it."""

    subject: KeyWords
    index: KeyWhole


class Weights(SQLModel, table=True):
    """The weight of a pool's slot from entry `index` on, so that a pool can be read as of a size."""

    __table_args__ = (Index("ix_weights_pool_index", "pool", "index"), Clustered.__table_args__)
    pool: KeyWords
    slot: KeyWhole
    index: KeyWhole
    agent: Words
    owner: Words
    weight: Whole


class Observations(SQLModel, table=True):
    """The `position`-th observation of entry `index`: what moved an agent's record, and on whose word."""

    __table_args__ = (Index("ix_observations_agent", "agent", "index", "position"), Clustered.__table_args__)
    index: KeyWhole
    position: KeyWhole
    agent: Words
    role: Words
    task_kind: Words
    why: Words
    rater: Words
    good_milli: Whole
    bad_milli: Whole
    failure_milli: Whole


class Tallies(Clustered, table=True):
    """What a counter (`storage/tallies.py`) came to in the period that began at `since_ms`, an hour or a day."""

    width_ms: KeyWhole
    name: KeyWords
    since_ms: KeyWhole
    amount: Whole


class SealedScores(Clustered, table=True):
    """A row that seals of scores commit to (`core/scorebook.py`), from that of `epoch` on and before `until_epoch`."""

    __tablename__ = "sealed_scores"
    id: KeyWords
    epoch: KeyWhole
    until_epoch: Whole
    data: Bytes
    leaf_hash: Bytes


PROJECTED: tuple[type[SQLModel], ...] = (Postings, Mentions, Weights, Observations, Tallies)
"""The tables that are only ever added to."""

# -- state

METADATA = Entries.metadata
"""All tables."""


OPEN_SEAT = "state IN ('seated', 'committed') AND outcome = ''"
"""The condition, in SQL, for a seat that waits for its verifier."""

HELD = "hold_units > 0"
"""The condition, in SQL, for a claim of whose stake something stays locked for evidence."""

OFFERS_WORK = "capabilities <> '[]'"
OFFERS_CHECKS = "enrolled <> '[]'"
OF_A_RELAY = "relay <> ''"

SAID_IN = "substr(id, 16)"
"""The id of the statement in the key of the record that it was said."""


def _index(name: str, *columns: Any, where: str = "") -> Index:
    """An index, or one of the rows for which a condition holds, on both databases."""
    options: dict[str, Any] = {f"{kind}_where": text(where) for kind in ("sqlite", "postgresql") if where}
    return Index(name, *columns, **options)


INDEXES: dict[type[Record], tuple[Index, ...]] = {
    Party: (
        _index("ix_parties_owner", "owner"),
        _index("ix_parties_listed", "index", "id"),
        _index("ix_parties_workers", "index", "id", where=OFFERS_WORK),
        _index("ix_parties_verifiers", "index", "id", where=OFFERS_CHECKS),
    ),
    Withdrawal: (_index("ix_withdrawals_party", "party"),),
    Task: (
        _index("ix_tasks_listed", "state", "index", "id"),
        _index("ix_tasks_task_kind", "task_kind", "state", "index", "id"),
        _index("ix_tasks_requester", "requester", "state", "index", "id"),
        _index("ix_tasks_relay", "relay", "state", "index", "id", where=OF_A_RELAY),
    ),
    Allocation: (_index("ix_allocations_awaited", "index", where="state = 'awaited'"),),
    Claim: (
        _index("ix_claims_task", "task"),
        _index("ix_claims_listed", "state", "index", "id"),
        _index("ix_claims_task_kind", "task_kind", "state", "index", "id"),
        _index("ix_claims_worker", "worker", "state", "index", "id"),
        _index("ix_claims_held", "worker", where=HELD),
        _index("ix_claims_draw_round", "draw_round", where="draw_round > 0"),
    ),
    Round: (_index("ix_rounds_claim", "claim"),),
    Seat: (
        _index("ix_seats_claim", "claim"),
        _index("ix_seats_agent", "agent", "id"),
        _index("ix_seats_open", "index", "id", where=OPEN_SEAT),
        _index("ix_seats_agent_open", "agent", "id", where=OPEN_SEAT),
    ),
    Challenge: (_index("ix_challenges_claim", "claim"), _index("ix_challenges_challenger", "challenger")),
    Conviction: (_index("ix_convictions_listed", "index", "id"),),
    Score: (_index("ix_scores_agent", "agent"),),
    Slot: (
        _index("ix_slots_pool_index", "pool", "index"),
        _index("ix_slots_pool_number", "pool", "number"),
        _index("ix_slots_pool_weight", "pool", "weight", "number"),
    ),
    Said: (_index("ix_said_statement", text(SEGMENT), text(SAID_IN)),),
    Timer: (_index("ix_timers_due", "due_ms", "kind", "id"),),
}
"""The indexes of the tables of state: what refers to a record, what is due, and the lists that are asked for."""

_TYPES: dict[Any, Any] = {str: WORDS, int: NUMBER, bytes: LargeBinary, bool: Boolean}


def _table(kind: type[Record]) -> Table:
    hints = get_type_hints(kind)
    columns: list[Any] = [
        Column(
            name,
            _TYPES.get(hints[name], Text),
            primary_key=name == "id",
            nullable=False,
            info={"fixed": name in kind.fixed},
        )
        for name in kind.__struct_fields__
    ]
    options: dict[str, Any] = {"sqlite_with_rowid": False} if kind.is_clustered else {}
    return Table(kind.table, METADATA, *columns, *INDEXES.get(kind, ()), **options)


STATE: Final[dict[type[Record], Table]] = {kind: _table(kind) for kind in RECORDS}
"""The table of each record type."""
