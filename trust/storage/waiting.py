"""The things that wait on the log and since when, for an operator's alarms; every number comes from an index."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, func, select

from trust.core.lifecycle import ClaimState
from trust.core.records import Claim, Timer
from trust.storage.tables import STATE

_CLAIM = STATE[Claim].c
_TIMER = STATE[Timer].c
_UNDECIDED = (
    ClaimState.UNCHECKED, ClaimState.CHECKING, ClaimState.PASSING, ClaimState.FAILING, ClaimState.VOIDING,
)  # fmt: skip


class Waiting(NamedTuple):
    """Draws that are awaited and for how long the oldest is, how late the oldest due thing is, open disputes."""

    draws: int
    draws_oldest_ms: int
    due_late_ms: int
    disputes: int


def waiting(connection: Connection, now_ms: int) -> Waiting:
    """Returns what waits at `now_ms`."""
    awaited = select(func.count(), func.min(_CLAIM.submitted_ms)).where(_CLAIM.draw_round > 0)
    draws, since_ms = connection.execute(awaited).one()
    first_ms = connection.execute(select(func.min(_TIMER.due_ms))).scalar_one()
    disputed = select(func.count()).where(_CLAIM.state.in_(_UNDECIDED), _CLAIM.challenge != "")
    return Waiting(
        int(draws),
        max(0, now_ms - since_ms) if draws else 0,
        max(0, now_ms - first_ms) if first_ms is not None else 0,
        int(connection.execute(disputed).scalar_one()),
    )
