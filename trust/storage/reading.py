"""Queries of the API, the auditor and the command line: all of one answer from one snapshot.

Lists are bounded by the caller's `limit` and go on after a position, never by offset.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from sqlalchemy import (
    CompoundSelect,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    text,
)
from sqlmodel import SQLModel, col

from trust.core.events import NETWORK
from trust.core.lifecycle import AllocationState
from trust.core.records import (
    Account,
    Allocation,
    Claim,
    Key,
    Network,
    Overhead,
    Party,
    Pool,
    Record,
    Round,
    Score,
    SealedPool,
    Seat,
    Slot,
    Timer,
)
from trust.log.merkle import leaf_hash
from trust.log.tiles import TileCache, TileNodes
from trust.storage import bulk, tables
from trust.storage.engine import Database
from trust.storage.rows import CODECS, table_of
from trust.storage.tables import STATE
from trust.storage.tallies import SUMMED
from trust.storage.unit import Head, StoredEntry, read_head

_CLAIM = STATE[Claim].c
_SEAT = STATE[Seat].c
_SCORE = STATE[Score].c
_KEY = STATE[Key].c
_PARTY = STATE[Party].c
_ALLOCATION = STATE[Allocation].c
_POOL = STATE[Pool].c
_TIMER = STATE[Timer].c
_ACCOUNT = STATE[Account].c
_OVERHEAD = STATE[Overhead].c
R = TypeVar("R", bound=Record)

_ENTRY = (
    col(tables.Entries.index),
    col(tables.Entries.at_ms),
    col(tables.Entries.kind),
    col(tables.Entries.data),
    col(tables.Entries.leaf_hash),
)
_WEIGHTS = table_of(tables.Weights)
COUNTED = ("entries", "parties", "relays", "tasks", "claims", "seats", "withdrawals", "blobs")


# Queries that are asked again and again are made once: making one takes longer than a small answer.
_VALUE = "value"
_ONE_ENTRY = select(*_ENTRY).where(col(tables.Entries.index) == bindparam("at"))
_AWAITING_DRAW = (
    select(STATE[Claim])
    .where(_CLAIM.draw_round > 0)
    .order_by(_CLAIM.output_index, _CLAIM.id)
    .limit(bindparam(_VALUE))
)
_AWAITING_SHORTLIST = (
    select(STATE[Allocation])
    .where(_ALLOCATION.state == AllocationState.AWAITED)
    .order_by(_ALLOCATION.index, _ALLOCATION.id)
    .limit(bindparam(_VALUE))
)
_AWAITING_SEAL = select(STATE[Pool]).where(_POOL.epoch > _POOL.sealed_epoch).order_by(_POOL.id)
_NEXT_DUE = select(func.min(_TIMER.due_ms))
_SUMS = select(
    *(
        func.coalesce(func.sum(case((_ACCOUNT.id.like(pattern), _ACCOUNT.balance_units), else_=0)), 0)
        for pattern in SUMMED.values()
    )
)


@cache
def _with(kind: type, field: str, *order: str) -> Select[Any]:
    """The records of a kind that have a value in a field."""
    table = STATE[kind]
    query = select(table).where(table.c[field] == bindparam(_VALUE))
    return query.order_by(*(table.c[name] for name in order))


@cache
def _service_keys(use: str) -> Select[Any]:
    """Read by their ids: parties have millions of keys."""
    return select(STATE[Key]).where(_KEY.id >= f"{use}/", _KEY.id < f"{use}0").order_by(_KEY.since_index)


@cache
def _count_of(name: str) -> Select[Any]:
    return select(func.count()).select_from(SQLModel.metadata.tables[name])


class Damaged(Exception):
    """Bytes in the database that are not those that were stored there."""


class Posting(msgspec.Struct, frozen=True):
    """One line of a ledger: what entry `index` did to an account, and why."""

    index: int
    position: int
    account: str
    change_units: int
    why: str


class Reader:
    """Queries on one connection. Entries are hashed again before they are given out; Damaged where one is not whole.

    `is_snapshot`: the connection sees one state of the database, so its head is read once.
    """

    def __init__(
        self, connection: Connection, cache: TileCache | None = None, *, is_snapshot: bool = False
    ) -> None:
        self.connection = connection
        self._cache = cache
        self._is_snapshot = is_snapshot
        self._head: Head | None = None

    # -- the log

    def head(self) -> Head:
        """The log's head as this connection sees it."""
        if self._head is None or not self._is_snapshot:
            self._head = read_head(self.connection)
        return self._head

    def entry(self, index: int) -> StoredEntry | None:
        """One entry."""
        row = self.connection.execute(_ONE_ENTRY, {"at": index}).one_or_none()
        return _whole(StoredEntry(*row)) if row else None

    def entries(self, start: int, end: int) -> list[StoredEntry]:
        """The entries [start, end)."""
        return list(map(_whole, self.rows(start, end)))

    def rows(self, start: int, end: int) -> list[StoredEntry]:
        """Returns the entries as they are stored, whatever their hashes say: for whoever checks them."""
        query = select(*_ENTRY).where(col(tables.Entries.index) >= start, col(tables.Entries.index) < end)
        return [
            StoredEntry(*row) for row in self.connection.execute(query.order_by(col(tables.Entries.index)))
        ]

    def of_kind(
        self, kind: str, start: int, end: int, subject: str = "", *, last: bool = False, limit: int = 100
    ) -> list[StoredEntry]:
        """The first entries of a kind among [start, end), those that name `subject` where given, or only the last."""
        index = col(tables.Entries.index)
        query = select(*_ENTRY).where(index >= start, index < end, col(tables.Entries.kind) == kind)
        if subject:
            named = select(col(tables.Mentions.index)).where(col(tables.Mentions.subject) == subject)
            query = query.where(index.in_(named))
        query = query.order_by(index.desc() if last else index).limit(1 if last else limit)
        return [_whole(StoredEntry(*row)) for row in self.connection.execute(query)]

    def newest(self, before: int, kind: str = "", limit: int = 100) -> list[StoredEntry]:
        """The last entries before an index, the newest first; of one kind where named."""
        index = col(tables.Entries.index)
        query = select(*_ENTRY).where(index < before).order_by(index.desc()).limit(limit)
        if kind:
            query = query.where(col(tables.Entries.kind) == kind)
        return [_whole(StoredEntry(*row)) for row in self.connection.execute(query)]

    def segments(self) -> range:
        """The parts of the log, by which hashes are looked up."""
        return range((self.head().size >> tables.SEGMENT_BITS) + 1)

    def index_of_leaf(self, leaf_hash: bytes) -> int | None:
        """Where the (first) entry with this leaf hash stands."""
        query = select(func.min(col(tables.Entries.index))).where(
            literal_column(tables.SEGMENT).in_(self.segments()), col(tables.Entries.leaf_hash) == leaf_hash
        )
        return cast("int | None", self.connection.execute(query).scalar_one())

    def leaf_hashes(self, start: int, end: int) -> list[bytes]:
        """The leaf hashes [start, end)."""
        query = select(col(tables.Entries.leaf_hash)).where(
            col(tables.Entries.index) >= start, col(tables.Entries.index) < end
        )
        return list(self.connection.execute(query.order_by(col(tables.Entries.index))).scalars())

    def tile(self, level: int, number: int) -> bytes:
        """A full hash tile; empty where it is not full yet."""
        query = select(col(tables.Tiles.data)).where(
            col(tables.Tiles.level) == level, col(tables.Tiles.number) == number
        )
        return self.connection.execute(query).scalar_one_or_none() or b""

    def nodes(self, size: int) -> TileNodes:
        """The tree's complete subtrees at a size that the log has reached."""
        return TileNodes(self.tile, self.leaf_hashes, size, self._cache)

    # -- state

    def record(self, kind: type[R], id: str) -> R | None:
        """A record by its id."""
        return next(iter(self.records(kind, [id])), None)

    def records(self, kind: type[R], ids: Sequence[str]) -> list[R]:
        """The records that there are, in the order of their ids as given."""
        codec = CODECS[kind]
        rows = {row[0]: row for row in bulk.select(self.connection, codec.table, ids)}
        return [cast(R, codec.to_record(rows[id])) for id in ids if id in rows]

    def network(self) -> Network:
        """The network of this log, that every log has from its genesis on."""
        record = self.record(Network, NETWORK)
        assert record is not None
        return record

    def claims_on(self, task: str) -> list[Claim]:
        """Every claim that a task had, oldest first."""
        return self._records(Claim, _with(Claim, "task", "index"), task)

    def rounds_of(self, claim: str) -> list[Round]:
        """A claim's rounds, in order."""
        return self._records(Round, _with(Round, "claim", "number"), claim)

    def seats_on(self, claim: str) -> list[Seat]:
        """Every seat that was taken on a claim, oldest first."""
        return self._records(Seat, _with(Seat, "claim", "index", "id"), claim)

    def seats_of(self, agent: str, state: str = "", after: str = "", limit: int = 100) -> list[Seat]:
        """A verifier's seats by id: all, those in one state, or with `open` those that wait for it to act."""
        mine = _SEAT.agent == agent
        if state == "open":
            mine &= text(tables.OPEN_SEAT)
        elif state:
            mine &= _SEAT.state == state
        return self._page(Seat, mine, _SEAT.id, after, limit)

    def scores_of(self, agent: str) -> list[Score]:
        """An agent's raw sums in every role and task kind."""
        return self._records(Score, _with(Score, "agent", "id"), agent)

    def service_keys(self, use: str) -> list[Key]:
        """The service's own keys of a use (log, draw), the first one first."""
        return self._records(Key, _service_keys(use))

    def scores_since(self, index: int) -> list[Score]:
        """The records of scores that entry `index` or a later one changed."""
        return self._all(Score, _SCORE.index >= index, _SCORE.id)

    def left_between(self, start: int, end: int) -> list[Party]:
        """Returns the parties that were revoked or tombstoned by the entries [start, end)."""
        index = _PARTY.left_index
        return self._all(Party, and_(index >= start, index < end), _PARTY.id)

    def awaiting_draw(self, limit: int = 100) -> list[Claim]:
        """Claims whose round waits for its draw, the oldest output first."""
        return self._records(Claim, _AWAITING_DRAW, limit)

    def awaiting_shortlist(self, limit: int = 100) -> list[Allocation]:
        """Allocations that wait for their draw, the oldest first."""
        return self._records(Allocation, _AWAITING_SHORTLIST, limit)

    def awaiting_seal(self) -> list[Pool]:
        """Pools whose epoch began and is not sealed."""
        return self._records(Pool, _AWAITING_SEAL)

    def verifier_pools(self) -> list[SealedPool]:
        """The last sealed pool of verifiers of each task kind."""
        pools = self._all(Pool, _POOL.id.startswith("verifiers/") & (_POOL.sealed != ""), _POOL.id)
        return self.records(SealedPool, [pool.sealed for pool in pools])

    def overhead(self, task_kind: str = "", after: str = "", limit: int = 100) -> list[Overhead]:
        """Returns records of coordination by task kind and relay, in the order of kind/relay; of one kind where it
        is given."""
        of_kind = _OVERHEAD.task_kind == task_kind if task_kind else _OVERHEAD.task_kind != ""
        start = max(after, f"{task_kind}/" if task_kind else "")
        return self._page(
            Overhead,
            of_kind & (_OVERHEAD.id < f"{task_kind}0" if task_kind else True),
            _OVERHEAD.id,
            start,
            limit,
        )

    def next_due_ms(self) -> int | None:
        """When the next timer is due."""
        return cast("int | None", self.connection.execute(_NEXT_DUE).scalar_one())

    # -- projections

    def ledger(
        self,
        accounts: Sequence[str] | CompoundSelect[Any],
        after: tuple[int, int] | None = None,
        limit: int = 100,
    ) -> list[Posting]:
        """The postings on these accounts, named or selected, the newest entry first; go on `after` the last one's
        index and position."""
        index, position = col(tables.Postings.index), col(tables.Postings.position)
        columns = [col(getattr(tables.Postings, name)) for name in Posting.__struct_fields__]
        query = select(*columns).where(col(tables.Postings.account).in_(accounts))
        if after is not None:
            query = query.where(or_(index < after[0], and_(index == after[0], position > after[1])))
        query = query.order_by(index.desc(), position).limit(limit)
        return [Posting(*row) for row in self.connection.execute(query)]

    def timeline(self, subjects: Sequence[str], after: int = -1, limit: int = 100) -> list[StoredEntry]:
        """The entries that name any of these parties, tasks, claims or seats, in log order."""
        named = select(col(tables.Mentions.index)).where(
            col(tables.Mentions.subject).in_(subjects), col(tables.Mentions.index) > after
        )
        page = named.distinct().order_by(col(tables.Mentions.index)).limit(limit)
        query = select(*_ENTRY).where(col(tables.Entries.index).in_(page)).order_by(col(tables.Entries.index))
        return [_whole(StoredEntry(*row)) for row in self.connection.execute(query)]

    def slots(self, pool: str, since: int, as_of: int) -> list[Slot]:
        """The slots of a pool as they were at size `as_of`, as far as they changed from size `since` on."""
        rows = self.connection.execute(_as_of(pool, since, as_of).order_by(_WEIGHTS.c.slot))
        return [
            Slot(f"{pool}/{number}", pool, number, agent, owner, weight, index)
            for _, number, index, agent, owner, weight in rows
        ]

    def stats(self) -> dict[str, int]:
        """How many rows the tables for users have, and what lies on each kind of account, in units."""
        return {name: self.count(name) for name in COUNTED} | self.summed()

    def summed(self) -> dict[str, int]:
        """Returns the sum on each kind of account, in units."""
        row = self.connection.execute(_SUMS).one()
        return {f"{name}_units": int(total) for name, total in zip(SUMMED, row, strict=True)}

    def count(self, name: str) -> int:
        """How many rows a table has."""
        return int(self.connection.execute(_count_of(name)).scalar_one())

    def _page(self, kind: type[R], where: Any, key: Any, after: str, limit: int) -> list[R]:
        query = select(STATE[kind]).where(where, key > after)
        return self._records(kind, query.order_by(key).limit(limit))

    def _all(self, kind: type[R], where: Any, *order: Any) -> list[R]:
        return self._records(kind, select(STATE[kind]).where(where).order_by(*order))

    def _records(self, kind: type[R], query: Select[Any], value: object = None) -> list[R]:
        to_record = CODECS[kind].to_record
        return [cast(R, to_record(row)) for row in self.connection.execute(query, {_VALUE: value})]


def _whole(entry: StoredEntry) -> StoredEntry:
    """The entry, hashed again; Damaged where its bytes are not those that the tree was made of."""
    if leaf_hash(entry.data) != entry.leaf_hash:
        raise Damaged(f"entry {entry.index} does not have the hash that was signed: see trust log check")
    return entry


def _as_of(pool: str, since: int, as_of: int) -> Select[Any]:
    """The last weight of each slot among the entries [since, as_of)."""
    one = _WEIGHTS.c
    last = (
        select(one.slot, func.max(one.index).label("last"))
        .where(one.pool == pool, one.index >= since, one.index < as_of)
        .group_by(one.slot)
        .subquery()
    )
    newest = (one.slot == last.c.slot) & (one.index == last.c.last)
    return select(_WEIGHTS).join(last, newest).where(one.pool == pool)


@contextmanager
def reading(database: Database) -> Iterator[Reader]:
    """A reader on one snapshot of the database."""
    with database.snapshot() as connection:
        yield Reader(connection, database.tiles, is_snapshot=True)
