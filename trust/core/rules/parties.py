"""Parties: registration, rotation, revocation and enrolment (docs/rules.md 7, docs/protocol.md 1)."""

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


def _registering(view: Peek, statement: AgentRegister) -> Keys:
    yield Key, statement.actor
    for task_kind in statement.capabilities:
        yield Score, f"{statement.actor}/worker/{task_kind}"
        for pool_id in (worker_pool(task_kind), probation_pool(task_kind)):
            yield Pool, pool_id
            pool = view.peek(Pool, pool_id)
            yield Slot, f"{pool_id}/{pool.slots if pool else 0}"
    if statement.handle:
        yield Handle, statement.handle
    if statement.owner:
        yield Party, statement.owner


@act(AgentRegister, reads=_registering)
def register(d: Decision, statement: AgentRegister) -> None:
    identity.key_of(statement.actor)
    if (key := d.get(Key, statement.actor)) is not None:
        code = "already-registered" if key.party == statement.actor else "key-used"
        raise Refused(code, f"{statement.actor} is or was a key of {key.party}")
    owner = statement.owner or statement.actor
    identity.key_of(owner)
    d.signed_by(d.spoken, {statement.actor: None, owner: None})
    needed = d.policy.registration.pow_bits
    if work_bits(statement.network, statement.actor, statement.pow) < needed:
        raise Refused("proof-of-work", f"the nonce does not give {needed} leading zero bits")
    if statement.handle and (held := d.get(Handle, statement.handle)) is not None:
        raise Refused("handle-taken", f"@{statement.handle} belongs to {held.party}")
    capabilities = tuple(sorted(set(statement.capabilities)))
    pools = [d.get(Pool, worker_pool(task_kind)) for task_kind in capabilities]
    places = tuple(pool.slots if pool else 0 for pool in pools)
    d.emit(
        PartyRegistered(
            party=statement.actor,
            owner=owner,
            handle=statement.handle or "",
            capabilities=capabilities,
            places=places,
        )
    )
    d.observed(statement.actor, *capabilities)


@act(AgentRotate)
def rotate(d: Decision, statement: AgentRotate) -> None:
    d.present(statement.actor)
    identity.key_of(statement.new_key)
    if (key := d.get(Key, statement.new_key)) is not None:
        raise Refused("key-used", f"{statement.new_key} is or was a key of {key.party}")
    d.signed_by(d.spoken, [statement.actor, statement.new_key])
    d.emit(PartyRotated(party=statement.actor, key=statement.new_key))


@act(AgentRevoke)
def revoke(d: Decision, statement: AgentRevoke) -> None:
    target = statement.party or statement.actor
    if target != statement.actor and statement.actor != d.network.operator:
        raise Refused("not-operator", "only the operator revokes another's registration")
    if target == d.network.operator:
        raise Refused("operator-stays", "the operator's own registration cannot be revoked")
    leave(d, d.active(target), "revoked", by_operator=target != statement.actor)


def leave(d: Decision, party: Party, how: str, *, by_operator: bool = False) -> None:
    """Ends a party's part: no seat is drawn from its enrolments for later claims, its free money starts unbonding,
    and its open tasks close at once, in clock entries of their own: there may be more of them than one entry holds.

    A party that the operator revokes keeps what it had begun, and its free money; else the operator would decide by
    it who judges, who delivers and who can appeal.
    """
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


def _enrolling(view: Peek, statement: VerifierEnroll | VerifierLeave) -> Keys:
    yield from reads.verifier(view, statement.actor)
    party = view.peek(Party, statement.actor)
    if party is None:
        return
    kinds = (
        statement.task_kinds
        if isinstance(statement, VerifierEnroll)
        else [kind for kind, _ in party.enrolled]
    )
    for task_kind in kinds:
        yield House, house_id(task_kind, party.owner)
        yield Pool, verifier_pool(task_kind)
        yield Score, f"{statement.actor}/verifier/{task_kind}"
        if (pool := view.peek(Pool, verifier_pool(task_kind))) is not None:
            slot = dict(party.vacated).get(task_kind, pool.slots)
            yield Slot, f"{pool.id}/{slot}"


@act(VerifierEnroll, reads=_enrolling)
def enroll(d: Decision, statement: VerifierEnroll) -> None:
    """Offers to check kinds of work, and locks what the votes answer for; naming no kind adds to the stake."""
    party = d.active(statement.actor)
    kinds = sorted(set(statement.task_kinds))
    _check_kinds(party, kinds)
    old_enough_ms = party.registered_ms + d.policy.verifiers.min_age_ms
    if d.at_ms < old_enough_ms:
        raise Refused("too-early", f"{statement.actor} may check others from {old_enough_ms} on")
    lock, least = ledger.verifier_stake(statement.actor), d.policy.verifier_stake_units
    staked = d.balance(lock) + statement.stake_units
    if staked < least:
        raise Refused(
            "insufficient-stake", f"a verifier has a stake of at least {least} units", stake_units=least
        )
    names.lock(d, party)
    for task_kind in kinds:
        pool = d.get(Pool, verifier_pool(task_kind))
        slot = dict(party.vacated).get(task_kind, pool.slots if pool else 0)
        d.emit(VerifierEnrolled(party=statement.actor, task_kind=task_kind, slot=slot))
    d.pay("verifier.stake", (ledger.free(statement.actor), lock, statement.stake_units))
    d.touch(statement.actor)


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
def unenroll(d: Decision, statement: VerifierLeave) -> None:
    party = d.find(Party, statement.actor)
    if not party.enrolled:
        raise Refused("not-enrolled", f"{statement.actor} checks nothing")
    _end_enrolments(d, party)


def _end_enrolments(d: Decision, party: Party) -> None:
    """Takes a verifier out of its pools; its stake answers for its seats until the unbonding time is over."""
    for task_kind, slot in party.enrolled:
        d.weigh(party, verifier_pool(task_kind), slot, 0)
    d.emit(VerifierLeft(party=party.id, until_ms=d.at_ms + d.policy.windows.unbonding_ms))


@due("verifier")
def release(d: Decision, timer: str) -> None:
    """Gives the stake back of a verifier that left; for a party that left, to be paid out at once."""
    party = d.need(Party, timer.removeprefix(verifier_timer("")))
    lock = ledger.verifier_stake(party.id)
    left = d.balance(lock)
    d.emit(VerifierReleased(party=party.id))
    if party.left and left:
        d.unbond(party.id, lock, ledger.unbonding(party.id), left, waited=True)
    else:
        d.pay("verifier.return", (lock, ledger.free(party.id), left))
