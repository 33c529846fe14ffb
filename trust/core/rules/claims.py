"""Claims: who wins a task, for how long, and how a claim is left again (docs/rules.md 3).

Which act may find a claim in which state, and where it leaves it, is `core/lifecycle.py`'s table. What moves a claim
stands in this file, in `panel.py` (draw, rounds), `votes.py`, `challenges.py`, `canaries.py`, `evidence.py` and
`settlement.py` (how it ends).
"""

from __future__ import annotations

from trust.core import ledger
from trust.core.commands import effective
from trust.core.events import (
    ClaimOpened,
    ClaimRenewed,
    HoldReleased,
    OutputAccepted,
    OutputSubmitted,
    PartyFaulted,
    house_id,
    round_id,
)
from trust.core.lifecycle import ClaimState, Phase, TaskState
from trust.core.payloads import CLAIM, ClaimAbandon, ClaimRenew, ClaimRequest, OutputAccept, OutputSubmit
from trust.core.policy import Policy
from trust.core.records import (
    AdoptedPolicy,
    Allocation,
    Bar,
    Claim,
    House,
    Party,
    Pool,
    Probation,
    Relay,
    Round,
    Score,
    SealedPool,
    Task,
    Track,
)
from trust.core.refusal import Refused
from trust.core.rules import allocation, bond, names, panel, parties, rating, reads, settlement, squads, tasks
from trust.core.rules.acts import act, due
from trust.core.rules.allocation import Way
from trust.core.rules.decision import Decision
from trust.core.rules.reads import Keys, Peek
from trust.core.scoring import verifier_pool

BEFORE_REVEALS = frozenset({ClaimState.SUBMITTED, ClaimState.UNCHECKED, ClaimState.CHECKING})


def _claiming(view: Peek, statement: ClaimRequest) -> Keys:
    yield Relay, statement.relay
    yield Task, statement.task
    task, worker = view.peek(Task, statement.task), view.peek(Party, statement.actor)
    relay = view.peek(Relay, statement.relay)
    yield from reads.coordinators(view, relay, task)
    if statement.squad is not None:
        yield from squads.reads_of(view, statement.squad, task)
    if task is None or worker is None:
        return
    yield AdoptedPolicy, str(task.policy)
    yield Party, task.requester
    if task.exclusive_until_ms:
        yield Allocation, task.id
        yield Probation, worker.id
    if task.claim:
        yield Claim, task.claim
    yield Bar, f"{task.id}/{worker.owner}"
    for did in (worker.id, task.requester):
        if (party := view.peek(Party, did)) is not None:
            yield House, house_id(task.task_kind, party.owner)
    yield Pool, verifier_pool(task.task_kind)
    if (pool := view.peek(Pool, verifier_pool(task.task_kind))) is not None:
        yield SealedPool, pool.sealed
    yield Track, f"{worker.id}/{task.task_kind}"
    yield Score, f"{worker.id}/worker/{task.task_kind}"


@act(ClaimRequest, reads=_claiming)
def request(d: Decision, statement: ClaimRequest) -> None:
    """Opens a claim: the first in the log wins, and exactly the stake that it offered locks in the same entry."""
    worker = d.active(statement.actor)
    relay = d.find(Relay, statement.relay)
    if relay.suspended:
        raise Refused("relay-suspended", f"{relay.id} is suspended until those convicted leave its group")
    task = d.find(Task, statement.task)
    policy = d.task_policy(task)
    if statement.squad is not None:
        _request_for_squad(d, statement, task, policy)
        return
    _check_task(d, statement, task, worker)
    _take(d, relay, task, worker, statement.stake_units, allocation.way_to(d, task, worker, policy))


def _request_for_squad(d: Decision, statement: ClaimRequest, task: Task, policy: Policy) -> None:
    """Claims a task for a squad: each member is admitted as if it claimed all of it; then the task is split, and each
    member claims its part."""
    squad = squads.asking(d, statement)
    ways = []
    for member in squad.members:
        worker = d.active(member.worker)
        _check_task(d, statement, task, worker)
        ways.append((member, worker, allocation.way_to(d, task, worker, policy, squad.id)))
    bond.check_covers(d, task, statement.stake_units)
    relay = d.find(Relay, statement.relay)
    claims = [
        _take(d, relay, part, worker, member.stake_units, allocation.for_part(way, part, policy))
        for part, (member, worker, way) in zip(squads.split(d, squad, task), ways, strict=True)
    ]
    squads.stand_surety(d, squad, claims, policy)


def _take(d: Decision, relay: Relay, task: Task, worker: Party, stake_units: int, way: Way) -> str:
    """Opens the claim of a worker on a task that it may have, and locks its stake; returns the claim's id."""
    policy = d.task_policy(task)
    _check_worker(d, stake_units, task, worker, policy, way)
    pool = d.get(Pool, verifier_pool(task.task_kind))
    sealed = d.get(SealedPool, pool.sealed) if pool and pool.sealed else None
    judges = panel.judges(d, sealed, task, worker.id, relay)
    if judges < policy.checks.panels[0]:
        raise Refused("no-panel", f"the sealed pool has {judges} owners who may judge {task.id}")
    rate_ppm, inputs = rating.check_rate(
        d,
        worker,
        task,
        stake_units,
        policy,
        on_probation=way.route == "probation",
        appealable=judges >= policy.appeal_owners,
    )
    claim = d.new_id(CLAIM)
    d.emit(
        ClaimOpened(
            claim=claim,
            task=task.id,
            worker=worker.id,
            relay=relay.id,
            stake_units=stake_units,
            lease_until_ms=d.at_ms + task.lease_ms,
            draw_key=d.network.draw_key,
            pool=sealed.id if sealed else "",
            route=way.route,
            delta_ppm=way.delta_ppm,
            rate_ppm=rate_ppm,
            inputs=inputs,
            grace_ms=policy.windows.grace_ms,
        )
    )
    names.lock(d, worker)
    lock = d.opened(ledger.stake(claim))
    d.pay("stake.lock", (ledger.free(worker.id), lock, stake_units))
    return claim


def _check_task(d: Decision, statement: ClaimRequest, task: Task, worker: Party) -> None:
    if task.index != statement.task_index:
        raise Refused(
            "wrong-task-index", f"{task.id} was posted at entry {task.index}, not {statement.task_index}"
        )
    if task.relay and task.relay != statement.relay:
        raise Refused("wrong-relay", f"{task.id} is handed out by {task.relay}")
    if task.state == TaskState.CLAIMED:
        winner = d.need(Claim, task.claim)
        raise Refused(
            "already-claimed",
            f"{task.id} was claimed by {winner.worker} at entry {winner.index}",
            claim=winner.id,
            worker=winner.worker,
            index=winner.index,
        )
    if task.state == TaskState.SPLIT:
        raise tasks.split(task)
    if task.state == TaskState.CLOSED:
        raise Refused("task-closed", f"{task.id} is closed: {task.closed_why}")
    if d.need(Party, task.requester).left:
        raise Refused("task-closed", f"the requester of {task.id} has left")
    if d.at_ms > (latest_ms := task.deadline_ms - d.task_policy(task).claims.min_lease_ms):
        raise Refused("too-late", f"{task.id} could be claimed until {latest_ms}")
    if task.assignee and task.assignee != worker.id:
        raise Refused("not-assignee", f"{task.id} is for {task.assignee}")
    if (bar := d.get(Bar, f"{task.id}/{worker.owner}")) is not None:
        raise Refused("barred", f"{worker.owner} failed on {task.id} before, in {bar.claim}", claim=bar.claim)


def _check_worker(d: Decision, stake_units: int, task: Task, worker: Party, policy: Policy, way: Way) -> None:
    if worker.jailed_until_ms > d.at_ms:
        raise Refused("jailed", f"{worker.id} is in jail until {worker.jailed_until_ms}")
    least = max(task.stake_units, policy.claims.min_stake_units, way.min_stake_units)
    if stake_units < least:
        raise Refused("insufficient-stake", f"{task.id} asks for a stake of {least} units", stake_units=least)
    held, name_units = d.balance(ledger.free(worker.id)), names.due_units(d, worker)
    if held < stake_units + name_units:
        raise Refused(
            "insufficient-funds",
            f"{stake_units} units are offered as stake, and {name_units} are due as the bond of the name: "
            f"{held} are free",
        )
    bond.check_covers(d, task, stake_units)


def _held(d: Decision, id: str) -> tuple[Claim, Task]:
    """Returns the claim that its worker names, and its task."""
    claim = d.find(Claim, id)
    return claim, d.need(Task, claim.task)


def _in_lease(claim: Claim, said_ms: int) -> None:
    """Refuses a statement made after the lease: `said_ms` is when it came, or when the relay attests that it was
    shown it."""
    if claim.state == ClaimState.EXPIRED or (
        claim.state == ClaimState.CLAIMED and said_ms >= claim.lease_until_ms
    ):
        raise Refused("lease-over", f"the lease of {claim.id} was over at {claim.lease_until_ms}")
    if claim.state != ClaimState.CLAIMED:
        raise Refused("claim-state", f"{claim.id} is {claim.state}", state=claim.state)


@act(ClaimRenew, reads=reads.of_claim, is_attestable=True)
def renew(d: Decision, statement: ClaimRenew, shown_ms: int | None = None) -> None:
    claim, task = _held(d, statement.claim)
    d.present(statement.actor)
    _in_lease(claim, d.at_ms if shown_ms is None else shown_ms)
    policy = d.task_policy(task)
    if claim.renewals >= policy.claims.renewals:
        raise Refused("no-renewals-left", f"{claim.id} was renewed {claim.renewals} times")
    until_ms = claim.lease_until_ms + task.lease_ms
    d.emit(ClaimRenewed(claim=claim.id, lease_until_ms=until_ms, grace_ms=policy.windows.grace_ms))


@act(ClaimAbandon, reads=reads.of_claim, is_attestable=True)
def abandon(d: Decision, statement: ClaimAbandon, shown_ms: int | None = None) -> None:
    """Gives a claim up: for nothing in the first part of the lease, but only the first time on each task."""
    claim, task = _held(d, statement.claim)
    said_ms = d.at_ms if shown_ms is None else shown_ms
    _in_lease(claim, said_ms)
    free_ms = ledger.share(task.lease_ms, d.task_policy(task).claims.free_abandon_ppm)
    late = said_ms - claim.opened_ms >= free_ms
    _give_up(d, claim, task, ClaimState.ABANDONED, at_fault=late or task.abandoned)


@due("lease")
def expire(d: Decision, id: str) -> None:
    """Ends a claim whose lease is over without an output."""
    claim = d.need(Claim, id)
    _give_up(d, claim, d.need(Task, claim.task), ClaimState.EXPIRED, at_fault=True)


def _give_up(d: Decision, claim: Claim, task: Task, how: str, at_fault: bool) -> None:
    """Ends a claim without an output.

    A worker whom the operator made leave can deliver no more, and is at fault for nothing (docs/rules.md 7).
    """
    policy = d.task_policy(task)
    at_fault = at_fault and not d.need(Party, claim.worker).expelled
    penalty = _liveness_fault(d, claim, policy) if at_fault else 0
    settlement.end_claim(d, claim, task, how)
    lock = ledger.stake(claim.id)
    d.pay("slash.liveness", (lock, ledger.BURN, penalty))
    d.pay("stake.return", (lock, ledger.free(claim.worker), claim.stake_units - penalty))
    if at_fault:
        rating.gave_up(d, claim, task, policy)
    tasks.bar(d, task, claim)
    tasks.reopen(d, task, how)


def _liveness_fault(d: Decision, claim: Claim, policy: Policy) -> int:
    """Books the fault; returns what it costs: doubling with each repeat in memory, never more than the stake."""
    faults = policy.faults
    party = d.need(Party, claim.worker)
    recent = [at for at in party.liveness_ms if at > d.at_ms - faults.liveness_memory_ms][-20:]
    repeats = len(recent)
    times = (*recent, d.at_ms)
    d.emit(PartyFaulted(party=party.id, liveness_ms=times, failures_ms=party.failures_ms))
    if len(times) >= faults.liveness_strikes:
        parties.jail(d, party.id, faults.liveness_jail_ms)
    return min(claim.stake_units, ledger.share(claim.stake_units, faults.liveness_ppm) << repeats)


def _delivering(view: Peek, statement: OutputSubmit) -> Keys:
    """The records that an output reads: few, since there are many outputs."""
    yield Claim, statement.claim
    yield from ((Claim, source) for source in statement.inputs if source.startswith(CLAIM))
    if (claim := view.peek(Claim, statement.claim)) is not None:
        yield Task, claim.task
        if (task := view.peek(Task, claim.task)) is not None:
            yield AdoptedPolicy, str(task.policy)


@act(OutputSubmit, reads=_delivering, reads_money=False, is_attestable=True)
def submit(d: Decision, statement: OutputSubmit, shown_ms: int | None = None) -> None:
    claim, task = _held(d, statement.claim)
    d.present(statement.actor)
    if claim.output:
        raise Refused("output-exists", f"{claim.id} has its output at entry {claim.output_index}")
    _in_lease(claim, d.at_ms if shown_ms is None else shown_ms)
    if (statement.items_count or 0) != task.items_count or (statement.items_root is None) != (
        statement.items_count is None
    ):
        raise Refused("items-mismatch", f"{task.id} asks for {task.items_count} items under one root")
    policy = d.task_policy(task)
    if any(artifact.uri for artifact in statement.artifacts) and not policy.blobs.uris:
        raise Refused(
            "uris-not-allowed", "the policy wants every byte in the service: upload the blob instead"
        )
    if statement.opened and task.items_count:
        raise Refused("items-mismatch", "the items of a batch are opened when they are drawn, not before")
    _check_inputs(d, statement)
    d.emit(
        OutputSubmitted(
            claim=claim.id,
            output=effective(d.spoken).id,
            draw_by_ms=d.at_ms + policy.draw_ms,
            items_root=statement.items_root or "",
            opened=statement.opened,
        )
    )


def _check_inputs(d: Decision, statement: OutputSubmit) -> None:
    """Refused unless each claim that the output was made from has its output, so that no output is made from itself."""
    for source in statement.inputs:
        if source.startswith(CLAIM) and not d.find(Claim, source).output:
            raise Refused("no-output", f"{source} has no output that another could be made from")


@act(OutputAccept, reads=reads.of_claim)
def accept(d: Decision, statement: OutputAccept) -> None:
    """Gives up the requester's own right to challenge; nothing ends early."""
    claim = d.find(Claim, statement.claim)
    if claim.accepted_by_requester:
        raise Refused("accepted-already", f"{claim.id} was accepted before")
    if claim.state == ClaimState.CLAIMED:
        raise Refused("no-output", f"{claim.id} has no output yet")
    round_ = d.get(Round, round_id(claim.id, claim.round)) if claim.round else None
    revealed = claim.round > 1 or (round_ is not None and round_.phase in (Phase.REVEAL, Phase.OVER))
    if claim.state not in BEFORE_REVEALS or revealed:
        raise Refused("too-late", "an output is accepted before reveals open")
    d.emit(OutputAccepted(claim=claim.id))


@due("challenge")
def window_over(d: Decision, id: str) -> None:
    """Concludes a claim that nobody challenged in time, or has it checked where its worker was caught in other work
    meanwhile."""
    claim = d.need(Claim, id)
    if claim.state == ClaimState.UNCHECKED and panel.is_caught(d, claim):
        panel.look_at(d, claim)
    else:
        settlement.conclude(d, claim)


@due("draw")
def draw_overdue(d: Decision, id: str) -> None:
    """Ends the wait for a draw that the service did not make in time."""
    settlement.overdue(d, d.need(Claim, id))


@due("evidence")
def release_hold(d: Decision, id: str) -> None:
    """Gives back the part of the stake that was held until the evidence window was over."""
    claim = d.need(Claim, id)
    d.emit(HoldReleased(claim=id))
    d.pay("hold.return", (ledger.stake(id), ledger.free(claim.worker), claim.hold_units))
