"""What a batch of commands will read, as far as can be told ahead: a few hops, each one SELECT a table.

This is about speed only. A decision that reads more than was named still gets it, one record at a time; a test holds
the common statements to what is named here. A reader is given what is loaded and yields keys, more of them the more is
loaded; `READS` names the one of each statement kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Protocol, TypeVar

from trust.core import ledger, scorebook
from trust.core import payloads as p
from trust.core.commands import Incoming, Spoken, enclosed, spoken
from trust.core.envelope import open_envelope
from trust.core.events import NETWORK, canary_id, house_id, round_id, service_key, task_draw
from trust.core.events.tasks import PINS
from trust.core.records import (
    Account,
    AdoptedPolicy,
    Allocation,
    Bar,
    Booking,
    Canary,
    CanaryRoot,
    Challenge,
    Claim,
    Conviction,
    Handle,
    House,
    Key,
    Lapses,
    Network,
    Opening,
    Party,
    Pins,
    Pool,
    Poster,
    Probation,
    Rater,
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
from trust.core.rules.canaries import opening
from trust.core.scoring import probation_pool, verifier_pool, worker_pool
from trust.core.state import Key as StateKey
from trust.core.strict import Malformed

R = TypeVar("R", bound=Record)


class Peek(Protocol):
    """The records that are in memory already: `peek` never loads."""

    def peek(self, kind: type[R], id: str) -> R | None: ...


def _party(did: str) -> Iterator[StateKey]:
    """A party and its money."""
    yield Party, did
    yield Account, ledger.free(did)


def _verifier(view: Peek, did: str) -> Iterator[StateKey]:
    """A verifier: its stake, and its places in the pools."""
    yield from _party(did)
    yield Account, ledger.verifier_stake(did)
    party = view.peek(Party, did)
    for task_kind, slot in party.enrolled if party else ():
        pool = verifier_pool(task_kind)
        yield Pool, pool
        yield Slot, f"{pool}/{slot}"
        yield Score, f"{did}/verifier/{task_kind}"


def _offers(view: Peek, did: str) -> Iterator[StateKey]:
    """The records of a worker in the kinds that it offers, and its places in their pools."""
    party = view.peek(Party, did)
    for task_kind, place in zip(party.capabilities, party.places, strict=True) if party else ():
        yield Score, f"{did}/worker/{task_kind}"
        for pool_id in (worker_pool(task_kind), probation_pool(task_kind)):
            yield Pool, pool_id
            yield Slot, f"{pool_id}/{place}"


def _task(view: Peek, id: str) -> Iterator[StateKey]:
    """A task, what pays for it, its requester and its neighbours."""
    yield Task, id
    if (found := view.peek(Task, id)) is not None:
        yield AdoptedPolicy, str(found.policy)
        yield Account, ledger.escrow(id)
        yield Poster, found.requester
        yield from ((Task, beside) for beside in (found.older, found.newer) if beside)
        yield from _party(found.requester)


def _claim(view: Peek, id: str) -> Iterator[StateKey]:
    """A claim with its task, its parties, its challenges and the panel at work."""
    yield Claim, id
    found = view.peek(Claim, id)
    if found is None:
        return
    yield from _task(view, found.task)
    yield from _party(found.worker)
    yield Account, ledger.stake(id)
    yield Relay, found.relay
    work = view.peek(Task, found.task)
    if work is not None and found.output:
        yield Track, f"{found.worker}/{work.task_kind}"
        yield Rater, work.requester
    yield from _disputes(view, found)
    if found.round:
        yield Round, round_id(id, found.round)
        if (panel := view.peek(Round, round_id(id, found.round))) is not None:
            for name in (*panel.seats, *panel.past_seats):
                yield Seat, name


def _disputes(view: Peek, claim: Claim) -> Iterator[StateKey]:
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


def _delivering(view: Peek, said: p.OutputSubmit) -> Iterator[StateKey]:
    """The records that an output reads: few, since there are many outputs."""
    yield Claim, said.claim
    yield from ((Claim, source) for source in said.inputs if source.startswith(p.CLAIM))
    if (found := view.peek(Claim, said.claim)) is not None:
        yield Task, found.task
        if (work := view.peek(Task, found.task)) is not None:
            yield AdoptedPolicy, str(work.policy)


def _seat(view: Peek, id: str) -> Iterator[StateKey]:
    """A seat and the claim that it judges."""
    yield Seat, id
    if (found := view.peek(Seat, id)) is not None:
        yield from _claim(view, found.claim)


def _allocation(view: Peek, id: str) -> Iterator[StateKey]:
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
        yield from _drawn_from(view, work, found.candidates)


def _drawn_from(view: Peek, task: Task, candidates: Sequence[str]) -> Iterator[StateKey]:
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


# -- of each statement kind


def _shown(command: Spoken, view: Peek) -> Iterator[StateKey]:
    """The records of a canary or of evidence: claims, the keys that signed for them, and whom it convicts."""
    for each in (command, *enclosed(command)):
        for signer in each.signed.signers:
            yield Key, signer
        match each.payload:
            case p.OutputSubmit(claim=claim) | p.RelayConfirm(claim=claim):
                yield Conviction, f"equivocation/{claim}"
                yield from _claim(view, claim)
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
    """The records of a worker that a conviction for its claim changes."""
    claim = view.peek(Claim, id)
    task = None if claim is None else view.peek(Task, claim.task)
    if claim is not None and task is not None:
        yield Account, ledger.unbonding(claim.worker)
        yield Poster, claim.worker
        yield Pool, scorebook.POOL
        yield from _offers(view, claim.worker)


def _canary(view: Peek, said: p.CanaryOpen) -> Iterator[StateKey]:
    """Its root, its answer, and the claim that this is the verdict of; nothing where it opens nothing."""
    try:
        answer, root = opening(said, said.network)
    except (Refused, Malformed):
        return
    yield CanaryRoot, root
    yield Canary, canary_id(answer.task, answer.worker)
    yield Conviction, f"canary/{canary_id(answer.task, answer.worker)}"
    yield from _task(view, answer.task)
    if (found := view.peek(Task, answer.task)) is not None and found.claim:
        yield from _challenged(view, found.claim)


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
    task, worker = view.peek(Task, said.task), view.peek(Party, said.actor)
    relay = view.peek(Relay, said.relay)
    yield from _coordinators(view, relay, task)
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


def _coordinators(view: Peek, relay: Relay | None, task: Task | None) -> Iterator[StateKey]:
    """The coordinators of a relay, and what their owners have among a task's judges."""
    for did in relay.coordinators if relay else ():
        yield Party, did
        party = view.peek(Party, did)
        if task is not None:
            yield House, house_id(task.task_kind, did)
            yield House, house_id(task.task_kind, party.owner if party else did)


def _enrolling(view: Peek, said: p.VerifierEnroll | p.VerifierLeave) -> Iterator[StateKey]:
    yield from _verifier(view, said.actor)
    party = view.peek(Party, said.actor)
    if party is None:
        return
    kinds = said.task_kinds if isinstance(said, p.VerifierEnroll) else [kind for kind, _ in party.enrolled]
    for task_kind in kinds:
        yield House, house_id(task_kind, party.owner)
        yield Pool, verifier_pool(task_kind)
        yield Score, f"{said.actor}/verifier/{task_kind}"
        if (pool := view.peek(Pool, verifier_pool(task_kind))) is not None:
            slot = dict(party.vacated).get(task_kind, pool.slots)
            yield Slot, f"{pool.id}/{slot}"


def _cancelling(view: Peek, said: p.TaskCancel) -> Iterator[StateKey]:
    yield from _task(view, said.task)
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
    yield from _allocation(view, said.task)
    if (task := view.peek(Task, said.task)) is not None:
        yield from _drawn_from(view, task, said.candidates)


def _challenged(view: Peek, id: str) -> Iterator[StateKey]:
    """The records of a challenge, without those that the trial of the pool visits: its nodes, and whom it comes
    upon."""
    yield from _claim(view, id)
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


def _of_claim(view: Peek, said: Any) -> Iterator[StateKey]:
    return _claim(view, said.claim)


def _of_seat(view: Peek, said: Any) -> Iterator[StateKey]:
    return _seat(view, said.seat)


def _of_items(view: Peek, said: p.ItemsOpen | p.VoteReveal) -> Iterator[StateKey]:
    yield from _seat(view, said.seat)
    yield from _openings(view, said)


def _depositing(_: Peek, said: p.StakeDeposit) -> Iterator[StateKey]:
    yield Booking, said.reference
    yield from _party(said.account)


def _withdrawing(view: Peek, said: p.StakeWithdraw) -> Iterator[StateKey]:
    yield Account, ledger.unbonding(said.actor)
    yield from _withdrawal(view, said.cancel)


def _paying_out(view: Peek, said: p.StakePayout) -> Iterator[StateKey]:
    yield Booking, said.reference
    yield from _withdrawal(view, said.withdrawal)


def _attesting(view: Peek, said: p.RelayAttest) -> Iterator[StateKey]:
    shown = spoken(open_envelope(said.statement.encode())).payload
    if (reads := READS.get(type(shown))) is not None:
        yield from _party(shown.actor)
        yield from reads(view, shown)


def _of_challenged(view: Peek, said: p.VerdictChallenge) -> Iterator[StateKey]:
    return _challenged(view, said.claim)


READS: dict[type[p.Payload], Callable[[Peek, Any], Iterator[StateKey]]] = {
    p.AgentRegister: _registering,
    p.KeyAdopt: _adopting,
    p.VerifierEnroll: _enrolling,
    p.VerifierLeave: _enrolling,
    p.StakeDeposit: _depositing,
    p.StakeWithdraw: _withdrawing,
    p.StakePayout: _paying_out,
    p.TaskPost: _posting,
    p.TaskCancel: _cancelling,
    p.TaskAllocate: _allocating,
    p.ClaimRequest: _claiming,
    p.ClaimRenew: _of_claim,
    p.ClaimAbandon: _of_claim,
    p.OutputAccept: _of_claim,
    p.OutputOpen: _of_claim,
    p.ItemsOpen: _of_items,
    p.VoteCommit: _of_seat,
    p.VoteReveal: _of_items,
    p.VerdictChallenge: _of_challenged,
    p.RelayAttest: _attesting,
}
"""What a statement reads beside its actor, by its payload. `output.submit` reads less, evidence by its signatures."""
SHOWN = (p.CanaryCommit, p.CanaryOpen, p.EvidenceSubmit)


# -- of commands


def needs(commands: Sequence[Incoming], view: Peek) -> list[StateKey]:
    """The keys worth loading, in the light of what is loaded; ask again until it names nothing new."""
    return list(dict.fromkeys(chain(_common(view), *(_command(command, view) for command in commands))))


def _command(command: Incoming, view: Peek) -> Iterator[StateKey]:
    if isinstance(command, Spoken):
        return _statement(command, view)
    of = str(getattr(command, "of", ""))
    kind, _, rest = of.partition("/")
    subject = _allocation(view, rest) if of == task_draw(rest) else _claim(view, kind)
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
    yield Pins, PINS
    if (pins := view.peek(Pins, PINS)) is not None:
        yield from ((AdoptedPolicy, str(number)) for number, _ in pins.open)


def _statement(command: Spoken, view: Peek) -> Iterator[StateKey]:
    said = command.payload
    yield Said, command.key
    if isinstance(said, p.OutputSubmit):
        yield Party, said.actor
        yield from _delivering(view, said)
        return
    yield from _party(said.actor)
    if isinstance(said, SHOWN):
        yield from _shown(command, view)
    elif (reads := READS.get(type(said))) is not None:
        yield from reads(view, said)
