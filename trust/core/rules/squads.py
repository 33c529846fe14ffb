"""Squads: several workers take the parts of a task together (docs/rules.md 3.5).

Into what a task may be split is its requester's to say, so that a squad is never more than as many claims on as many
tasks that were posted apart. It is formed by a statement that all of its members sign, and locks nothing. Its founder's
claim splits the task: each part is a task and each member's hold on it a claim like any other, with a stake, a check
rate, panels and an end of its own. `claims` opens them; `tasks` closes the parent with its last part.
"""

from __future__ import annotations

from trust.core import ledger
from trust.core.events import PartPosted, SquadClaimed, SquadEnded, SquadFormed
from trust.core.lifecycle import SquadState, TaskState
from trust.core.payloads import ClaimRequest, Member, SquadDissolve, SquadForm
from trust.core.policy import Policy
from trust.core.records import AdoptedPolicy, Party, Portion, Squad, Task, Track
from trust.core.refusal import Refused
from trust.core.rules import reads, tasks
from trust.core.rules.acts import act, due
from trust.core.rules.decision import Decision
from trust.core.rules.reads import Keys, Peek


def _forming(_: Peek, statement: SquadForm) -> Keys:
    yield Task, statement.task
    yield from ((Party, member.worker) for member in statement.members)


@act(SquadForm, reads=_forming, reads_money=False)
def form(d: Decision, statement: SquadForm) -> None:
    task = d.find(Task, statement.task)
    if task.state == TaskState.SPLIT:
        raise tasks.split(task)
    if task.state == TaskState.CLOSED:
        raise Refused("task-closed", f"{task.id} is closed: {task.closed_why}")
    if task.most_parts < 2:
        raise Refused("not-divisible", f"the requester of {task.id} wants it from one worker")
    if not d.at_ms < statement.until_ms <= task.deadline_ms:
        raise Refused(
            "bad-until", f"a squad lasts until the deadline of its task, {task.deadline_ms}, at most"
        )
    workers = [d.active(member.worker) for member in statement.members]
    if workers[0].id != statement.actor:
        raise Refused("bad-squad", "the founder takes the first part itself")
    if len({worker.owner for worker in workers}) < len(workers):
        raise Refused("bad-squad", "the members of a squad have different owners")
    d.signed_by(d.spoken, [worker.id for worker in workers])
    d.emit(
        SquadFormed(
            squad=d.new_id("sqd_"),
            task=task.id,
            founder=statement.actor,
            members=portions(task, statement.members),
            until_ms=statement.until_ms,
        )
    )


def portions(task: Task, members: tuple[Member, ...]) -> tuple[Portion, ...]:
    """Returns each member's part and price: the parts that the task names, in order, or runs of its items.

    Prices are differences of rounded sums, so that they come to the task's price.
    """
    sizes = _sizes(task, members)
    total = sum(sizes)
    portions, first = [], 0
    for number, (member, size) in enumerate(zip(members, sizes, strict=True)):
        after = first + size
        price = task.price_units * after // total - task.price_units * first // total
        if task.items_count:
            portions.append(
                Portion(member.worker, member.stake_units, price, first_item=first, items_count=size)
            )
        else:
            portions.append(Portion(member.worker, member.stake_units, price, part=task.parts[number].name))
        first = after
    return tuple(portions)


def _sizes(task: Task, members: tuple[Member, ...]) -> list[int]:
    """Returns the size of each member's part, in items or in ppm; Refused where they do not make up the task."""
    if not task.items_count:
        if len(members) != len(task.parts) or any(member.items is not None for member in members):
            raise Refused("bad-squad", f"{task.id} has {len(task.parts)} parts, each for one member")
        return [part.share_ppm for part in task.parts]
    if len(members) > task.most_parts:
        raise Refused("bad-squad", f"{task.id} may be split into {task.most_parts} parts")
    sizes = [member.items or 0 for member in members]
    if 0 in sizes or sum(sizes) != task.items_count:
        raise Refused("bad-squad", f"the members take the {task.items_count} items of {task.id} together")
    return sizes


def _dissolving(_: Peek, statement: SquadDissolve) -> Keys:
    yield Squad, statement.squad


@act(SquadDissolve, reads=_dissolving, reads_money=False)
def dissolve(d: Decision, statement: SquadDissolve) -> None:
    squad = d.find(Squad, statement.squad)
    if statement.actor not in {member.worker for member in squad.members}:
        raise Refused("not-yours", f"{statement.actor} is no member of {squad.id}")
    _check_formed(squad)
    d.emit(SquadEnded(squad=squad.id, how=SquadState.DISSOLVED))


@due("squad")
def expire(d: Decision, id: str) -> None:
    """Ends a squad whose time is over and which has claimed nothing."""
    d.emit(SquadEnded(squad=id, how=SquadState.EXPIRED))


def _check_formed(squad: Squad) -> None:
    if squad.state != SquadState.FORMED:
        raise Refused("squad-state", f"{squad.id} is {squad.state}", state=squad.state)


# -- the claim of a squad


def reads_of(view: Peek, id: str, task: Task | None) -> Keys:
    """The records of the members that the claim of a squad reads."""
    yield Squad, id
    squad = view.peek(Squad, id)
    if squad is None or task is None:
        return
    yield AdoptedPolicy, str(task.policy)
    yield from reads.task(view, task.id)
    for member in squad.members:
        yield from reads.party(member.worker)
        yield Track, f"{member.worker}/{task.task_kind}"


def asking(d: Decision, statement: ClaimRequest) -> Squad:
    """Returns the squad for which its founder asks; Refused where it may not, or offers another stake than its
    members do."""
    squad = d.find(Squad, str(statement.squad))
    if squad.founder != statement.actor:
        raise Refused("not-yours", f"{squad.id} is a squad of {squad.founder}")
    if squad.task != statement.task:
        raise Refused("bad-squad", f"{squad.id} is a squad for {squad.task}")
    _check_formed(squad)
    stake_units = sum(member.stake_units for member in squad.members)
    if statement.stake_units != stake_units:
        raise Refused(
            "insufficient-stake",
            f"the members of {squad.id} lock {stake_units} units together",
            stake_units=stake_units,
        )
    return squad


def split(d: Decision, squad: Squad, task: Task) -> list[Task]:
    """Splits a task into the parts of a squad, each with its price and the fees of a check; returns the parts.

    What is left of its escrow, the fees of parts that there are not, goes back.
    """
    d.emit(SquadClaimed(squad=squad.id, task=task.id))
    policy, parts = d.task_policy(task), []
    for member in squad.members:
        id = _new_task(d)
        d.opened(ledger.escrow(id))
        d.emit(
            PartPosted(
                task=id,
                parent=task.id,
                squad=squad.id,
                price_units=member.price_units,
                stake_units=least_stake(task, member, policy),
                part=member.part,
                first_item=member.first_item,
                items_count=member.items_count,
            )
        )
        parts.append(d.need(Task, id))
    escrow, left = ledger.escrow(task.id), d.balance(ledger.escrow(task.id))
    left -= sum(part.escrow_units for part in parts)
    transfers = [(escrow, ledger.escrow(part.id), part.escrow_units) for part in parts]
    d.pay("task.split", *transfers, (escrow, ledger.free(task.requester), left))
    return parts


def least_stake(task: Task, member: Portion, policy: Policy) -> int:
    """Returns the least stake of a part in units: its share of what the task asks for, and no less than any claim's."""
    size, whole = member.items_count, task.items_count
    if not whole:
        size, whole = next(part.share_ppm for part in task.parts if part.name == member.part), 1_000_000
    return max(policy.claims.min_stake_units, -(-task.stake_units * size // whole))


def _new_task(d: Decision) -> str:
    """Returns an unused id for a part: one that somebody already posted under is passed over."""
    while d.get(Task, id := d.new_id("prt_")) is not None:
        pass
    return id
