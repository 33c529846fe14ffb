"""What a batch of commands will read, as far as can be told ahead: a few hops, each one SELECT a table.

This is about speed only. A decision that reads more than was foreseen still gets it, one record at a time; a test
holds the common statements to what is named here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TypeVar

from trust.core import ledger, scorebook
from trust.core import payloads as p
from trust.core.commands import Incoming, Spoken, enclosed
from trust.core.events import NETWORK, canary_id, round_id, service_key, task_draw
from trust.core.records import (
    Account,
    AdoptedPolicy,
    Allocation,
    Bar,
    Booking,
    Canary,
    CanaryRoot,
    Claim,
    Conviction,
    Handle,
    Key,
    Lapses,
    Network,
    Opening,
    Party,
    Pool,
    Poster,
    Probation,
    Record,
    Relay,
    Round,
    Said,
    Score,
    SealedPool,
    Seat,
    Slot,
    Task,
    Track,
    Withdrawal,
)
from trust.core.refusal import Refused
from trust.core.rules import foresight
from trust.core.rules.canaries import opening
from trust.core.rules.foresight import Peek
from trust.core.scoring import probation_pool, verifier_pool, worker_pool
from trust.core.state import Key as StateKey
from trust.core.strict import Malformed

R = TypeVar("R", bound=Record)


def needs(commands: Sequence[Incoming], view: Peek) -> list[StateKey]:
    """The keys worth loading, in the light of what is loaded; ask again until it names nothing new."""
    return list(dict.fromkeys(chain(_common(view), *(_command(command, view) for command in commands))))


def _command(command: Incoming, view: Peek) -> Iterator[StateKey]:
    if isinstance(command, Spoken):
        return _statement(command, view)
    of = str(getattr(command, "of", ""))
    kind, _, rest = of.partition("/")
    subject = foresight.allocation(view, rest) if of == task_draw(rest) else foresight.claim(view, kind)
    return chain(subject, _gate(view, command))


def _gate(view: Peek, command: Incoming) -> Iterator[StateKey]:
    if getattr(command, "checkpoint", "") and (network := view.peek(Network, NETWORK)) is not None:
        yield Key, service_key("log", network.log_key)


def _common(view: Peek) -> Iterator[StateKey]:
    yield Network, NETWORK
    for account in (ledger.OPERATOR_BOND, ledger.VERIFICATION, ledger.EXTERNAL, ledger.BURN):
        yield Account, account
    if (network := view.peek(Network, NETWORK)) is not None:
        yield AdoptedPolicy, str(network.policy)
        yield Party, network.operator


def _statement(command: Spoken, view: Peek) -> Iterator[StateKey]:
    said = command.payload
    yield Said, command.key
    if isinstance(said, p.OutputSubmit):
        yield Party, said.actor
        yield from foresight.delivering(view, said.claim)
        return
    yield from foresight.party(view, said.actor)
    match said:
        case p.AgentRegister():
            yield from _registering(view, said)
        case p.StakeDeposit():
            yield Booking, said.reference
            yield from foresight.party(view, said.account)
        case p.StakeWithdraw():
            yield Account, ledger.unbonding(said.actor)
            yield from _withdrawal(view, said.cancel)
        case p.StakePayout():
            yield Booking, said.reference
            yield from _withdrawal(view, said.withdrawal)
        case _:
            yield from _work(view, command)


def _work(view: Peek, command: Spoken) -> Iterator[StateKey]:
    said = command.payload
    match said:
        case p.TaskPost():
            yield from _posting(view, said)
        case p.TaskCancel():
            yield from _cancelling(view, said)
        case p.TaskAllocate():
            yield from _allocating(view, said)
        case p.ClaimRequest():
            yield from _claiming(view, said)
        case _:
            yield from _case(view, command)


def _case(view: Peek, command: Spoken) -> Iterator[StateKey]:
    said = command.payload
    match said:
        case p.VerdictChallenge():
            yield from _challenged(view, said.claim)
        case p.ClaimRenew() | p.ClaimAbandon() | p.OutputAccept() | p.OutputOpen():
            yield from foresight.claim(view, said.claim)
        case p.KeyAdopt():
            yield from _adopting(view, said)
        case p.VoteCommit():
            yield from foresight.seat(view, said.seat)
        case p.CanaryCommit() | p.CanaryOpen() | p.EvidenceSubmit():
            yield from _shown(command, view)
        case p.ItemsOpen() | p.VoteReveal():
            yield from foresight.seat(view, said.seat)
            yield from _openings(view, said)


def _shown(command: Spoken, view: Peek) -> Iterator[StateKey]:
    """What a canary or evidence is about: claims, the keys that signed for them, and whom it convicts."""
    for each in (command, *enclosed(command)):
        for signer in each.signed.signers:
            yield Key, signer
        match each.payload:
            case p.OutputSubmit(claim=claim) | p.RelayConfirm(claim=claim):
                yield Conviction, f"equivocation/{claim}"
                yield from foresight.claim(view, claim)
                yield from _relay_of(view, command, each)
                yield from _punished(view, claim)
            case p.CanaryCommit(root=root):
                yield CanaryRoot, root
            case p.CanaryOpen():
                yield from _canary(view, each.payload)


def _relay_of(view: Peek, command: Spoken, shown: Spoken) -> Iterator[StateKey]:
    """The relay whose word evidence is about."""
    claim = view.peek(Claim, shown.payload.claim) if isinstance(shown.payload, p.RelayConfirm) else None
    named = command.payload.relay if isinstance(command.payload, p.EvidenceSubmit) else None
    relay = named or (claim.relay if claim else "")
    if relay:
        yield Relay, relay
        yield Conviction, f"relay-confirm/{relay}/{shown.id}"


def _punished(view: Peek, id: str) -> Iterator[StateKey]:
    """What a conviction for a claim changes of its worker."""
    claim = view.peek(Claim, id)
    task = None if claim is None else view.peek(Task, claim.task)
    if claim is not None and task is not None:
        yield Account, ledger.unbonding(claim.worker)
        yield Poster, claim.worker
        yield Pool, scorebook.POOL
        yield from foresight.offers(view, claim.worker)


def _canary(view: Peek, said: p.CanaryOpen) -> Iterator[StateKey]:
    """Its root, its answer, and the claim that this is the verdict of; nothing where it opens nothing."""
    try:
        answer, root = opening(said, said.network)
    except (Refused, Malformed):
        return
    yield CanaryRoot, root
    yield Canary, canary_id(answer.task, answer.worker)
    yield Conviction, f"canary/{canary_id(answer.task, answer.worker)}"
    yield from foresight.task(view, answer.task)
    if (found := view.peek(Task, answer.task)) is not None and found.claim:
        yield from foresight.claim(view, found.claim)


def _registering(view: Peek, said: p.AgentRegister) -> Iterator[StateKey]:
    yield Key, said.actor
    for task_kind in said.capabilities:
        yield Score, f"{said.actor}/worker/{task_kind}"
        for pool_id in (worker_pool(task_kind), probation_pool(task_kind)):
            yield Pool, pool_id
            pool = view.peek(Pool, pool_id)
            yield Slot, f"{pool_id}/{pool.slots if pool else 0}"
    if said.handle:
        yield Handle, said.handle
    if said.owner:
        yield Party, said.owner


def _adopting(view: Peek, said: p.KeyAdopt) -> Iterator[StateKey]:
    yield Party, said.key
    keys = {said.key}
    if (network := view.peek(Network, NETWORK)) is not None:
        yield Party, network.log_key
        keys |= {network.log_key, network.draw_key}
    for key in sorted(keys):
        for use in ("log", "draw"):
            yield Key, service_key(use, key)


def _withdrawal(view: Peek, id: str | None) -> Iterator[StateKey]:
    if id is None:
        return
    yield Withdrawal, id
    if (withdrawal := view.peek(Withdrawal, id)) is not None:
        yield Party, withdrawal.party
        yield Account, ledger.unbonding(withdrawal.party)


def _posting(view: Peek, said: p.TaskPost) -> Iterator[StateKey]:
    yield Task, said.task
    yield Account, ledger.escrow(said.task)
    yield Poster, said.actor
    if (poster := view.peek(Poster, said.actor)) is not None and poster.newest:
        yield Task, poster.newest
    if said.assignee:
        yield Party, said.assignee
    if said.relay:
        yield Relay, said.relay


def _openings(view: Peek, said: p.ItemsOpen | p.VoteReveal) -> Iterator[StateKey]:
    if (seat := view.peek(Seat, said.seat)) is not None:
        for item in said.items:
            yield Opening, f"{round_id(seat.claim, seat.round)}/{seat.place}/{item.index}"


def _claiming(view: Peek, said: p.ClaimRequest) -> Iterator[StateKey]:
    yield Relay, said.relay
    yield Task, said.task
    if (relay := view.peek(Relay, said.relay)) is not None:
        for did in relay.coordinators:
            yield Party, did
    task, worker = view.peek(Task, said.task), view.peek(Party, said.actor)
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
    yield Pool, verifier_pool(task.task_kind)
    yield Track, f"{worker.id}/{task.task_kind}"
    yield Score, f"{worker.id}/worker/{task.task_kind}"


def _cancelling(view: Peek, said: p.TaskCancel) -> Iterator[StateKey]:
    yield from foresight.task(view, said.task)
    yield Allocation, said.task
    task, allocation = view.peek(Task, said.task), view.peek(Allocation, said.task)
    requester = None if task is None else view.peek(Party, task.requester)
    if task and requester and allocation and not allocation.used:
        yield Lapses, f"{requester.owner}/{task.task_kind}"


def _allocating(view: Peek, said: p.TaskAllocate) -> Iterator[StateKey]:
    yield Relay, said.relay
    if (relay := view.peek(Relay, said.relay)) is not None:
        for did in relay.coordinators:
            yield Party, did
    yield from foresight.allocation(view, said.task)
    if (task := view.peek(Task, said.task)) is not None:
        yield from foresight.drawn_from(view, task, said.candidates)


def _challenged(view: Peek, id: str) -> Iterator[StateKey]:
    """What the trial of the pool visits is not foreseen: its nodes, and whom it comes upon."""
    yield from foresight.claim(view, id)
    claim = view.peek(Claim, id)
    if claim is None:
        return
    if claim.pool:
        yield SealedPool, claim.pool
    for number in range(1, claim.round):
        yield Round, round_id(id, number)
        if (panel := view.peek(Round, round_id(id, number))) is not None:
            yield from ((Seat, seat) for seat in (*panel.seats, *panel.past_seats))
    if (relay := view.peek(Relay, claim.relay)) is not None:
        yield from ((Party, did) for did in relay.coordinators)
