"""The records that a batch of commands will read, as far as they can be named ahead: a few hops, each one SELECT a
table.

This is about speed only. A decision that reads more than was named still gets it, one record at a time; a test holds
the common statements to what is named here. A reader is given what is loaded and yields keys, more of them the more
is loaded; here are those that several acts share, the others stand beside their acts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeVar

from trust.core import ledger
from trust.core.commands import Incoming
from trust.core.events import NETWORK, house_id, round_id, service_key
from trust.core.events.tasks import PINS
from trust.core.overhead import NETWORK as WHOLE_NETWORK
from trust.core.overhead import overhead_id
from trust.core.records import (
    Account,
    AdoptedPolicy,
    Allocation,
    Bar,
    Challenge,
    Claim,
    House,
    Key,
    Network,
    Overhead,
    Party,
    Pins,
    Pool,
    Poster,
    Probation,
    Rater,
    Record,
    Relay,
    Round,
    Score,
    SealedPool,
    Seat,
    Slot,
    Squad,
    Task,
    Track,
)
from trust.core.scoring import probation_pool, verifier_pool, worker_pool
from trust.core.state import Key as StateKey

R = TypeVar("R", bound=Record)
Keys = Iterator[StateKey]


class Peek(Protocol):
    """The records that are in memory already: `peek` never loads."""

    def peek(self, kind: type[R], id: str) -> R | None: ...


def party(did: str) -> Keys:
    """A party and its money."""
    yield Party, did
    yield Account, ledger.free(did)
    yield Account, ledger.name_bond(did)


def verifier(view: Peek, did: str) -> Keys:
    """A verifier: its stake, and its places in the pools."""
    yield from party(did)
    yield Account, ledger.verifier_stake(did)
    agent = view.peek(Party, did)
    for task_kind, slot in agent.enrolled if agent else ():
        pool = verifier_pool(task_kind)
        yield Pool, pool
        yield Slot, f"{pool}/{slot}"
        yield Score, f"{did}/verifier/{task_kind}"


def offers(view: Peek, did: str) -> Keys:
    """The records of a worker in the kinds that it offers, and its places in their pools."""
    party = view.peek(Party, did)
    for task_kind, place in zip(party.capabilities, party.places, strict=True) if party else ():
        yield Score, f"{did}/worker/{task_kind}"
        for pool_id in (worker_pool(task_kind), probation_pool(task_kind)):
            yield Pool, pool_id
            yield Slot, f"{pool_id}/{place}"


def task(view: Peek, id: str) -> Keys:
    """A task, what pays for it, its requester and its neighbours."""
    yield Task, id
    if (posted := view.peek(Task, id)) is not None:
        yield AdoptedPolicy, str(posted.policy)
        yield Account, ledger.escrow(id)
        yield Poster, posted.requester
        yield from ((Task, beside) for beside in (posted.older, posted.newer) if beside)
        yield from party(posted.requester)


def claim(view: Peek, id: str) -> Keys:
    """A claim with its task, its parties, its challenges and the panel at work."""
    yield Claim, id
    claimed = view.peek(Claim, id)
    if claimed is None:
        return
    yield from task(view, claimed.task)
    yield from party(claimed.worker)
    yield Account, ledger.stake(id)
    yield Relay, claimed.relay
    work = view.peek(Task, claimed.task)
    if work is not None:
        yield Overhead, WHOLE_NETWORK
        yield Overhead, overhead_id(work.task_kind, claimed.relay)
    if work is not None and work.squad:
        yield from squad(view, work.squad)
    if work is not None and claimed.output:
        yield Track, f"{claimed.worker}/{work.task_kind}"
        yield Rater, work.requester
    yield from _disputes(view, claimed)
    if claimed.round:
        yield Round, round_id(id, claimed.round)
        if (panel := view.peek(Round, round_id(id, claimed.round))) is not None:
            for name in (*panel.seats, *panel.past_seats):
                yield Seat, name


def squad(view: Peek, id: str) -> Keys:
    """A squad, and what its members stand surety with."""
    yield Squad, id
    found = view.peek(Squad, id)
    for member in found.members if found else ():
        yield Account, ledger.surety(id, member.worker)
        yield Account, ledger.free(member.worker)


def _disputes(view: Peek, claim: Claim) -> Keys:
    """The challenges of a claim, the last one first."""
    challenge = claim.challenge
    while challenge:
        yield Challenge, challenge
        yield Account, ledger.challenge_bond(challenge)
        record = view.peek(Challenge, challenge)
        challenge = record.before if record else ""
        if record is not None:
            yield Party, record.challenger
            yield Account, ledger.free(record.challenger)


def allocation(view: Peek, id: str) -> Keys:
    """The records that the draw of a task's shortlist reads, except for the agents in a pool: only the draw knows
    which."""
    yield Task, id
    yield Allocation, id
    work, record = view.peek(Task, id), view.peek(Allocation, id)
    if work is None:
        return
    yield AdoptedPolicy, str(work.policy)
    yield Party, work.requester
    if record is not None:
        yield SealedPool, record.pool
        yield SealedPool, record.lane
        yield Squad, record.squad
        yield from drawn_from(view, work, record.candidates)


def drawn_from(view: Peek, task: Task, candidates: Sequence[str]) -> Keys:
    """The records of the candidates among whom a shortlist is drawn, or of the pools where none are named."""
    for did in candidates:
        yield Party, did
        yield Account, ledger.free(did)
        yield Account, ledger.name_bond(did)
        yield Probation, did
        yield Score, f"{did}/worker/{task.task_kind}"
        if (candidate := view.peek(Party, did)) is not None:
            yield Bar, f"{task.id}/{candidate.owner}"
            for task_kind, place in zip(candidate.capabilities, candidate.places, strict=True):
                if task_kind == task.task_kind:
                    yield Slot, f"{worker_pool(task_kind)}/{place}"
    for pool_id in () if candidates else (worker_pool(task.task_kind), probation_pool(task.task_kind)):
        yield Pool, pool_id
        if (pool := view.peek(Pool, pool_id)) is not None:
            yield SealedPool, pool.sealed


def coordinators(view: Peek, relay: Relay | None, task: Task | None) -> Keys:
    """The coordinators of a relay, and what their owners have among a task's judges."""
    for did in relay.coordinators if relay else ():
        yield Party, did
        party = view.peek(Party, did)
        if task is not None:
            yield House, house_id(task.task_kind, did)
            yield House, house_id(task.task_kind, party.owner if party else did)


def challenged(view: Peek, id: str) -> Keys:
    """The records of a challenge, without those that the trial of the pool visits: its nodes, and whom it comes
    upon."""
    yield from claim(view, id)
    judged = view.peek(Claim, id)
    if judged is None:
        return
    if judged.pool:
        yield SealedPool, judged.pool
    for number in range(1, judged.round):
        yield Round, round_id(id, number)
        if (panel := view.peek(Round, round_id(id, number))) is not None:
            yield from ((Seat, seat) for seat in (*panel.seats, *panel.past_seats))
    if (relay := view.peek(Relay, judged.relay)) is not None:
        yield from ((Party, did) for did in relay.coordinators)


def of_claim(view: Peek, statement: Any) -> Keys:
    """The claim that a statement names."""
    return claim(view, statement.claim)


def gate(view: Peek, command: Incoming) -> Keys:
    """The log's key, by which a draw's checkpoint is checked."""
    if getattr(command, "checkpoint", "") and (network := view.peek(Network, NETWORK)) is not None:
        yield Key, service_key("log", network.log_key)


def common(view: Peek) -> Keys:
    """The records that nearly every decision reads."""
    yield Network, NETWORK
    for account in (ledger.OPERATOR_BOND, ledger.VERIFICATION, ledger.EXTERNAL, ledger.BURN):
        yield Account, account
    if (network := view.peek(Network, NETWORK)) is not None:
        yield AdoptedPolicy, str(network.policy)
        yield Party, network.operator
    yield Pins, PINS
    if (pins := view.peek(Pins, PINS)) is not None:
        yield from ((AdoptedPolicy, str(number)) for number, _ in pins.open)
