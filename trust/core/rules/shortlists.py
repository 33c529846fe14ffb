"""The draw of a shortlist: proves its randomness and says who may claim the task first (docs/rules.md 3).

1. The seed's input is `task/<id>` and the digest of the task.allocate, under the draw key as of that statement.
2. The pools are those that were sealed before it. Whether somebody may claim is looked at now, at the draw.
3. Where nobody who may claim is found, the task is open to all as if no allocation had been asked for.
"""

from __future__ import annotations

from trust.core import scoring
from trust.core.entry import Draw
from trust.core.events import AllocationFailed, TaskAllocated, task_draw
from trust.core.lifecycle import AllocationState
from trust.core.policy import Policy
from trust.core.records import Allocation, Node, Party, SealedPool, Slot, Task
from trust.core.refusal import Refused
from trust.core.rules import allocation as allocations
from trust.core.rules import squads
from trust.core.rules.decision import Decision
from trust.core.rules.draws import check_checkpoint, proven, seed_input, whose_turn
from trust.core.sampling import shortlist, sumtree
from trust.core.sampling.draw import Stream
from trust.core.sampling.shortlist import Candidate
from trust.core.state import View

_PREFIX = task_draw("")


def is_for(command: Draw) -> bool:
    """Returns whether a draw is one of a shortlist."""
    return command.of.startswith(_PREFIX)


def task_of(command: Draw) -> str:
    """The task of such a draw."""
    return command.of.removeprefix(_PREFIX)


def alpha(view: View, allocation: Allocation) -> bytes:
    """The VRF's input for a task's shortlist."""
    return shortlist_seed(scoring.network_of(view).origin, allocation.id, allocation.statement)


def shortlist_seed(network: str, task: str, statement: str) -> bytes:
    """Returns the VRF's input from its parts: as for a claim, with the task in its place and 0 for the round."""
    return seed_input(network, task_draw(task), 0, statement)


def drawer(allocation: Allocation, policy: Policy, seed: bytes, at_ms: int) -> str:
    """Returns the key whose turn it is at `at_ms` to make this draw, over the input `seed`."""
    turn = (at_ms - allocation.asked_ms) // policy.allocation.drawn_in_ms
    return whose_turn(allocation.draw_key, policy.beacons.keys, seed, turn)


def draw(d: Decision, command: Draw) -> None:
    """Takes a draw entry of an allocation."""
    allocation = d.get(Allocation, task_of(command))
    if allocation is None or allocation.state != AllocationState.AWAITED:
        raise Refused("no-draw-due", f"no draw is awaited for {command.of}")
    task = d.need(Task, allocation.id)
    policy = d.task_policy(task)
    seed = alpha(d, allocation)
    stream = Stream(proven(command, drawer(allocation, policy, seed, d.at_ms), seed), shortlist.LABEL)
    check_checkpoint(d, allocation.index, policy, command.checkpoint)
    if allocation.squad:
        _joined(d, allocation, task, policy, stream)
        return
    event = (_among_candidates if allocation.candidates else _among_all)(d, allocation, task, policy, stream)
    d.emit(event if event.shortlist else AllocationFailed(task=task.id, why="nobody"))


def _among_candidates(
    d: Decision, allocation: Allocation, task: Task, policy: Policy, stream: Stream
) -> TaskAllocated:
    parties = [d.need(Party, did) for did in allocation.candidates]
    eligible = [
        party
        for party in parties
        if not allocations.why_not(d, party, task, policy, allocation.index)
        and (not allocation.squad or squads.can_pay(d, allocation.squad, party))
    ]
    among = tuple(
        Candidate(
            party.id,
            _weight(d, party, task.task_kind),
            not allocation.squad and allocations.may_be_tried(d, party, task, policy),
        )
        for party in eligible
    )
    source = shortlist.Named(stream, among)
    lane_ppm = shortlist.lane_share_ppm(
        policy.allocation.probation_ppm, sum(each.newcomer for each in among), len(among)
    )
    return TaskAllocated(
        task=task.id,
        exclusive_until_ms=d.at_ms + allocation.exclusive_ms,
        eligible=len(eligible),
        owners=len({party.owner for party in eligible}),
        shortlist=shortlist.drawn(stream, allocation.size, lane_ppm, source),
        among=among,
    )


def _joined(d: Decision, allocation: Allocation, task: Task, policy: Policy, stream: Stream) -> None:
    """Who joins a squad: by weight alone, since whoever is new asks for a larger stake than it offered here."""
    event = _among_candidates(d, allocation, task, policy, stream)
    agents = [place.agent for place in event.shortlist]
    if squads.can_form(d, allocation.squad, task, agents):
        d.emit(event)
        squads.form_drawn(d, allocation.squad, task, agents)
    else:
        d.emit(AllocationFailed(task=task.id, why="nobody"))


def _weight(d: Decision, party: Party, task_kind: str) -> int:
    """Returns a candidate's weight in the pool of its kind, as of its last event."""
    place = party.places[party.capabilities.index(task_kind)]
    return d.need(Slot, f"{scoring.worker_pool(task_kind)}/{place}").weight


def _among_all(
    d: Decision, allocation: Allocation, task: Task, policy: Policy, stream: Stream
) -> TaskAllocated:
    """Draws from the sealed pools.

    The number of eligible agents is the number that weighed anything when the pool was sealed: to look at each of
    them would make a draw as long as the network is large.
    """

    def accept(agent: str, lane: bool) -> bool:
        party = d.need(Party, agent)
        if allocations.why_not(d, party, task, policy, allocation.index):
            return False
        return not lane or allocations.may_be_tried(d, party, task, policy)

    def node(digest: bytes) -> bytes:
        return d.need(Node, digest.hex()).data

    pool, lane = d.need(SealedPool, allocation.pool), d.get(SealedPool, allocation.lane)
    source = shortlist.Sealed(stream, sumtree.root_of(pool), sumtree.root_of(lane), node, accept)
    most_ppm, newcomers = policy.allocation.probation_ppm, lane.members if lane else 0
    lane_ppm = shortlist.lane_share_ppm(most_ppm, newcomers, pool.members)
    places = shortlist.drawn(stream, allocation.size, lane_ppm, source)
    return TaskAllocated(
        task=task.id,
        exclusive_until_ms=d.at_ms + allocation.exclusive_ms,
        eligible=max(pool.members, len(places)),
        owners=pool.owners,
        shortlist=places,
    )
