"""Allocation: a relay has the draw decide who may claim a task first (docs/rules.md 3, docs/reputation.md 1 and 4).

What stops a ring that works for itself is that the worker was drawn after the requester had committed to the task.
So a task is allocated at most once, not before its posting is in a checkpoint, by the relay that its posting named; the
draw itself is in `shortlists.py`. Decided here: whether a draw may be asked for, who may be on a shortlist, by
which way a worker comes to a claim and what praise counts for that, and what a requester pays who lets an allocation
come to nothing.

An entry does not say where a batch ended. But all entries of a batch have one time, and each batch ends with a
checkpoint: so a posting is in a checkpoint once the log's time has moved on.
"""

from __future__ import annotations

import msgspec

from trust.core import ledger, reputation, scoring
from trust.core.events import AllocationFailed, AllocationLapsed, TaskAllocating
from trust.core.events.tasks import TASK_TIMER
from trust.core.lifecycle import AllocationState, TaskState
from trust.core.payloads import TaskAllocate
from trust.core.policy import Policy
from trust.core.records import Allocation, Bar, Party, Pool, Probation, Relay, SealedPool, Squad, Task
from trust.core.refusal import Refused
from trust.core.reputation import Route
from trust.core.rules import names, reads, squads
from trust.core.rules.acts import act, due
from trust.core.rules.decision import Decision, has_left
from trust.core.rules.reads import Keys, Peek


class Way(msgspec.Struct, frozen=True):
    """How a worker comes to a task: what praise for it counts, and the least stake that the way itself asks for."""

    route: Route
    delta_ppm: int
    min_stake_units: int = 0


# -- asking for a draw


def _allocating(view: Peek, statement: TaskAllocate) -> Keys:
    yield Relay, statement.relay
    if (relay := view.peek(Relay, statement.relay)) is not None:
        for did in relay.coordinators:
            yield Party, did
    yield from reads.allocation(view, statement.task)
    candidates = statement.candidates
    if statement.squad is not None:
        yield Squad, statement.squad
        squad = view.peek(Squad, statement.squad)
        candidates = tuple(each.worker for each in squad.members[1:]) if squad else ()
    if (task := view.peek(Task, statement.task)) is not None:
        yield from reads.drawn_from(view, task, candidates)


@act(TaskAllocate, reads=_allocating)
def allocate(d: Decision, statement: TaskAllocate) -> None:
    relay = d.find(Relay, statement.relay)
    if relay.suspended:
        raise Refused("relay-suspended", f"{relay.id} is suspended until its group changes")
    task = d.find(Task, statement.task)
    policy = d.task_policy(task)
    _check_task(d, statement, task)
    _check_terms(statement, policy)
    squad = None if statement.squad is None else squads.drawing(d, statement, task)
    candidates = statement.candidates if squad is None else tuple(each.worker for each in squad.members[1:])
    sealed = "" if squad else _check_candidates(d, statement, task, policy)
    turns = 1 + len(policy.beacons.keys)
    lane = None if candidates else d.get(Pool, scoring.probation_pool(task.task_kind))
    d.emit(
        TaskAllocating(
            task=task.id,
            statement=d.spoken.id,
            draw_key=d.network.draw_key,
            size=statement.shortlist,
            exclusive_ms=statement.exclusive_ms,
            until_ms=min(task.deadline_ms, d.at_ms + turns * policy.allocation.drawn_in_ms),
            candidates=candidates,
            pool=sealed,
            lane=lane.sealed if lane else "",
            squad=statement.squad or "",
        )
    )


def _check_task(d: Decision, statement: TaskAllocate, task: Task) -> None:
    if task.relay != statement.relay:
        raise Refused("wrong-relay", f"{task.id} names {task.relay or 'no relay'}")
    if task.posted_ms == d.at_ms:
        raise Refused("not-in-checkpoint", f"{task.id} was posted this very moment")
    if d.get(Allocation, task.id) is not None:
        raise Refused("already-allocated", f"the one draw of {task.id} was asked for before")
    if task.state == TaskState.CLAIMED:
        raise Refused("task-claimed", f"{task.id} is claimed by {task.claim}", claim=task.claim)
    if task.state == TaskState.SPLIT:
        raise Refused("task-split", f"{task.id} was claimed by {task.squad}", squad=task.squad)
    if task.state == TaskState.CLOSED:
        raise Refused("task-closed", f"{task.id} is closed: {task.closed_why}")
    if d.need(Party, task.requester).left:
        raise Refused("task-closed", f"the requester of {task.id} has left")
    if task.assignee:
        raise Refused("task-assigned", f"{task.id} is for {task.assignee}")


def _check_terms(statement: TaskAllocate, policy: Policy) -> None:
    terms = policy.allocation
    if not terms.min_exclusive_ms <= statement.exclusive_ms <= terms.max_exclusive_ms:
        bounds = f"{terms.min_exclusive_ms} to {terms.max_exclusive_ms} ms"
        raise Refused("bad-exclusive", f"an exclusive window lasts {bounds}")
    if statement.shortlist > terms.max_shortlist:
        raise Refused("shortlist-too-large", f"a shortlist has at most {terms.max_shortlist} places")


def _check_candidates(d: Decision, statement: TaskAllocate, task: Task, policy: Policy) -> str:
    """Returns the id of the sealed pool to draw from, or "" where candidates are named, of whom at least one may
    claim."""
    if statement.candidates:
        if len(set(statement.candidates)) < len(statement.candidates):
            raise Refused("bad-candidates", "a candidate is named twice")
        _check_size(statement, len(statement.candidates))
        parties = [d.find(Party, did) for did in statement.candidates]
        if all(why_not(d, party, task, policy, d.size) for party in parties):
            raise Refused("nobody-eligible", f"none of these candidates may claim {task.id} now")
        return ""
    pool = d.get(Pool, scoring.worker_pool(task.task_kind))
    sealed = d.get(SealedPool, pool.sealed) if pool and pool.sealed else None
    if sealed is None or not sealed.members:
        raise Refused("nobody-eligible", f"no sealed pool has anybody who offers {task.task_kind}")
    _check_size(statement, sealed.members)
    return sealed.id


def _check_size(statement: TaskAllocate, most: int) -> None:
    if statement.shortlist > most:
        raise Refused("shortlist-too-large", f"{statement.shortlist} places, and {most} to draw them from")


# -- who may be drawn


def why_not(d: Decision, party: Party, task: Task, policy: Policy, asked_index: int) -> str:
    """Returns the reason why an agent may not be on a shortlist that was asked for at entry `asked_index`, in a
    word; "" where it may."""
    reasons = (
        (has_left(party, asked_index), party.left),
        (party.jailed_until_ms > d.at_ms, "jailed"),
        (task.task_kind not in party.capabilities, "not-capable"),
        (party.owner == d.owner(task.requester), "own"),
        (d.get(Bar, f"{task.id}/{party.owner}") is not None, "barred"),
        (
            d.balance(ledger.free(party.id)) < _stake(task, policy) + names.due_units(d, party),
            "insufficient-funds",
        ),
    )
    return next((reason for holds, reason in reasons if holds), "")


def may_be_tried(d: Decision, party: Party, task: Task, policy: Policy) -> bool:
    """Returns whether an agent is in the probation lane now: it has few observations, a name whose bond is paid, no
    claim of the lane in flight, and money for the lane's larger stake."""
    return (
        not names.due_units(d, party)
        and scoring.observed_milli(d, party.id, task.task_kind) < policy.allocation.probation_milli
        and d.get(Probation, party.id) is None
        and d.balance(ledger.free(party.id)) >= max(_stake(task, policy), probation_stake(task, policy))
    )


def _stake(task: Task, policy: Policy) -> int:
    return max(task.stake_units, policy.claims.min_stake_units)


def probation_stake(task: Task, policy: Policy) -> int:
    """The least stake of a claim out of the probation lane."""
    return ledger.share_up(task.price_units, policy.allocation.probation_stake_ppm)


# -- by which way a worker comes to a claim


def way_to(d: Decision, task: Task, worker: Party, policy: Policy, squad: str = "") -> Way:
    """Returns the way by which a worker, alone or in a squad, comes to a task; Refused `not-allocated` where it is not
    open to it
    yet."""
    if task.state == TaskState.ALLOCATING:
        raise Refused("not-allocated", f"who may claim {task.id} first is being drawn")
    exclusive = d.at_ms < task.exclusive_until_ms
    drawn_squad = squads.drawn(d, task) if exclusive else None
    if exclusive and drawn_squad is None and (drawn := _drawn_way(d, task, worker, policy)) is not None:
        return drawn
    if exclusive and (drawn_squad is None or squads.is_waited_for(drawn_squad, squad)):
        raise Refused(
            "not-allocated",
            f"only its shortlist may claim {task.id} before {task.exclusive_until_ms}",
            exclusive_until_ms=task.exclusive_until_ms,
        )
    if worker.owner == d.owner(task.requester):
        return Way("own", delta(policy, "own"))
    route: Route = "assigned" if task.assignee else "first-come"
    return Way(route, delta(policy, route))


def _drawn_way(d: Decision, task: Task, worker: Party, policy: Policy) -> Way | None:
    allocation = d.need(Allocation, task.id)
    places = [place for place in allocation.shortlist if place.agent == worker.id]
    if not places:
        return None
    if not places[0].probation:
        return Way("allocated", drawn_delta(policy, "allocated", allocation))
    in_flight = d.get(Probation, worker.id)
    if in_flight is not None:
        raise Refused("on-probation", f"{worker.id} has {in_flight.claim} in flight", claim=in_flight.claim)
    return Way("probation", drawn_delta(policy, "probation", allocation), probation_stake(task, policy))


def for_part(way: Way, part: Task, policy: Policy) -> Way:
    """Returns the way to a part of a task from the way to the whole: its least stake in proportion to the part's
    price."""
    return (
        msgspec.structs.replace(way, min_stake_units=probation_stake(part, policy))
        if way.min_stake_units
        else way
    )


def drawn_delta(policy: Policy, route: Route, allocation: Allocation) -> int:
    """Returns the share in ppm that praise counts after a draw; among candidates whom the relay named, no more than
    for who came first: it could have named ten faces of one."""
    drawn = delta(policy, route, len(allocation.shortlist), allocation.eligible, allocation.owners)
    return min(drawn, delta(policy, "first-come")) if allocation.candidates else drawn


def delta(policy: Policy, route: Route, shortlist: int = 0, eligible: int = 0, owners: int = 0) -> int:
    """Returns the share in ppm that praise counts for a worker who came this way; after a draw it grows with the
    owners that could have been drawn instead."""
    return reputation.delta_ppm(
        route,
        shortlist=shortlist,
        eligible=eligible,
        owners=owners,
        first_come_ppm=policy.reputation.first_come_ppm,
        assigned_ppm=policy.reputation.assigned_ppm,
    )


# -- what comes to nothing


@due("allocation")
def overdue(d: Decision, id: str) -> None:
    """Opens the task to all because no draw came in time; nobody is at fault but the service."""
    d.emit(AllocationFailed(task=id.removeprefix(TASK_TIMER), why="overdue"))


def lapse(d: Decision, task: Task) -> None:
    """Charges an allocation that nobody of its shortlist took up, before its task closes unclaimed.

    It costs the first panel's fees, and weighs on whatever the requester praises later: whoever could cancel for free
    would draw until a friend comes. What a squad makes of its draw is not the requester's doing, and its members are
    praised as who came first.
    """
    allocation = d.get(Allocation, task.id)
    if allocation is not None and allocation.state == AllocationState.AWAITED:
        d.emit(AllocationFailed(task=task.id, why="closed"))
    if allocation is None or allocation.state != AllocationState.DRAWN or allocation.used or allocation.squad:
        return
    if d.need(Party, task.requester).expelled:
        return
    policy = d.task_policy(task)
    d.emit(AllocationLapsed(task=task.id, owner=d.owner(task.requester), task_kind=task.task_kind))
    fee = min(policy.panel_fees_units(1), d.balance(ledger.escrow(task.id)))
    d.pay("allocation.lapsed", (ledger.escrow(task.id), ledger.BURN, fee))
