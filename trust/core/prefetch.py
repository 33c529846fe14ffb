"""What a batch of commands will read, as far as can be told ahead: a few hops, each one SELECT a table.

This is about speed only. A decision that reads more than was foreseen still gets it, one record at a time; a test
holds the common statements to what is named here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from trust.core import ledger
from trust.core import payloads as p
from trust.core.commands import Incoming, Spoken
from trust.core.events import NETWORK, round_id
from trust.core.records import (
    Account,
    AdoptedPolicy,
    Bar,
    Booking,
    Claim,
    Handle,
    Key,
    Network,
    Party,
    Pool,
    Rater,
    Record,
    Relay,
    Round,
    Said,
    Score,
    Seat,
    Slot,
    Task,
    Track,
)
from trust.core.scoring import verifier_pool
from trust.core.state import Key as StateKey

R = TypeVar("R", bound=Record)


class Peek(Protocol):
    """What is in memory already: `peek` never loads."""

    def peek(self, kind: type[R], id: str) -> R | None: ...


def needs(commands: Sequence[Incoming], view: Peek) -> list[StateKey]:
    """The keys worth loading, in the light of what is loaded; ask again until it names nothing new."""
    keys: dict[StateKey, None] = dict.fromkeys(_common(view))
    for command in commands:
        if isinstance(command, Spoken):
            keys.update(dict.fromkeys(_statement(command, view)))
        elif (of := getattr(command, "of", None)) is not None:
            claim = str(of).partition("/")[0]
            keys[Claim, claim] = None
            keys.update(dict.fromkeys(_claim(view, claim)))
    return list(keys)


def _common(view: Peek) -> Iterator[StateKey]:
    yield Network, NETWORK
    yield Account, ledger.OPERATOR_BOND
    yield Account, ledger.VERIFICATION
    yield Account, ledger.EXTERNAL
    yield Account, ledger.BURN
    if (network := view.peek(Network, NETWORK)) is not None:
        yield AdoptedPolicy, str(network.policy)
        yield Party, network.operator


def _statement(command: Spoken, view: Peek) -> Iterator[StateKey]:
    said = command.payload
    yield Said, command.id
    yield from _party(view, said.actor)
    match said:
        case p.AgentRegister():
            yield from _registering(said)
        case p.StakeDeposit():
            yield Booking, said.reference
            yield from _party(view, said.account)
        case p.TaskPost():
            yield Task, said.task
            yield Account, ledger.escrow(said.task)
        case p.TaskCancel():
            yield from _task(view, said.task)
        case p.ClaimRequest():
            yield Relay, said.relay
            yield from _task(view, said.task)
            yield from _claiming(view, said)
        case p.ClaimRenew() | p.ClaimAbandon() | p.OutputSubmit() | p.OutputAccept() | p.OutputOpen():
            yield from _claim(view, said.claim)
        case p.ItemsOpen() | p.VoteCommit() | p.VoteReveal():
            yield from _seat(view, said.seat)


def _registering(said: p.AgentRegister) -> Iterator[StateKey]:
    yield Key, said.actor
    if said.handle:
        yield Handle, said.handle
    if said.owner:
        yield Party, said.owner


def _seat(view: Peek, id: str) -> Iterator[StateKey]:
    yield Seat, id
    if (seat := view.peek(Seat, id)) is not None:
        yield from _claim(view, seat.claim)


def _party(view: Peek, did: str) -> Iterator[StateKey]:
    yield Party, did
    yield Account, ledger.free(did)
    party = view.peek(Party, did)
    if party is None:
        return
    for task_kind, slot in party.enrolled:
        pool = verifier_pool(task_kind)
        yield Pool, pool
        yield Slot, f"{pool}/{slot}"
        yield Score, f"{did}/verifier/{task_kind}"


def _task(view: Peek, id: str) -> Iterator[StateKey]:
    yield Task, id
    if (task := view.peek(Task, id)) is not None:
        yield AdoptedPolicy, str(task.policy)
        yield Account, ledger.escrow(id)
        yield from _party(view, task.requester)


def _claiming(view: Peek, said: p.ClaimRequest) -> Iterator[StateKey]:
    if (relay := view.peek(Relay, said.relay)) is not None:
        for did in relay.coordinators:
            yield Party, did
    task, worker = view.peek(Task, said.task), view.peek(Party, said.actor)
    if task is None or worker is None:
        return
    if task.claim:
        yield Claim, task.claim
    yield Bar, f"{task.id}/{worker.owner}"
    yield Pool, verifier_pool(task.task_kind)
    yield Track, f"{worker.id}/{task.task_kind}"
    yield Score, f"{worker.id}/worker/{task.task_kind}"


def _claim(view: Peek, id: str) -> Iterator[StateKey]:
    yield Claim, id
    claim = view.peek(Claim, id)
    if claim is None:
        return
    yield from _task(view, claim.task)
    yield from _party(view, claim.worker)
    yield Account, ledger.stake(id)
    yield Relay, claim.relay
    task = view.peek(Task, claim.task)
    if task is not None and claim.output:
        yield Track, f"{claim.worker}/{task.task_kind}"
        yield Rater, task.requester
    if claim.round:
        yield Round, round_id(id, claim.round)
        if (panel := view.peek(Round, round_id(id, claim.round))) is not None:
            for seat in (*panel.seats, *panel.past_seats):
                yield Seat, seat
