"""The rulebook's door: what may happen next, and what then happens (docs/architecture.md 2).

- `decide` is a pure function of the state, one command and a time: events, or `Refused` and nothing changed.
- `settle` writes what is due before anything else is decided at that time (docs/rules.md 2).
- `fold` applies a logged entry; it needs no rule.
- `verify` checks what needs no state: signatures. It costs the most, so it runs ahead of `decide` and elsewhere.
- `needs` says what a batch will read, so that it can be loaded in bulk.

Nothing here reads a clock, the environment or randomness: time is an argument, policy and rules number are state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from trust.core import envelope, strict
from trust.core import payloads as p
from trust.core.commands import Incoming, Spoken, bytes_of, signed_parts, spoken
from trust.core.entry import (
    MAX_CLOCK_ITEMS,
    MAX_ENTRY_BYTES,
    Command,
    Draw,
    Entry,
    Genesis,
    Seal,
    encode_command,
    encode_entry,
    size_of_event,
)
from trust.core.events import NETWORK, Event
from trust.core.identity import InvalidKey
from trust.core.records import Network, Said, Timer, said_key
from trust.core.refusal import Refused
from trust.core.rules import (
    allocation,
    attested,
    canaries,
    challenges,
    claims,
    evidence,
    governance,
    panel,
    parties,
    pools,
    reads,
    shortlists,
    stakes,
    tasks,
    votes,
)
from trust.core.rules.decision import Decision
from trust.core.state import Draft

EARLY_MS = 5_000

needs = reads.needs


class Decided(msgspec.Struct, frozen=True):
    """One entry: where and when it stands, its bytes, its events, and the statement that caused it ("" for none)."""

    index: int
    at_ms: int
    data: bytes
    events: tuple[Event, ...]
    statement_id: str


Act = Callable[[Decision, Spoken, Any], None]
ACTS: dict[type[p.Payload], Act] = {
    p.AgentRegister: parties.register,
    p.AgentRotate: parties.rotate,
    p.AgentRevoke: parties.revoke,
    p.VerifierEnroll: parties.enroll,
    p.VerifierLeave: parties.unenroll,
    p.RelayRegister: governance.register_relay,
    p.RelayUpdate: governance.update_relay,
    p.RoleGrant: governance.grant,
    p.RoleRevoke: governance.take_role,
    p.PolicyAdopt: governance.adopt_policy,
    p.RulesAdopt: governance.adopt_rules,
    p.KeyAdopt: governance.adopt_key,
    p.StakeDeposit: stakes.deposit,
    p.StakePayout: stakes.pay_out,
    p.StakeWithdraw: stakes.withdraw,
    p.TaskPost: tasks.post,
    p.TaskCancel: tasks.cancel,
    p.TaskAllocate: allocation.allocate,
    p.ClaimRequest: claims.request,
    p.ClaimRenew: claims.renew,
    p.ClaimAbandon: claims.abandon,
    p.OutputSubmit: claims.submit,
    p.OutputAccept: claims.accept,
    p.OutputOpen: votes.open_output,
    p.ItemsOpen: votes.open_items,
    p.VoteCommit: votes.commit,
    p.VoteReveal: votes.reveal,
    p.RelayAttest: attested.attest,
    p.VerdictChallenge: challenges.challenge,
    p.CanaryCommit: canaries.commit,
    p.CanaryOpen: canaries.open_one,
    p.EvidenceSubmit: evidence.submit,
}

Due = Callable[[Decision, str], None]
DUE: dict[str, Due] = {
    "canary": canaries.overdue,
    "allocation": allocation.overdue,
    "challenge": claims.window_over,
    "commit": votes.pass_on,
    "deadline": tasks.lapse,
    "draw": claims.draw_overdue,
    "epoch": pools.begin_epoch,
    "evidence": claims.release_hold,
    "lease": claims.expire,
    "leaving": parties.close_tasks,
    "opening": votes.withheld,
    "party": parties.follow,
    "policy": governance.take_policy,
    "reveal": votes.reveals_over,
    "rules": governance.take_rules,
    "unbonding": stakes.mature,
    "verifier": parties.release,
}


def verify(incoming: Incoming) -> None:
    """Checks every signature of a statement, and of those that it shows as evidence.

    Raises `envelope.BadSignature` where one does not hold.
    """
    for signed in signed_parts(incoming):
        envelope.verify(signed)


def decide(batch: Draft, incoming: Incoming, at_ms: int) -> Decided:
    """Decides one command whose signatures hold, at a time at which nothing is due any more.

    Folds into `batch` and returns the entry, or raises Refused and changes nothing.
    """
    command = bytes_of(incoming)
    d = Decision(batch, command, at_ms)
    try:
        _act(d, incoming)
    except InvalidKey as error:
        raise Refused("invalid-key", str(error)) from error
    except strict.Malformed as error:
        raise Refused(error.code, str(error)) from error
    d.close()
    data = encode_entry(at_ms, command, d.events)
    if len(data) > MAX_ENTRY_BYTES:
        raise Refused("too-large", f"this entry would have {len(data)} bytes, at most {MAX_ENTRY_BYTES}")
    statement = ""
    if isinstance(incoming, Spoken):
        statement = incoming.id
        d.put(Said(id=incoming.key, index=batch.size))
    decided = Decided(batch.size, at_ms, data, tuple(d.events), statement)
    batch.absorb(d)
    return decided


def _act(d: Decision, incoming: Incoming) -> None:
    match incoming:
        case Spoken():
            _check_common(d, incoming)
            act = ACTS.get(type(incoming.payload))
            if act is None:
                kind = p.kind_of(incoming.payload)
                raise Refused("not-yet", f"these rules do not know what to do with a {kind}")
            act(d, incoming, incoming.payload)
        case Draw():
            (shortlists if shortlists.is_for(incoming) else panel).draw(d, incoming)
        case Seal():
            pools.seal(d, incoming)
        case Genesis():
            governance.create(d, incoming)


def _check_common(d: Decision, said: Spoken) -> None:
    """Refuses a statement that was said before, is for another network, or is not within its time.

    Specified in docs/rules.md 2.
    """
    network = d.get(Network, NETWORK)
    if network is None:
        raise Refused("no-network", "this log has no genesis yet")
    if (before := d.get(Said, said.key)) is not None:
        raise Refused("repeated", f"this statement is entry {before.index}", index=before.index)
    payload = said.payload
    if payload.network != network.origin:
        raise Refused("foreign-network", f"this is {network.origin}")
    if payload.expires_ms - payload.issued_ms > p.MAX_LIFETIME_MS:
        raise Refused("lifetime-too-long", f"a statement counts for at most {p.MAX_LIFETIME_MS} ms")
    if d.at_ms >= payload.expires_ms:
        raise Refused("expired", f"the statement was good until {payload.expires_ms}")
    if payload.issued_ms - EARLY_MS > d.at_ms:
        raise Refused("issued-in-future", f"the statement is issued at {payload.issued_ms}, after {d.at_ms}")


def settle(batch: Draft, at_ms: int) -> Iterator[Decided]:
    """Writes clock entries until nothing is due at or before `at_ms`; each is folded before it is given."""
    while due := batch.due(at_ms, MAX_CLOCK_ITEMS):
        yield _clock(batch, due, at_ms)


def _clock(batch: Draft, due: list[Timer], at_ms: int) -> Decided:
    """The longest prefix of the due items whose entry fits; a single one always does."""
    count = len(due)
    while count:
        settled = _settled(batch, due[:count], at_ms)
        if isinstance(settled, Decided):
            return settled
        count = settled
    raise AssertionError("a single due item always fits")


def _settled(batch: Draft, due: list[Timer], at_ms: int) -> Decided | int:
    """One clock entry for these items; or how many of them may fit, where these are too many for an entry, or where
    one of them is due no more. Given up as soon as either is known: nothing longer would do better."""
    command = encode_command(Command(clock=tuple(timer.id for timer in due)))
    d = Decision(batch, command, at_ms)
    size_bytes = seen = 0
    for count, timer in enumerate(due):
        if d.get(Timer, timer.id) != timer:
            return count
        DUE[timer.kind](d, timer.id)
        size_bytes += sum(map(size_of_event, d.events[seen:]))
        seen = len(d.events)
        if count and size_bytes > MAX_ENTRY_BYTES:
            return count
    d.close()
    data = encode_entry(at_ms, command, d.events)
    if len(due) > 1 and len(data) > MAX_ENTRY_BYTES:
        return len(due) - 1
    decided = Decided(batch.size, at_ms, data, tuple(d.events), "")
    batch.absorb(d)
    return decided


class _Issued(msgspec.Struct):
    issued_ms: int


_issued_decoder = msgspec.json.Decoder(_Issued)


def fold(batch: Draft, entry: Entry) -> None:
    """Applies a logged entry to the state, without asking any rule."""
    draft = Draft(batch)
    draft.at_ms = entry.at_ms
    for event in entry.events:
        event.fold(draft)
    if entry.command.statement is not None:
        signed = envelope.from_envelope(entry.command.statement)
        issued_ms = _issued_decoder.decode(signed.payload).issued_ms
        draft.put(Said(id=said_key(issued_ms, signed.statement_id), index=batch.size))
    draft.size += 1
    batch.absorb(draft)


class Lie(ValueError):
    """An entry that these rules do not make of the log before it; `event` is the kind of that in which it differs."""

    def __init__(self, reason: str, event: str = "") -> None:
        super().__init__(reason)
        self.event = event


def replay(batch: Draft, entry: Entry, data: bytes) -> None:
    """Decides a logged entry again and compares it byte for byte; `Lie` says where it differs. Signatures: `verify`."""
    if entry.at_ms < batch.at_ms:
        raise Lie(f"time goes back from {batch.at_ms} to {entry.at_ms}")
    due = batch.due(entry.at_ms, MAX_CLOCK_ITEMS)
    if due:
        decided = _clock(batch, due, entry.at_ms)
        if entry.command.clock is None:
            raise Lie(f"{due[0].kind} of {due[0].id} was due at {due[0].due_ms} and is not settled")
    elif entry.command.clock is not None:
        raise Lie("nothing was due at the time of this clock entry")
    else:
        try:
            decided = decide(batch, incoming_of(entry.command), entry.at_ms)
        except Refused as refused:
            raise Lie(f"the rules refuse it: {refused.code}, {refused.detail}") from refused
    if decided.data != data:
        raise _difference(decided, entry)


def incoming_of(command: Command) -> Incoming:
    """Returns the command of a logged entry as `decide` takes it; `Malformed` for a clock's command."""
    if command.statement is not None:
        return spoken(envelope.from_envelope(command.statement))
    for said in (command.draw, command.seal, command.genesis):
        if said is not None:
            return said
    raise strict.Malformed("a command without anything in it")


def _difference(decided: Decided, entry: Entry) -> Lie:
    for mine, theirs in zip(decided.events, entry.events, strict=False):
        if mine != theirs:
            made, said = msgspec.json.encode(mine).decode(), msgspec.json.encode(theirs).decode()
            return Lie(f"the rules make {made} where it says {said}", str(type(mine).__struct_config__.tag))
    if len(decided.events) != len(entry.events):
        return Lie(f"the rules make {len(decided.events)} events where it has {len(entry.events)}")
    return Lie("its bytes are not the ones that the rules make")
