"""Required signatures: the rules that payload types name in `signers.by` (docs/protocol.md 2).

`check` runs before the act. Where the signers depend on more than the statement and the things that it names, the
type names no rule and the act checks it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trust.core.commands import Spoken
from trust.core.payloads import SignedBy
from trust.core.records import Claim, Relay, Seat, Task
from trust.core.refusal import Refused
from trust.core.rules.decision import Decision
from trust.core.rules.governance import check_operator, check_treasurer


def check(d: Decision, spoken: Spoken) -> None:
    """Checks the signatures of a statement by the rule of its kind; Refused where they are not the ones it needs."""
    _RULES[spoken.payload.signers.by](d, spoken, spoken.payload)


def _actor(d: Decision, spoken: Spoken, statement: Any) -> None:
    d.signed_by(spoken, [statement.actor])


def _active(d: Decision, spoken: Spoken, statement: Any) -> None:
    d.signed_by(spoken, [d.active(statement.actor).id])


def _present(d: Decision, spoken: Spoken, statement: Any) -> None:
    d.signed_by(spoken, [d.present(statement.actor).id])


def _operator(d: Decision, spoken: Spoken, statement: Any) -> None:
    check_operator(d, spoken)
    d.signed_by(spoken, [statement.actor])


def _treasurer(d: Decision, spoken: Spoken, statement: Any) -> None:
    check_treasurer(d, statement.actor)
    d.signed_by(spoken, [statement.actor])


def _requester(d: Decision, spoken: Spoken, statement: Any) -> None:
    """The requester of the task that is named, or of the task of the claim that is named."""
    claim = d.find(Claim, statement.claim) if hasattr(statement, "claim") else None
    task = d.find(Task, statement.task) if claim is None else d.need(Task, claim.task)
    if task.requester != statement.actor:
        raise Refused("not-yours", f"{task.id} is a task of {task.requester}")
    d.signed_by(spoken, [statement.actor])


def _worker(d: Decision, spoken: Spoken, statement: Any) -> None:
    """The worker of the claim that is named, or of the claim that the named seat judges."""
    named = statement.claim if hasattr(statement, "claim") else d.find(Seat, statement.seat).claim
    claim = d.find(Claim, named)
    if claim.worker != statement.actor:
        raise Refused("not-yours", f"{claim.id} is a claim of {claim.worker}")
    d.signed_by(spoken, [statement.actor])


def _verifier(d: Decision, spoken: Spoken, statement: Any) -> None:
    """The verifier of the seat that is named."""
    seat = d.find(Seat, statement.seat)
    if seat.agent != statement.actor:
        raise Refused("not-seated", f"{seat.id} is the seat of {seat.agent}")
    d.signed_by(spoken, [statement.actor])


def _coordinators(d: Decision, spoken: Spoken, statement: Any) -> None:
    """A coordinator of the relay that is named, and its threshold."""
    relay = d.find(Relay, statement.relay)
    if statement.actor not in relay.coordinators:
        raise Refused("not-coordinator", f"{statement.actor} is no coordinator of {relay.id}")
    d.signed_by_relay(spoken, relay)


def _worker_and_relay(d: Decision, spoken: Spoken, statement: Any) -> None:
    """The actor, and the threshold of the relay that is named."""
    d.active(statement.actor)
    d.signed_by_relay(spoken, d.find(Relay, statement.relay))


def _by_the_act(_: Decision, __: Spoken, ___: Any) -> None:
    """Nothing: the act itself checks."""


_RULES: dict[SignedBy, Callable[[Decision, Spoken, Any], None]] = {
    "actor": _actor,
    "active": _active,
    "present": _present,
    "operator": _operator,
    "treasurer": _treasurer,
    "requester": _requester,
    "worker": _worker,
    "verifier": _verifier,
    "coordinators": _coordinators,
    "worker and relay": _worker_and_relay,
    "": _by_the_act,
}
