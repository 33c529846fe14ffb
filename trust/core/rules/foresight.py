"""What hangs together with a party, a task, a claim, a seat: the keys that whoever touches one of them will read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from trust.core import ledger
from trust.core.events import round_id
from trust.core.records import (
    Account,
    AdoptedPolicy,
    Allocation,
    Bar,
    Challenge,
    Claim,
    Party,
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
    Task,
    Track,
)
from trust.core.scoring import probation_pool, verifier_pool, worker_pool
from trust.core.state import Key as StateKey

R = TypeVar("R", bound=Record)


class Peek(Protocol):
    """What is in memory already: `peek` never loads."""

    def peek(self, kind: type[R], id: str) -> R | None: ...


def party(view: Peek, did: str) -> Iterator[StateKey]:
    """A party: its money, keys and places."""
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


def offers(view: Peek, did: str) -> Iterator[StateKey]:
    """The records of a worker in the kinds that it offers, and its places in their pools."""
    party = view.peek(Party, did)
    for task_kind, place in zip(party.capabilities, party.places, strict=True) if party else ():
        yield Score, f"{did}/worker/{task_kind}"
        for pool_id in (worker_pool(task_kind), probation_pool(task_kind)):
            yield Pool, pool_id
            yield Slot, f"{pool_id}/{place}"


def task(view: Peek, id: str) -> Iterator[StateKey]:
    """A task, what pays for it, its requester and its neighbours."""
    yield Task, id
    if (found := view.peek(Task, id)) is not None:
        yield AdoptedPolicy, str(found.policy)
        yield Account, ledger.escrow(id)
        yield Poster, found.requester
        yield from ((Task, beside) for beside in (found.older, found.newer) if beside)
        yield from party(view, found.requester)


def claim(view: Peek, id: str) -> Iterator[StateKey]:
    """A claim with its task, its parties, its challenges and the panel at work."""
    yield Claim, id
    found = view.peek(Claim, id)
    if found is None:
        return
    yield from task(view, found.task)
    yield from party(view, found.worker)
    yield Account, ledger.stake(id)
    yield Relay, found.relay
    work = view.peek(Task, found.task)
    if work is not None and found.output:
        yield Track, f"{found.worker}/{work.task_kind}"
        yield Rater, work.requester
    yield from disputes(view, found)
    if found.round:
        yield Round, round_id(id, found.round)
        if (panel := view.peek(Round, round_id(id, found.round))) is not None:
            for name in (*panel.seats, *panel.past_seats):
                yield Seat, name


def disputes(view: Peek, claim: Claim) -> Iterator[StateKey]:
    """The challenges of a claim, the last one first."""
    challenge = claim.challenge
    while challenge:
        yield Challenge, challenge
        yield Account, ledger.challenge_bond(challenge)
        found = view.peek(Challenge, challenge)
        challenge = found.before if found else ""
        if found is not None:
            yield Party, found.challenger
            yield Account, ledger.free(found.challenger)


def delivering(view: Peek, id: str) -> Iterator[StateKey]:
    """What an output reads: no more, since there are many."""
    yield Claim, id
    if (found := view.peek(Claim, id)) is not None:
        yield Task, found.task
        if (work := view.peek(Task, found.task)) is not None:
            yield AdoptedPolicy, str(work.policy)


def seat(view: Peek, id: str) -> Iterator[StateKey]:
    """A seat and the claim that it judges."""
    yield Seat, id
    if (found := view.peek(Seat, id)) is not None:
        yield from claim(view, found.claim)


def allocation(view: Peek, id: str) -> Iterator[StateKey]:
    """What the draw of a task's shortlist reads; of the agents in a pool only the draw knows which."""
    yield Task, id
    yield Allocation, id
    work, found = view.peek(Task, id), view.peek(Allocation, id)
    if work is None:
        return
    yield AdoptedPolicy, str(work.policy)
    yield Party, work.requester
    if found is not None:
        yield SealedPool, found.pool
        yield SealedPool, found.lane
        yield from drawn_from(view, work, found.candidates)


def drawn_from(view: Peek, task: Task, candidates: Sequence[str]) -> Iterator[StateKey]:
    """Those among whom a shortlist is drawn."""
    for did in candidates:
        yield Party, did
        yield Account, ledger.free(did)
        yield Probation, did
        yield Score, f"{did}/worker/{task.task_kind}"
        if (found := view.peek(Party, did)) is not None:
            yield Bar, f"{task.id}/{found.owner}"
            for task_kind, place in zip(found.capabilities, found.places, strict=True):
                if task_kind == task.task_kind:
                    yield Slot, f"{worker_pool(task_kind)}/{place}"
    for pool_id in () if candidates else (worker_pool(task.task_kind), probation_pool(task.task_kind)):
        yield Pool, pool_id
        if (pool := view.peek(Pool, pool_id)) is not None:
            yield SealedPool, pool.sealed
