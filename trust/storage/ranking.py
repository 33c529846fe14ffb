"""What ranking reads of many agents, in one query: of each the columns that count, and no whole records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select
from sqlmodel import col

from trust.core import ledger
from trust.core.scoring import Entrant, why_not
from trust.storage.engine import listed
from trust.storage.holdings import locked_units
from trust.storage.tables import Accounts, Liveness, Parties, Scores

_decode = msgspec.json.Decoder(tuple[str, ...]).decode
_READ = select(
    col(Parties.id),
    col(Parties.left),
    col(Parties.jailed_until_ms),
    col(Parties.capabilities),
    col(Accounts.balance_units),
    col(Liveness.done),
    col(Liveness.expired),
    col(Scores.good_slow),
    col(Scores.bad_slow),
    col(Scores.failure_slow),
    col(Scores.good_fast),
    col(Scores.bad_fast),
    col(Scores.failure_fast),
)


def entrants(connection: Connection, agents: Sequence[str], task_kind: str, at_ms: int) -> list[Entrant]:
    """The agents in the order given, those that nobody registered among them."""
    party = col(Parties.id)
    before, _, after = ledger.free("*").partition("*")
    query = (
        _READ.select_from(Parties)
        .outerjoin(Accounts, col(Accounts.id) == before + party + after)
        .outerjoin(Liveness, col(Liveness.id) == party)
        .outerjoin(Scores, col(Scores.id) == party + f"/worker/{task_kind}")
        .where(party.in_(listed(connection, agents)))
    )
    rows: dict[str, Sequence[Any]] = {row[0]: row for row in connection.execute(query).all()}
    locked = locked_units(connection, agents)
    return [_entrant(agent, rows.get(agent), task_kind, locked.get(agent, 0), at_ms) for agent in agents]


def _entrant(agent: str, row: Sequence[Any] | None, task_kind: str, locked: int, at_ms: int) -> Entrant:
    if row is None:
        return Entrant(agent, "unknown-agent", locked)
    _, left, jailed_until_ms, capabilities, free, done, expired, *sums = row
    reason = why_not(left, jailed_until_ms, task_kind in _decode(capabilities), at_ms)
    known = tuple(sums) if sums[0] is not None else ()
    return Entrant(agent, reason, (free or 0) + locked, known, done or b"", expired or b"")
