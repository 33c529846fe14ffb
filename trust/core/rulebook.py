"""The rulebook's door: what may happen next, and what then happens (docs/architecture.md 2).

- `decide` is a pure function of the state, one command and a time: events, or `Refused` and nothing changed.
- `settle` writes what is due before anything else is decided at that time (docs/rules.md 2).
- `fold` applies a logged entry; it needs no rule.
- `verify` checks what needs no state: signatures. It costs the most, so it runs ahead of `decide` and elsewhere.
- `needs` says what a batch will read, so that it can be loaded in bulk.

Nothing here reads a clock, the environment or randomness: time is an argument, policy and rules number are state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import msgspec

from trust.core import envelope, strict
from trust.core import payloads as p
from trust.core.commands import Incoming, Spoken, bytes_of, output_of, signed_parts, spoken
from trust.core.entry import (
    MAX_CLOCK_ITEMS,
    MAX_ENTRY_BYTES,
    Command,
    Draw,
    Entry,
    Genesis,
    Seal,
    decode_entry,
    encode_command,
    encode_entry,
    size_of_event,
)
from trust.core.events import NETWORK, Event, task_draw
from trust.core.identity import InvalidKey
from trust.core.records import Network, Party, Said, Timer, said_key
from trust.core.refusal import Refused
from trust.core.rules import (
    allocation,  # noqa: F401 - this and the others without a mention register their acts
    attested,  # noqa: F401
    canaries,  # noqa: F401
    challenges,  # noqa: F401
    claims,  # noqa: F401
    evidence,  # noqa: F401
    governance,
    names,  # noqa: F401
    panel,
    parties,  # noqa: F401
    pools,
    reads,
    shortlists,
    signing,
    squads,  # noqa: F401
    stakes,  # noqa: F401
    tasks,  # noqa: F401
    votes,  # noqa: F401
)
from trust.core.rules.acts import ACTS, DUE
from trust.core.rules.decision import Decision
from trust.core.rules.reads import Peek
from trust.core.state import Draft, Key

EARLY_MS = 5_000


class Decided(msgspec.Struct, frozen=True):
    """One entry: where and when it stands, its bytes, its events, and the statement that caused it ("" for none)."""

    index: int
    at_ms: int
    data: bytes
    events: tuple[Event, ...]
    statement_id: str


def needs(commands: Sequence[Incoming], view: Peek) -> list[Key]:
    """The keys worth loading, in the light of what is loaded; ask again until it names nothing new."""
    return list(dict.fromkeys(chain(reads.common(view), *(_reads_of(command, view) for command in commands))))


def _reads_of(command: Incoming, view: Peek) -> Iterator[Key]:
    if isinstance(command, Spoken):
        return _reads_of_statement(command, view)
    of = str(getattr(command, "of", ""))
    kind, _, rest = of.partition("/")
    subject = reads.allocation(view, rest) if of == task_draw(rest) else reads.claim(view, kind)
    return chain(subject, reads.gate(view, command))


def _reads_of_statement(command: Spoken, view: Peek) -> Iterator[Key]:
    payload, act = command.payload, ACTS.get(type(command.payload))
    yield Said, command.key
    yield Party, payload.actor
    if act is None or act.reads_money:
        yield from reads.party(payload.actor)
    if act is not None:
        yield from act.reads(view, payload)


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
    d = Decision(batch, command, at_ms, incoming if isinstance(incoming, Spoken) else None)
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
            signing.check(d, incoming)
            act.do(d, incoming.payload)
            assert d.is_signed, f"nobody asked who signed a {p.kind_of(incoming.payload)}"
        case Draw():
            (shortlists if shortlists.is_for(incoming) else panel).draw(d, incoming)
        case Seal():
            pools.seal(d, incoming)
        case Genesis():
            governance.create(d, incoming)


def _check_common(d: Decision, statement: Spoken) -> None:
    """Refuses a statement that was said before, is for another network, or is not within its time.

    Specified in docs/rules.md 2.
    """
    network = d.get(Network, NETWORK)
    if network is None:
        raise Refused("no-network", "this log has no genesis yet")
    if (before := d.get(Said, statement.key)) is not None:
        raise Refused("repeated", f"this statement is entry {before.index}", index=before.index)
    payload = statement.payload
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
    size_bytes = measured = 0
    for count, timer in enumerate(due):
        if d.get(Timer, timer.id) != timer:
            return count
        DUE[timer.kind](d, timer.id)
        if len(due) > 1:
            size_bytes += sum(map(size_of_event, d.events[measured:]))
            measured = len(d.events)
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
    for incoming in (command.draw, command.seal, command.genesis):
        if incoming is not None:
            return incoming
    raise strict.Malformed("a command without anything in it")


def output_in(entry: bytes) -> p.OutputSubmit | None:
    """Returns the `output.submit` of a logged entry, made or attested there; None where it has none."""
    return output_of(incoming_of(decode_entry(entry).command))


def _difference(decided: Decided, entry: Entry) -> Lie:
    for mine, theirs in zip(decided.events, entry.events, strict=False):
        if mine != theirs:
            made, logged = msgspec.json.encode(mine).decode(), msgspec.json.encode(theirs).decode()
            return Lie(f"the rules make {made} where it says {logged}", str(type(mine).__struct_config__.tag))
    if len(decided.events) != len(entry.events):
        return Lie(f"the rules make {len(decided.events)} events where it has {len(entry.events)}")
    return Lie("its bytes are not the ones that the rules make")
