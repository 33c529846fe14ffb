"""Squads: several workers take the parts of a task together (docs/rules.md 3.5).

Into what a task may be split is its requester's to say, so that a squad is never more than as many claims on as many
tasks that were posted apart. It is formed by a statement that all of its members sign, and locks nothing. Its founder's
claim splits the task: each part is a task and each member's hold on it a claim like any other, with a stake, a check
rate, panels and an end of its own. `claims` opens them; `tasks` closes the parent with its last part.
"""

from __future__ import annotations

from msgspec.structs import replace

from trust.core import ledger
from trust.core.events import (
    PartPosted,
    SquadAsked,
    SquadCalled,
    SquadClaimed,
    SquadEnded,
    SquadFormed,
    SuretyEnded,
    SuretyGiven,
)
from trust.core.lifecycle import SquadState, TaskState
from trust.core.payloads import (
    ClaimRequest,
    Member,
    SquadAsk,
    SquadCall,
    SquadDissolve,
    SquadForm,
    TaskAllocate,
)
from trust.core.policy import Policy
from trust.core.records import AdoptedPolicy, Allocation, Claim, Party, Portion, Squad, Task, Track
from trust.core.refusal import Refused
from trust.core.rules import names, reads, tasks
from trust.core.rules.acts import act, due
from trust.core.rules.decision import Decision
from trust.core.rules.reads import Keys, Peek

MAX_ASKS = 128


def _forming(_: Peek, statement: SquadForm) -> Keys:
    yield Task, statement.task
    yield from ((Party, member.worker) for member in statement.members)


@act(SquadForm, reads=_forming, reads_money=False)
def form(d: Decision, statement: SquadForm) -> None:
    task = d.find(Task, statement.task)
    _check_divisible(task)
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


def _check_divisible(task: Task) -> None:
    if task.state == TaskState.SPLIT:
        raise tasks.split(task)
    if task.state == TaskState.CLOSED:
        raise Refused("task-closed", f"{task.id} is closed: {task.closed_why}")
    if most_members(task) < 2:
        raise Refused("not-divisible", f"the requester of {task.id} wants it from one worker")


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
        portion = Portion(member.worker, member.stake_units, price, surety_units=member.surety_units or 0)
        if task.items_count:
            portions.append(replace(portion, first_item=first, items_count=size))
        else:
            portions.append(replace(portion, part=task.parts[number].name))
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


# -- who joins by draw


def _calling(_: Peek, statement: SquadCall) -> Keys:
    yield Task, statement.task


@act(SquadCall, reads=_calling, reads_money=False)
def call(d: Decision, statement: SquadCall) -> None:
    """Workers may ask to join; the task's relay asks for the draw when the time for that is over."""
    task = d.find(Task, statement.task)
    _check_divisible(task)
    if not task.relay:
        raise Refused("wrong-relay", f"{task.id} names no relay, which would ask for the draw")
    if not d.at_ms < statement.asks_until_ms < statement.until_ms <= task.deadline_ms:
        raise Refused("bad-until", f"first the asks end, then the squad, and by {task.deadline_ms} its task")
    _check_offer(d, task, statement.stake_units)
    d.emit(
        SquadCalled(
            squad=d.new_id("sqd_"),
            task=task.id,
            founder=statement.actor,
            stake_units=statement.stake_units,
            asks_until_ms=statement.asks_until_ms,
            until_ms=statement.until_ms,
            surety_units=statement.surety_units or 0,
        )
    )


def _asking(view: Peek, statement: SquadAsk) -> Keys:
    yield Squad, statement.squad
    if (squad := view.peek(Squad, statement.squad)) is not None:
        yield Task, squad.task
        yield from ((Party, member.worker) for member in squad.members)


@act(SquadAsk, reads=_asking, reads_money=False)
def ask(d: Decision, statement: SquadAsk) -> None:
    squad = d.find(Squad, statement.squad)
    if squad.state != SquadState.CALLING or d.at_ms >= squad.asks_until_ms:
        raise Refused("squad-state", f"{squad.id} takes no asks any more", state=squad.state)
    if d.owner(statement.actor) in {d.owner(member.worker) for member in squad.members}:
        raise Refused("bad-squad", "one owner has one place, and asks once")
    task = d.need(Task, squad.task)
    if task.task_kind not in d.need(Party, statement.actor).capabilities:
        raise Refused("not-capable", f"{statement.actor} does not offer {task.task_kind}")
    if len(squad.members) > MAX_ASKS:
        raise Refused("bad-squad", f"{MAX_ASKS} have asked to join {squad.id}: it takes no more")
    _check_offer(d, task, statement.stake_units)
    d.emit(
        SquadAsked(
            squad=squad.id,
            worker=statement.actor,
            stake_units=statement.stake_units,
            surety_units=statement.surety_units or 0,
        )
    )


def _check_offer(d: Decision, task: Task, stake_units: int) -> None:
    """Refuses a stake that would be too small for the largest part that a draw may give."""
    policy = d.task_policy(task)
    largest_ppm = max([part.share_ppm for part in task.parts] or [500_000 + 500_000 // task.items_count])
    least = max(policy.claims.min_stake_units, ledger.share_up(task.stake_units, largest_ppm))
    if stake_units < least:
        raise Refused("insufficient-stake", f"{task.id} asks for a stake of {least} units", stake_units=least)
    price = ledger.share_up(task.price_units, largest_ppm)
    if policy.deterrence_ppm(price, stake_units, policy.slash_ppm(task.task_kind)) > 1_000_000:
        raise Refused("stake-cannot-deter", f"no check rate deters at a stake of {stake_units} units")


def drawing(d: Decision, statement: TaskAllocate, task: Task) -> Squad:
    """The squad for which a relay asks for the draw; Refused where it chooses anything, or before the asks are over."""
    squad = d.find(Squad, str(statement.squad))
    if squad.task != task.id or squad.state != SquadState.CALLING:
        raise Refused("squad-state", f"{squad.id} is {squad.state}, for {squad.task}", state=squad.state)
    if d.at_ms < squad.asks_until_ms:
        raise Refused("bad-until", f"workers may ask to join {squad.id} until {squad.asks_until_ms}")
    places = most_members(task) - 1
    if statement.candidates or statement.shortlist != places:
        raise Refused(
            "bad-candidates", f"all that asked are drawn from, for the {places} places of {squad.id}"
        )
    if len(squad.members) < 2 or (task.parts and len(squad.members) <= places):
        raise Refused("nobody-eligible", f"{len(squad.members) - 1} have asked to join {squad.id}")
    return squad


def drawn(d: Decision, task: Task) -> Squad | None:
    """The squad whose members the task's draw gave; None where it gave a shortlist, or was not asked for."""
    allocation = d.get(Allocation, task.id)
    return d.need(Squad, allocation.squad) if allocation is not None and allocation.squad else None


def is_waited_for(squad: Squad, asking: str) -> bool:
    """Returns whether a task waits for this squad, and it is not the one that asks for it."""
    return squad.state == SquadState.FORMED and squad.id != asking


def most_members(task: Task) -> int:
    """Returns how many members at most a squad for a task has."""
    return min(task.most_parts, task.items_count) if task.items_count else task.most_parts


def can_pay(d: Decision, id: str, party: Party) -> bool:
    """Returns whether an agent that asked to join has what it offered in free money."""
    offer = next(each for each in d.need(Squad, id).members if each.worker == party.id)
    due = offer.stake_units + offer.surety_units + names.due_units(d, party)
    return d.balance(ledger.free(party.id)) >= due


def can_form(d: Decision, id: str, task: Task, agents: list[str]) -> bool:
    """Returns whether those who were drawn, with the founder, take the whole task."""
    squad = d.need(Squad, id)
    enough = most_members(task) - 1 if task.parts else 1
    return squad.state == SquadState.CALLING and len(agents) >= enough


def form_drawn(d: Decision, id: str, task: Task, agents: list[str]) -> None:
    """Forms a squad of its founder and those who were drawn, each with what it offered when it asked."""
    squad = d.need(Squad, id)
    d.emit(
        SquadFormed(
            squad=id,
            task=task.id,
            founder=squad.founder,
            members=drawn_portions(task, squad, agents),
            until_ms=squad.until_ms,
        )
    )


def drawn_portions(task: Task, squad: Squad, agents: list[str]) -> tuple[Portion, ...]:
    """What the founder and each that was drawn take, in the order of the draw; the items of a batch as evenly as may
    be."""
    offers = {each.worker: each for each in squad.members}
    crew = [offers[agent] for agent in (squad.founder, *agents)]
    count, items = len(crew), task.items_count
    members = tuple(
        Member(
            each.worker,
            each.stake_units,
            items * (number + 1) // count - items * number // count if items else None,
            each.surety_units,
        )
        for number, each in enumerate(crew)
    )
    taken = zip(portions(task, members), crew, strict=True)
    return tuple(replace(portion, asked_index=each.asked_index) for portion, each in taken)


# -- how it ends without a claim


def _dissolving(_: Peek, statement: SquadDissolve) -> Keys:
    yield Squad, statement.squad


@act(SquadDissolve, reads=_dissolving, reads_money=False)
def dissolve(d: Decision, statement: SquadDissolve) -> None:
    squad = d.find(Squad, statement.squad)
    members = {squad.founder} if squad.asks_until_ms else {member.worker for member in squad.members}
    if statement.actor not in members:
        raise Refused("not-yours", f"{statement.actor} may not end {squad.id}")
    if squad.state != SquadState.CALLING:
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


# -- sureties


def stand_surety(d: Decision, squad: Squad, claims: list[str], policy: Policy) -> None:
    """Locks what each member signed for, as far as the others' stakes could ever come to it."""
    stakes = sum(member.stake_units for member in squad.members)
    locks = []
    for member in squad.members:
        others = ledger.share(stakes - member.stake_units, policy.faults.surety_ppm)
        if units := min(member.surety_units, others):
            locks.append((member.worker, units))
    if not locks:
        return
    d.emit(SuretyGiven(squad=squad.id, claims=tuple(claims)))
    for worker, units in locks:
        d.pay("surety.lock", (ledger.free(worker), d.opened(ledger.surety(squad.id, worker)), units))


def settle_surety(d: Decision, claim: Claim, task: Task, slash_units: int) -> None:
    """After a claim has ended: for the part that failed the others burn a share of what it cost its worker, in equal
    parts, each no more than it signed for. When the last claim of the squad is over, the rest goes back."""
    squad = d.get(Squad, task.squad) if task.squad else None
    if squad is None or claim.id not in {member.claim for member in squad.members}:
        return
    accounts = [(member.worker, ledger.surety(squad.id, member.worker)) for member in squad.members]
    held = {worker: (account, units) for worker, account in accounts if (units := d.balance(account))}
    sureties = [held[worker] for worker in held if worker != claim.worker]
    if sureties:
        due = ledger.share(slash_units, d.task_policy(task).faults.surety_ppm) // len(sureties)
        d.pay("slash.surety", *((account, ledger.BURN, min(due, units)) for account, units in sureties))
    d.emit(SuretyEnded(squad=squad.id, claim=claim.id))
    if not any(member.claim for member in d.need(Squad, squad.id).members):
        back = ((account, ledger.free(worker), d.balance(account)) for worker, account in accounts)
        d.pay("surety.return", *back)


def _new_task(d: Decision) -> str:
    """Returns an unused id for a part: one that somebody already posted under is passed over."""
    while d.get(Task, id := d.new_id("prt_")) is not None:
        pass
    return id
