"""Observations off the log as of a size: an agent's own, and as ratings for the graph pass (docs/reputation.md 3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select
from sqlmodel import col

from trust.core.records import AdoptedPolicy, Party
from trust.storage.reading import Reader
from trust.storage.tables import STATE, Entries, Observations, Postings

_ADOPTED_POLICY = STATE[AdoptedPolicy].c
ROWS = 10_000
Rating = tuple[str, str, int, int, int, int]
"""Rater, owner of the agent, time in ms, and good, bad and failure in milli-units."""


class Seen(msgspec.Struct, frozen=True):
    """An observation: in which entry, when, of whom and what, on whose word, and its final weights."""

    index: int
    at_ms: int
    agent: str
    role: str
    task_kind: str
    why: str
    rater: str
    good_milli: int
    bad_milli: int
    failure_milli: int


_SEEN = select(
    *(col(getattr(Entries if name == "at_ms" else Observations, name)) for name in Seen.__struct_fields__)
).join_from(Observations, Entries, col(Entries.index) == col(Observations.index))


def observations(
    connection: Connection, agent: str, role: str = "", task_kind: str = "", limit: int = 100
) -> list[Seen]:
    """An agent's last observations, the newest first; of every role and kind unless given."""
    one = Observations
    query = _SEEN.where(col(one.agent) == agent)
    query = query.order_by(col(one.index).desc(), col(one.position).desc()).limit(limit)
    if role:
        query = query.where(col(one.role) == role)
    if task_kind:
        query = query.where(col(one.task_kind) == task_kind)
    return [Seen(*row) for row in connection.execute(query)]


def between(connection: Connection, start: int, end: int) -> Iterator[Seen]:
    """The observations of the entries [start, end), in no order."""
    index = col(Observations.index)
    query = _SEEN.where(index >= start, index < end).execution_options(yield_per=ROWS)
    for row in connection.execute(query):
        yield Seen(*row)


def ratings(connection: Connection, start: int, end: int) -> Iterator[list[Rating]]:
    """Yields the observations of workers in the entries [start, end) that weigh anything, in log order."""
    one, entry, party = Observations, Entries, STATE[Party]
    weighs = (col(one.good_milli) > 0) | (col(one.bad_milli) > 0) | (col(one.failure_milli) > 0)
    query = (
        select(
            col(one.rater),
            func.coalesce(party.c.owner, col(one.agent)),
            col(entry.at_ms),
            col(one.good_milli),
            col(one.bad_milli),
            col(one.failure_milli),
        )
        .join_from(one, entry, col(entry.index) == col(one.index))
        .outerjoin(party, party.c.id == col(one.agent))
        .where(col(one.index) >= start, col(one.index) < end, col(one.role) == "worker", weighs)
        .order_by(col(one.index), col(one.position))
    )
    rows: Any = connection.execute(query.execution_options(yield_per=ROWS))
    for part in rows.partitions(ROWS):
        yield [tuple(row) for row in part]


def policy_at(reader: Reader, at_ms: int, size: int) -> AdoptedPolicy:
    """The policy that was in force when the log had `size` entries, the last of them at `at_ms`."""
    known = select(_ADOPTED_POLICY.effective_ms, _ADOPTED_POLICY.id).where(
        _ADOPTED_POLICY.index < size, _ADOPTED_POLICY.effective_ms <= at_ms
    )
    numbers = [(effective_ms, int(number)) for effective_ms, number in reader.connection.execute(known)]
    adopted = reader.record(AdoptedPolicy, str(max(numbers)[1]))
    assert adopted is not None
    return adopted


def free_units(connection: Connection, agent: str, size: int) -> int:
    """Returns the free units of an agent when the log had `size` entries."""
    query = select(func.coalesce(func.sum(col(Postings.change_units)), 0)).where(
        col(Postings.account) == f"agent/{agent}/free", col(Postings.index) < size
    )
    return int(connection.execute(query).scalar_one())


def owner_of(reader: Reader, agent: str) -> str:
    """Returns the owner behind a DID."""
    party = reader.record(Party, agent)
    return agent if party is None else party.owner
