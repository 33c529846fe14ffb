"""The draws that are awaited, and whose turn it is to make each: the service's, then one beacon's after the other."""

from __future__ import annotations

from typing import NamedTuple

from trust.core.entry import Beacon
from trust.core.events import round_id, task_draw
from trust.core.identity import key_of
from trust.core.lifecycle import AllocationState
from trust.core.policy import Policy
from trust.core.records import AdoptedPolicy, Allocation, Claim, Task
from trust.core.rules import panel, shortlists
from trust.core.sampling import vrf
from trust.core.state import View


class Awaited(NamedTuple):
    """A draw that is awaited: what it is for, the key whose turn it is, the VRF's input, its task, and the entry
    that it is about."""

    of: str
    key: str
    alpha: bytes
    task: str
    entry: int


def of_round(view: View, claim: Claim, at_ms: int) -> Awaited:
    """The draw that a claim awaits at `at_ms`."""
    alpha = panel.alpha(view, claim, claim.draw_round)
    key = panel.drawer(view, claim, _policy_of(view, claim.task), alpha, at_ms)
    return Awaited(round_id(claim.id, claim.draw_round), key, alpha, claim.task, claim.output_index)


def of_shortlist(view: View, allocation: Allocation, at_ms: int) -> Awaited:
    """The draw that an allocation awaits at `at_ms`."""
    alpha = shortlists.alpha(view, allocation)
    key = shortlists.drawer(allocation, _policy_of(view, allocation.id), alpha, at_ms)
    return Awaited(task_draw(allocation.id), key, alpha, allocation.id, allocation.index)


def named(view: View, of: str, at_ms: int) -> Awaited | None:
    """Returns the awaited draw of this name, or None."""
    kind, _, rest = of.partition("/")
    if of == task_draw(rest):
        allocation = view.get(Allocation, rest)
        awaited = allocation is not None and allocation.state == AllocationState.AWAITED
        return of_shortlist(view, allocation, at_ms) if allocation is not None and awaited else None
    claim = view.get(Claim, kind)
    if claim is None or not claim.draw_round or str(claim.draw_round) != rest:
        return None
    return of_round(view, claim, at_ms)


def beacon(key: str, seed: bytes, alpha: bytes) -> Beacon:
    """Returns the proof of a draw by the key with this seed."""
    pi = vrf.prove(seed, alpha)
    beta = vrf.verify(key_of(key), alpha, pi)
    vrf.remember(key_of(key), alpha, pi, beta)  # not once more under the head's lock
    return Beacon(key, pi.hex(), beta.hex())


def _policy_of(view: View, task_id: str) -> Policy:
    task = view.get(Task, task_id)
    adopted = None if task is None else view.get(AdoptedPolicy, str(task.policy))
    assert adopted is not None
    return adopted.terms
