"""The columns that ranking reads of many agents, in one query; no whole records."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, Text, bindparam, select

from trust.core import ledger
from trust.core.records import Account, Liveness, Party, Score
from trust.core.scoring import Entrant, why_not
from trust.storage.engine import ids_of, listed
from trust.storage.holdings import locked_units
from trust.storage.tables import STATE

_PARTY = STATE[Party].c
_ACCOUNT = STATE[Account].c
_LIVENESS = STATE[Liveness].c
_SCORE = STATE[Score].c
_decode = msgspec.json.Decoder(tuple[str, ...]).decode
_READ = select(
    _PARTY.id,
    _PARTY.left,
    _PARTY.jailed_until_ms,
    _PARTY.capabilities,
    _ACCOUNT.balance_units,
    _LIVENESS.done,
    _LIVENESS.expired,
    _SCORE.good_slow,
    _SCORE.bad_slow,
    _SCORE.failure_slow,
    _SCORE.good_fast,
    _SCORE.bad_fast,
    _SCORE.failure_fast,
)


def entrants(connection: Connection, agents: Sequence[str], task_kind: str, at_ms: int) -> list[Entrant]:
    """The agents in the order given, those that nobody registered among them."""
    found = connection.execute(
        _entrants(connection.dialect.name), ids_of(agents) | {"score": f"/worker/{task_kind}"}
    )
    rows: dict[str, Sequence[Any]] = {row[0]: row for row in found.all()}
    locked = locked_units(connection, agents)
    return [_entrant(agent, rows.get(agent), task_kind, locked.get(agent, 0), at_ms) for agent in agents]


@cache
def _entrants(dialect: str) -> Select[Any]:
    """The columns by which the parties that are `listed` are ranked; `score` ends the id of the score that counts."""
    party = _PARTY.id
    before, _, after = ledger.free("*").partition("*")
    return (
        _READ.select_from(STATE[Party])
        .outerjoin(STATE[Account], _ACCOUNT.id == before + party + after)
        .outerjoin(STATE[Liveness], _LIVENESS.id == party)
        .outerjoin(STATE[Score], _SCORE.id == party + bindparam("score", type_=Text))
        .where(party.in_(listed(dialect)))
    )


def _entrant(agent: str, row: Sequence[Any] | None, task_kind: str, locked: int, at_ms: int) -> Entrant:
    if row is None:
        return Entrant(agent, "unknown-agent", locked)
    _, left, jailed_until_ms, capabilities, free, done, expired, *sums = row
    reason = why_not(left, jailed_until_ms, task_kind in _decode(capabilities), at_ms)
    known = tuple(sums) if sums[0] is not None else ()
    return Entrant(agent, reason, (free or 0) + locked, known, done or b"", expired or b"")
