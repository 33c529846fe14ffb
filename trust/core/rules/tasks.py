"""Tasks: posted, cancelled, reopened, closed (docs/rules.md 3).

open -> claimed -> closed, and back to open when a claim fails while the deadline is ahead; between posting and the
first claim a relay may have it allocated (`allocation`). Price and fees stand in escrow from `task.post` until the task
closes.
"""

from __future__ import annotations

from trust.core import ledger
from trust.core.events import SquadEnded, TaskBarred, TaskClosed, TaskPosted, TaskReopened
from trust.core.events.tasks import TASK_TIMER
from trust.core.lifecycle import SquadState, TaskState
from trust.core.payloads import TaskCancel, TaskPost
from trust.core.policy import Policy
from trust.core.records import Account, Allocation, Claim, Lapses, Party, Poster, Relay, Squad, Task
from trust.core.refusal import Refused
from trust.core.rules import allocation, reads
from trust.core.rules.acts import act, due
from trust.core.rules.decision import Decision
from trust.core.rules.reads import Keys, Peek

MAX_TASK_MS = 366 * 86_400_000


def _posting(view: Peek, statement: TaskPost) -> Keys:
    yield Task, statement.task
    yield Account, ledger.escrow(statement.task)
    yield Poster, statement.actor
    if (poster := view.peek(Poster, statement.actor)) is not None and poster.newest:
        yield Task, poster.newest
    if statement.assignee:
        yield Party, statement.assignee
    if statement.relay:
        yield Relay, statement.relay


@act(TaskPost, reads=_posting)
def post(d: Decision, statement: TaskPost) -> None:
    if (taken := d.get(Task, statement.task)) is not None:
        raise Refused("task-exists", f"{statement.task} was posted at entry {taken.index}", index=taken.index)
    policy = d.policy
    _check_terms(d, statement, policy)
    fees = policy.fees_units
    most_parts = len(statement.parts) or (statement.items.parts if statement.items else 1)
    needed, held = statement.price_units + fees * most_parts, d.balance(ledger.free(statement.actor))
    if held < needed:
        raise Refused("insufficient-funds", f"price and fees are {needed} units, {held} are free")
    d.emit(
        TaskPosted(
            task=statement.task,
            requester=statement.actor,
            task_kind=statement.task_kind,
            policy=d.network.policy,
            deadline_ms=statement.deadline_ms,
            price_units=statement.price_units,
            fees_units=fees,
            stake_units=max(statement.stake_units or 0, policy.claims.min_stake_units),
            lease_ms=statement.lease_ms or policy.claims.lease_ms,
            spec_sha256=statement.spec_sha256,
            spec_uri=statement.spec_uri or "",
            items_count=statement.items.count if statement.items else 0,
            tolerated_bad_ppm=statement.items.tolerated_bad_ppm if statement.items else 0,
            assignee=statement.assignee or "",
            relay=statement.relay or "",
            references=statement.references,
            parts=statement.parts,
            most_parts=most_parts,
        )
    )
    d.pay("task.escrow", (ledger.free(statement.actor), ledger.escrow(statement.task), needed))


def _check_terms(d: Decision, statement: TaskPost, policy: Policy) -> None:
    claims = policy.claims
    if not d.at_ms < statement.deadline_ms <= d.at_ms + MAX_TASK_MS:
        raise Refused("bad-deadline", "a deadline lies ahead, within a year")
    if (
        statement.lease_ms is not None
        and not claims.min_lease_ms <= statement.lease_ms <= claims.max_lease_ms
    ):
        raise Refused("bad-lease", f"a lease lasts {claims.min_lease_ms} to {claims.max_lease_ms} ms")
    most = max(claims.min_stake_units, ledger.share(statement.price_units, claims.max_stake_ratio_ppm))
    if (statement.stake_units or 0) > most:
        raise Refused("stake-too-high", f"a task at this price asks for a stake of at most {most} units")
    if statement.spec_uri is not None and not policy.blobs.uris:
        raise Refused(
            "uris-not-allowed", "the policy wants every byte in the service: upload the blob instead"
        )
    tolerated, most = (
        statement.items.tolerated_bad_ppm if statement.items else 0,
        policy.batch.max_tolerated_ppm,
    )
    if tolerated > most:
        raise Refused("tolerates-too-much", f"a task tolerates at most {most} bad items in a million")
    _check_parts(statement)
    if statement.assignee is not None:
        d.active(statement.assignee)
    if statement.relay is not None:
        d.find(Relay, statement.relay)


def _check_parts(statement: TaskPost) -> None:
    if not statement.parts:
        return
    if statement.items is not None:
        raise Refused("bad-parts", "a batch is split by its items: say `items.parts`")
    if len({part.name for part in statement.parts}) < max(2, len(statement.parts)):
        raise Refused("bad-parts", "a task that can be split names two parts at least, each once")
    if sum(part.share_ppm for part in statement.parts) != 1_000_000:
        raise Refused("bad-parts", "the shares of the parts are 1000000 ppm together")


def _cancelling(view: Peek, statement: TaskCancel) -> Keys:
    yield from reads.task(view, statement.task)
    yield Allocation, statement.task
    task, allocation = view.peek(Task, statement.task), view.peek(Allocation, statement.task)
    requester = None if task is None else view.peek(Party, task.requester)
    if task and requester and allocation and not allocation.used:
        yield Lapses, f"{requester.owner}/{task.task_kind}"


@act(TaskCancel, reads=_cancelling)
def cancel(d: Decision, statement: TaskCancel) -> None:
    task = d.find(Task, statement.task)
    if task.state == TaskState.CLOSED:
        raise Refused("task-closed", f"{statement.task} is closed: {task.closed_why}")
    if task.state == TaskState.CLAIMED:
        raise Refused("task-claimed", f"{statement.task} is claimed by {task.claim}", claim=task.claim)
    if task.state == TaskState.SPLIT:
        raise split(task)
    if task.state == TaskState.ALLOCATING or d.at_ms < task.exclusive_until_ms:
        raise Refused(
            "task-allocated", f"{statement.task} waits for its shortlist until {task.exclusive_until_ms}"
        )
    close_unclaimed(d, task, "cancelled")


def split(task: Task) -> Refused:
    """Returns the refusal of an act that only a whole task allows, on one that was split."""
    return Refused("task-split", f"{task.id} was claimed by {task.squad}", squad=task.squad)


def close(d: Decision, task: Task, why: str) -> None:
    """Closes a task; what is left of its escrow goes back to the requester. With its last part a parent closes too."""
    d.emit(TaskClosed(task=task.id, why=why))
    left = d.balance(ledger.escrow(task.id))
    d.pay("escrow.return", (ledger.escrow(task.id), ledger.free(task.requester), left))
    if task.parent:
        _close_parent(d, d.need(Squad, task.squad))


def _close_parent(d: Decision, squad: Squad) -> None:
    parts = [d.need(Task, id) for id in squad.tasks]
    if all(part.state == TaskState.CLOSED for part in parts):
        accepted = all(part.closed_why == SquadState.ACCEPTED for part in parts)
        how = SquadState.ACCEPTED if accepted else SquadState.UNFINISHED
        d.emit(SquadEnded(squad=squad.id, how=how))
        d.emit(TaskClosed(task=squad.task, why=how))


def bar(d: Decision, task: Task, claim: Claim) -> None:
    """Bars the owner behind this claim's worker from claiming the task again."""
    d.emit(TaskBarred(task=task.id, owner=d.owner(claim.worker), claim=claim.id))


def reopen(d: Decision, task: Task, why: str) -> None:
    """Opens the task to others while the deadline is ahead and its requester fills the escrow; else closes it."""
    missing = task.escrow_units - d.balance(ledger.escrow(task.id))
    funded = d.balance(ledger.free(task.requester)) >= missing
    staying = not d.need(Party, task.requester).left
    if d.at_ms < task.deadline_ms and funded and staying:
        d.emit(TaskReopened(task=task.id))
        d.pay("task.escrow", (ledger.free(task.requester), ledger.escrow(task.id), missing))
    else:
        close_unclaimed(d, task, why)


@due("deadline")
def lapse(d: Decision, id: str) -> None:
    """Closes a task whose deadline passed while nobody holds a claim."""
    close_unclaimed(d, d.need(Task, id.removeprefix(TASK_TIMER)), "deadline")


def close_unclaimed(d: Decision, task: Task, why: str) -> None:
    """Closes a task that nobody holds; an allocation that it had comes to nothing."""
    allocation.lapse(d, task)
    close(d, task, why)
