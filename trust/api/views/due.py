"""What is due next: the dates of the rulebook's own queue, in the order in which they are settled."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from trust.core.identity import PATTERN
from trust.core.records import Claim, Seat, Timer
from trust.storage import listing
from trust.storage.reading import Reader

DUE = {
    "allocation": "It is drawn who may claim first, or all may",
    "lease": "The worker delivers, or the lease is over",
    "draw": "The service draws whether it is checked, or who checks it",
    "opening": "The worker opens what was drawn",
    "commit": "The verifiers commit to their verdicts",
    "reveal": "The verifiers reveal their verdicts",
    "challenge": "The verdict, or the unchecked output, can be challenged no more",
    "evidence": "The rest of the stake is free again",
    "deadline": "The task closes, unless somebody has claimed it",
    "squad": "The squad claims its task, or is dissolved",
    "leaving": "The open tasks of a party that left close",
    "party": "What follows for a party that was caught or has left",
    "verifier": "The stake of a verifier that left is free",
    "name": "The bond of a name whose party left is free",
    "unbonding": "A withdrawal can be paid out",
    "epoch": "A pool is sealed",
    "policy": "A policy is in force",
    "rules": "Rules are in force",
    "canary": "The operator has opened its canaries, or is at fault",
}
"""What happens when something of a kind is due, at the latest."""
_DID = re.compile(PATTERN)


def due(reader: Reader, after: str, limit: int) -> dict[str, Any]:
    """What is due, the earliest first, each with what it is about as far as it is about a case or an agent."""
    found = listing.due(reader.connection, _place(after), limit + 1)
    kept = found[:limit]
    goes_on = f"{kept[-1].due_ms}.{kept[-1].kind}.{kept[-1].id}" if len(found) > limit else None
    head = reader.head()
    return {
        "as_of": {"size": head.size, "at_ms": head.at_ms},
        "due": _about(reader, kept),
        "after": goes_on,
    }


def _place(after: str) -> tuple[int, str, str]:
    if not after:
        return -1, "", ""
    due_ms, kind, id = after.split(".", 2)
    return int(due_ms), kind, id


def _about(reader: Reader, timers: Sequence[Timer]) -> list[dict[str, Any]]:
    seats = {each.id: each for each in reader.records(Seat, [each.id for each in timers])}
    claim_of = {each.id: seats[each.id].claim if each.id in seats else _claim(each.id) for each in timers}
    claims = {each.id: each for each in reader.records(Claim, sorted(set(claim_of.values())))}
    return [_shown(each, seats.get(each.id), claims.get(claim_of[each.id])) for each in timers]


def _claim(id: str) -> str:
    return id.partition("/")[0]


def _shown(timer: Timer, seat: Seat | None, claim: Claim | None) -> dict[str, Any]:
    kind, _, name = timer.id.partition("/")
    named = _DID.search(timer.id)
    agent = seat.agent if seat else claim.worker if claim else named[0] if named else None
    return {
        "due_ms": timer.due_ms,
        "kind": timer.kind,
        "id": timer.id,
        "what": DUE.get(timer.kind, timer.kind),
        "claim": claim.id if claim else None,
        "task": claim.task if claim else name if kind == "task" else None,
        "agent": agent,
    }
