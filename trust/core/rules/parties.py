"""Who takes part: registration, rotation, revocation, enrolment (docs/rules.md 7, docs/protocol.md 1)."""

from __future__ import annotations

import hashlib

from trust.core import identity, ledger
from trust.core.events import (
    PartyCaught,
    PartyFollowed,
    PartyJailed,
    PartyLeft,
    PartyRegistered,
    PartyRotated,
    TasksDue,
    TasksFollowed,
    VerifierEnrolled,
    VerifierLeft,
    VerifierReleased,
    house_id,
)
from trust.core.events.parties import verifier_timer
from trust.core.events.tasks import LEAVING_TIMER
from trust.core.lifecycle import TaskState
from trust.core.payloads import AgentRegister, AgentRevoke, AgentRotate, VerifierEnroll, VerifierLeave
from trust.core.records import Handle, House, Key, Party, Pool, Poster, Score, Slot, Task
from trust.core.refusal import Refused
from trust.core.rules import names, reads, tasks
from trust.core.rules.acts import act, due
from trust.core.rules.decision import Decision
from trust.core.rules.reads import Keys, Peek
from trust.core.scoring import probation_pool, verifier_pool, worker_pool

MAX_ENROLMENTS = 16
MAX_VACATED = 48
TASKS_AT_ONCE = 64
"""How many tasks of a party that left one clock item looks at: with their postings they fit an entry."""


def work_bits(network: str, did: str, nonce: str) -> int:
    """The leading zero bits of SHA-256(`trust/pow/v1` LF network LF did LF nonce)."""
    digest = hashlib.sha256(f"trust/pow/v1\n{network}\n{did}\n{nonce}".encode()).digest()
    return 256 - int.from_bytes(digest, "big").bit_length()


def _registering(view: Peek, said: AgentRegister) -> Keys:
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


@act(AgentRegister, reads=_registering)
def register(d: Decision, said: AgentRegister) -> None:
    identity.key_of(said.actor)
    if (key := d.get(Key, said.actor)) is not None:
        code = "already-registered" if key.party == said.actor else "key-used"
        raise Refused(code, f"{said.actor} is or was a key of {key.party}")
    owner = said.owner or said.actor
    identity.key_of(owner)
    d.signed_by(d.spoken, {said.actor: None, owner: None})
    needed = d.policy.registration.pow_bits
    if work_bits(said.network, said.actor, said.pow) < needed:
        raise Refused("proof-of-work", f"the nonce does not give {needed} leading zero bits")
    if said.handle and (held := d.get(Handle, said.handle)) is not None:
        raise Refused("handle-taken", f"@{said.handle} belongs to {held.party}")
    capabilities = tuple(sorted(set(said.capabilities)))
    pools = [d.get(Pool, worker_pool(task_kind)) for task_kind in capabilities]
    places = tuple(pool.slots if pool else 0 for pool in pools)
    d.emit(
        PartyRegistered(
            party=said.actor,
            owner=owner,
            handle=said.handle or "",
            capabilities=capabilities,
            places=places,
        )
    )
    d.observed(said.actor, *capabilities)


@act(AgentRotate)
def rotate(d: Decision, said: AgentRotate) -> None:
    d.present(said.actor)
    identity.key_of(said.new_key)
    if (key := d.get(Key, said.new_key)) is not None:
        raise Refused("key-used", f"{said.new_key} is or was a key of {key.party}")
    d.signed_by(d.spoken, [said.actor, said.new_key])
    d.emit(PartyRotated(party=said.actor, key=said.new_key))


@act(AgentRevoke)
def revoke(d: Decision, said: AgentRevoke) -> None:
    target = said.party or said.actor
    if target != said.actor and said.actor != d.network.operator:
        raise Refused("not-operator", "only the operator revokes another's registration")
    if target == d.network.operator:
        raise Refused("operator-stays", "the operator's own registration cannot be revoked")
    leave(d, d.active(target), "revoked", by_operator=target != said.actor)


def leave(d: Decision, party: Party, how: str, *, by_operator: bool = False) -> None:
    """Ends a party's part: no seat is drawn from its enrolments for later claims, its free money starts unbonding, and
    its open tasks close at once, in clock entries of their own: there may be more of them than one entry holds.

    Whom the operator revokes keeps what it had begun, and its free money, or the operator decided by it who judges, who
    delivers and who can appeal."""
    if party.enrolled:
        _end_enrolments(d, party)
    d.emit(PartyLeft(party=party.id, how=how, by_operator=by_operator))
    names.leave(d, d.need(Party, party.id))
    d.touch(party.id)
    d.observed(party.id, *party.capabilities)
    poster = d.get(Poster, party.id)
    if poster is not None and poster.newest:
        d.emit(TasksDue(party=party.id, task=poster.newest))


@due("leaving")
def close_tasks(d: Decision, timer: str) -> None:
    """Closes the next open tasks of a party that left; those that are claimed close when the claim ends."""
    party = timer.removeprefix(LEAVING_TIMER)
    id = d.need(Poster, party).closing
    for _ in range(TASKS_AT_ONCE):
        task = d.need(Task, id)
        if task.state in (TaskState.OPEN, TaskState.ALLOCATING):
            tasks.close_unclaimed(d, task, "requester-left")
        id = task.older
        if not id:
            d.emit(TasksFollowed(party=party))
            return
    d.emit(TasksDue(party=party, task=id))


@due("party")
def follow(d: Decision, did: str) -> None:
    """Emits what follows for a party from an entry that had no room for it."""
    party = d.need(Party, did)
    d.follow(party, party.capabilities)
    d.emit(PartyFollowed(party=did))


def jail(d: Decision, did: str, duration_ms: int) -> None:
    """Shuts a party out of claims and seats for a time; a longer jail that runs already stays."""
    party = d.need(Party, did)
    until_ms = d.at_ms + duration_ms
    if duration_ms and until_ms > party.jailed_until_ms:
        d.emit(PartyJailed(party=did, until_ms=until_ms))


def catch(d: Decision, did: str) -> None:
    """Notes that work of a party failed an exact check or was withheld: one caught, all looked at (docs/rules.md
    5)."""
    d.emit(PartyCaught(party=did))


# -- verifiers


def _enrolling(view: Peek, said: VerifierEnroll | VerifierLeave) -> Keys:
    yield from reads.verifier(view, said.actor)
    party = view.peek(Party, said.actor)
    if party is None:
        return
    kinds = said.task_kinds if isinstance(said, VerifierEnroll) else [kind for kind, _ in party.enrolled]
    for task_kind in kinds:
        yield House, house_id(task_kind, party.owner)
        yield Pool, verifier_pool(task_kind)
        yield Score, f"{said.actor}/verifier/{task_kind}"
        if (pool := view.peek(Pool, verifier_pool(task_kind))) is not None:
            slot = dict(party.vacated).get(task_kind, pool.slots)
            yield Slot, f"{pool.id}/{slot}"


@act(VerifierEnroll, reads=_enrolling)
def enroll(d: Decision, said: VerifierEnroll) -> None:
    """Offers to check kinds of work, and locks what the votes answer for; naming no kind adds to the stake."""
    party = d.active(said.actor)
    kinds = sorted(set(said.task_kinds))
    _check_kinds(party, kinds)
    old_enough_ms = party.registered_ms + d.policy.verifiers.min_age_ms
    if d.at_ms < old_enough_ms:
        raise Refused("too-early", f"{said.actor} may check others from {old_enough_ms} on")
    lock, least = ledger.verifier_stake(said.actor), d.policy.verifier_stake_units
    staked = d.balance(lock) + said.stake_units
    if staked < least:
        raise Refused(
            "insufficient-stake", f"a verifier has a stake of at least {least} units", stake_units=least
        )
    names.lock(d, party)
    for task_kind in kinds:
        pool = d.get(Pool, verifier_pool(task_kind))
        slot = dict(party.vacated).get(task_kind, pool.slots if pool else 0)
        d.emit(VerifierEnrolled(party=said.actor, task_kind=task_kind, slot=slot))
    d.pay("verifier.stake", (ledger.free(said.actor), lock, said.stake_units))
    d.touch(said.actor)


def _check_kinds(party: Party, kinds: list[str]) -> None:
    enrolled, vacated = dict(party.enrolled), dict(party.vacated)
    if not kinds and not enrolled:
        raise Refused("not-enrolled", f"{party.id} checks nothing that more stake could be for")
    for task_kind in kinds:
        if task_kind in enrolled:
            raise Refused("already-enrolled", f"{party.id} checks {task_kind} already")
    if len(enrolled) + len(kinds) > MAX_ENROLMENTS:
        raise Refused("too-many-enrolments", f"an agent checks at most {MAX_ENROLMENTS} task kinds")
    if len(vacated.keys() | set(kinds)) > MAX_VACATED:
        raise Refused(
            "too-many-enrolments", f"an agent enrols for at most {MAX_VACATED} task kinds in its life"
        )


@act(VerifierLeave, reads=_enrolling)
def unenroll(d: Decision, said: VerifierLeave) -> None:
    party = d.find(Party, said.actor)
    if not party.enrolled:
        raise Refused("not-enrolled", f"{said.actor} checks nothing")
    _end_enrolments(d, party)


def _end_enrolments(d: Decision, party: Party) -> None:
    """It weighs nothing from here on; its stake answers for its seats until the unbonding time is over."""
    for task_kind, slot in party.enrolled:
        d.weigh(party, verifier_pool(task_kind), slot, 0)
    d.emit(VerifierLeft(party=party.id, until_ms=d.at_ms + d.policy.windows.unbonding_ms))


@due("verifier")
def release(d: Decision, timer: str) -> None:
    """The stake of a verifier that left comes back; for a party that left, to be paid out at once."""
    party = d.need(Party, timer.removeprefix(verifier_timer("")))
    lock = ledger.verifier_stake(party.id)
    left = d.balance(lock)
    d.emit(VerifierReleased(party=party.id))
    if party.left and left:
        d.unbond(party.id, lock, ledger.unbonding(party.id), left, waited=True)
    else:
        d.pay("verifier.return", (lock, ledger.free(party.id), left))
