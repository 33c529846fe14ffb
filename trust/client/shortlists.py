"""How a worker came to its claim, held against what led there: the allocation, its draw, and what praise counts.

The shortlist is drawn again from the VRF's output: among the candidates that stand in the entry, or through the sealed
pools where the bundle has their nodes. Who among those may claim follows from the whole state, and is believed here.
"""

from __future__ import annotations

from trust.client.cases import Shortlist
from trust.client.told import DoesNotFollow, Told, proven, same, signed_for
from trust.core import allocation as allocations
from trust.core import events as e
from trust.core import payloads as p
from trust.core.checks import shortlist
from trust.core.checks.allotting import shortlist_seed
from trust.core.checks.draw import Stream
from trust.core.checks.sumtree import EMPTY, Root, root_of
from trust.core.entry import Draw
from trust.core.events.tasks import DRAWN_ROUTES
from trust.core.records import Allocation, Network
from trust.core.reputation import Route


def asked(t: Told, event: e.TaskAllocating) -> None:
    """An allocation follows from the one task.allocate of the task's relay."""
    task = t.task
    if t.find(Allocation, task.id) is not None or task.state != "open":
        raise DoesNotFollow(f"{task.id} is allocated once, while it is open")
    said = t.statement_of(p.TaskAllocate)
    same("the relay of the task", (task.id, task.relay), (said.task, said.relay))
    signed_for(t, said.relay)
    same("the statement", None if t.spoken is None else t.spoken.id, event.statement)
    told = event.size, event.exclusive_ms, event.candidates
    same("what is drawn", (said.shortlist, said.exclusive_ms, said.candidates), told)
    same("the draw key", t.need(Network, e.NETWORK).draw_key, event.draw_key)


def begin(t: Told, index: int, said: Draw) -> None:
    """Proves the randomness of the task's draw."""
    allocation = t.need(Allocation, t.task_id)
    same("the allocation before its draw", "awaited", allocation.state)
    beta = proven(said, allocation.draw_key, shortlist_seed(t.network, allocation.id, allocation.statement))
    t.stream = Stream(beta, shortlist.LABEL)
    t.shortlist = Shortlist(index, beta.hex(), (), (), 0, 0, None)


def allocated(t: Told, event: e.TaskAllocated) -> None:
    """A shortlist follows from its draw, in this very entry."""
    allocation, drawn = t.need(Allocation, event.task), t.shortlist
    if t.stream is None or drawn is None or drawn.index != t.state.size:
        raise DoesNotFollow(f"the shortlist of {event.task} is made by its own draw alone")
    window_ms = event.exclusive_until_ms - t.state.at_ms
    same("the exclusive window", allocation.exclusive_ms, window_ms)
    passed = _among_named(t, t.stream, event) if allocation.candidates else _among_all(t, t.stream, event)
    t.shortlist = Shortlist(
        index=drawn.index,
        beta=drawn.beta,
        agents=tuple(place.agent for place in event.shortlist),
        probation=tuple(place.agent for place in event.shortlist if place.probation),
        eligible=event.eligible,
        owners=event.owners,
        passed=passed,
    )


def _among_named(t: Told, stream: Stream, event: e.TaskAllocated) -> tuple[str, ...]:
    allocation, lane_ppm = t.need(Allocation, event.task), t.policy.allocation.probation_ppm
    agents = [each.agent for each in event.among]
    same("the candidates that may claim", [each for each in allocation.candidates if each in agents], agents)
    same("how many are eligible", len(agents), event.eligible)
    named = shortlist.Named(stream, event.among)
    same("the shortlist", shortlist.drawn(stream, allocation.size, lane_ppm, named), event.shortlist)
    return tuple(each for each in allocation.candidates if each not in agents)


def _among_all(t: Told, stream: Stream, event: e.TaskAllocated) -> tuple[str, ...] | None:
    allocation, lane_ppm = t.need(Allocation, event.task), t.policy.allocation.probation_ppm
    sealed = t.sealed.get(allocation.pool)
    if sealed is None:
        raise DoesNotFollow(f"the bundle does not have the seal of {allocation.pool}")
    counted = max(sealed.members, len(event.shortlist)), sealed.owners
    same("how many are eligible, of how many owners", counted, (event.eligible, event.owners))
    if not t.pool:
        return None
    pool, lane = _root(t, allocation.pool), _root(t, allocation.lane)
    return shortlist.retrace(stream, allocation.size, lane_ppm, pool, lane, t.node, event.shortlist)


def _root(t: Told, id: str) -> Root:
    if not id:
        return EMPTY
    sealed = t.sealed.get(id)
    if sealed is None:
        raise DoesNotFollow(f"the bundle does not have the seal of {id}")
    return root_of(sealed)


def check_way(t: Told, event: e.ClaimOpened) -> None:
    """What praise counts follows from the way to the claim. Who stands behind a worker is not in the bundle, so that
    it is of one owner with its requester is believed."""
    same("who is checked for its probation", event.route == "probation", event.inputs.on_probation)
    if event.route in DRAWN_ROUTES:
        _check_drawn(t, event)
        return
    way: Route = "assigned" if t.task.assignee == event.worker else "first-come"
    route: Route = "own" if event.route == "own" else way
    same("the way to the claim", route, event.route)
    same("what praise counts", allocations.delta(t.policy, route), event.delta_ppm)
    if t.state.at_ms < t.task.exclusive_until_ms:
        raise DoesNotFollow(f"only its shortlist may claim {event.task} yet")


def _check_drawn(t: Told, event: e.ClaimOpened) -> None:
    allocation = t.need(Allocation, event.task)
    places = [place for place in allocation.shortlist if place.agent == event.worker]
    if not places or t.state.at_ms >= t.task.exclusive_until_ms:
        raise DoesNotFollow(f"{event.worker} is not on the shortlist of {event.task}, or too late")
    route: Route = "probation" if places[0].probation else "allocated"
    same("the lane of the claim", route, event.route)
    counts = len(allocation.shortlist), allocation.eligible, allocation.owners
    same("what praise counts", allocations.delta(t.policy, route, *counts), event.delta_ppm)
