"""Every entry decided again, from the state that the entries before it led to (docs/architecture.md 2.5).

What the rules make of an entry's command must be the entry, byte for byte; so its events are read only to say where
it differs. Two things are not for the rulebook to decide and are looked at here: that genesis speaks of the log whose
checkpoint was fetched, and that a seal's root is that of the slots, or of the scores, as they stood when its epoch
began (docs/rules.md 6.2).
A command of rules that this release does not know is `CannotCheck`, never a finding.
"""

from __future__ import annotations

import hashlib
from binascii import a2b_base64
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from trust.audit.agenda import Agenda, Batch
from trust.audit.cosigned_draws import CosignedDraw, cosigned_draw_of
from trust.audit.prefetch import preload
from trust.audit.report import CannotCheck, Finding, Step
from trust.audit.scratch import Scratch
from trust.audit.stateless_checks import decode_header
from trust.core import rulebook
from trust.core.commands import Incoming, Spoken
from trust.core.entry import Command, Genesis, OtherRelease, Seal, decode_entry, kind_of_command
from trust.core.envelope import Envelope, Signed
from trust.core.events import MoneyMoved
from trust.core.payloads import RulesAdopt, Statement, kind_of
from trust.core.records import Conviction, Pool
from trust.core.refusal import Refused
from trust.core.rulebook import Decided, Lie
from trust.core.rules import changes
from trust.core.scorebook import POOL
from trust.core.state import Draft
from trust.log import merkle
from trust.storage import scorebook
from trust.storage.sealing import Sealing
from trust.storage.tallies import Tally
from trust.storage.unit import StoredEntry

_FALSE = (
    Refused,
    ValueError,
    LookupError,
    ArithmeticError,
    AssertionError,
    TypeError,
    AttributeError,
    RecursionError,
)
_OF_STATEMENTS = frozenset(
    {
        "repeated",
        "expired",
        "issued-in-future",
        "lifetime-too-long",
        "foreign-network",
        "wrong-signer",
        "retired-key",
    }
)
_MONEY = MoneyMoved.__struct_config__.tag
_decode_payload = msgspec.json.Decoder(Statement).decode


class Logged(NamedTuple):
    """An entry: its time, its command as it is put to the rulebook (None for a clock's), and its bytes."""

    at_ms: int
    command: Command
    incoming: Incoming | None
    data: bytes


Observe = Callable[[Decided], None]
"""Told of each entry that the rules make as it stands on the log, in order."""


def unobserved(decided: Decided) -> None:
    """Entries that nobody looks at."""
    del decided


class Replay:
    """Replays the log of an origin, in order, into a scratch state."""

    def __init__(self, scratch: Scratch, origin: str, observe: Observe = unobserved) -> None:
        self._scratch = scratch
        self._view = scratch.view
        self._origin = origin
        self._observe = observe
        self._postings = 0
        self._sealing = Sealing()
        self._agenda = Agenda()
        self._tally = Tally()
        self.cosigned_draws: list[CosignedDraw] = []
        """The cosigned checkpoints that draws among the last entries taken carry: for who has the tree over them."""

    def take(self, entries: Sequence[bytes]) -> Finding | None:
        """Decides the next entries and writes what they change, uncommitted; stops at the first that is false."""
        logged = list(map(_read, entries))
        due = [id for each in logged for id in each.command.clock or ()]
        preload(self._view, [each.incoming for each in logged if each.incoming is not None], due)
        first, done = self._view.size, 0
        while done < len(logged):
            finding = self._batch(logged[done:] if done else logged)
            if finding is not None:
                return finding
            done = self._view.size - first
        self._count(logged)
        self.cosigned_draws = [
            cosigned_draw_of(index, each.at_ms, draw)
            for index, each in enumerate(logged, first)
            if (draw := each.command.draw) is not None and draw.checkpoint
        ]
        return None

    def _batch(self, logged: Sequence[Logged]) -> Finding | None:
        """Decides entries up to one that begins an epoch: its seal reads the state as it is written then."""
        batch, first = Batch(self._view, self._agenda), self._view.size
        self._tally = Tally()
        for at, entry in enumerate(logged):
            try:
                holds = self._holds(batch, entry)
            except _FALSE:
                holds = False
            if not holds:
                return self._finding(logged[:at], entry)
            if entry.command.clock and any((Pool, id) in batch.writes for id in entry.command.clock):
                break
        self._scratch.write(batch, self._tally, _convicting(batch, logged, first))
        if (Pool, POOL) in batch.writes:
            self._keep_scores()
        return None

    def _keep_scores(self) -> None:
        """Where an epoch of scores has begun, they are kept for its seal: the auditor has no entries to go back to."""
        pool = self._view.get(Pool, POOL)
        if pool is not None and pool.epoch > pool.sealed_epoch:
            reader = self._scratch.reader
            scorebook.store(reader.connection, pool, scorebook.changed(reader, pool, self._view.size))

    def _holds(self, batch: Batch, logged: Logged) -> bool:
        """Returns whether this is the entry that the rules make; why it is not, `rulebook.replay` says."""
        if logged.at_ms < batch.at_ms:
            return False
        due = batch.due(logged.at_ms, 1)
        if logged.incoming is None:
            return bool(due) and self._is(logged, next(rulebook.settle(batch, logged.at_ms)))
        self._check(batch, logged.command)
        return not due and self._is(logged, rulebook.decide(batch, logged.incoming, logged.at_ms))

    def _is(self, logged: Logged, decided: Decided) -> bool:
        self._postings += sum(len(event.postings) for event in decided.events if type(event) is MoneyMoved)
        if decided.data != logged.data:
            return False
        self._tally.add(decided.at_ms, decided.events)
        self._observe(decided)
        return True

    def _finding(self, before: Sequence[Logged], false: Logged) -> Finding:
        """Returns what is wrong with an entry, which is decided once more, now with its events."""
        index = self._view.size + len(before)
        step = Step.DECISIONS if false.command.draw is None and false.command.seal is None else Step.DRAWS
        draft = Draft(self._view)
        for logged in before:
            rulebook.replay(draft, decode_entry(logged.data), logged.data)
        try:
            entry = decode_entry(false.data)
            if index == 0:
                check_release(false.data)
            _check_rules(entry.command, index)
            self._check(draft, entry.command)
            rulebook.replay(draft, entry, false.data)
        except Lie as lie:
            return Finding(index, str(lie), _step_of(lie) or step)
        except _FALSE as error:
            return Finding(index, f"the rules cannot decide it: {error}", step)
        raise AssertionError("an entry that is false once is false again")

    # -- what the rulebook takes somebody's word for

    def _check(self, draft: Draft, command: Command) -> None:
        if command.genesis is not None:
            self._check_genesis(command.genesis)
        elif command.seal is not None:
            self._check_seal(draft, command.seal)

    def _check_genesis(self, genesis: Genesis) -> None:
        if genesis.network != self._origin:
            raise Lie(f"this genesis is of {genesis.network}, the checkpoint of {self._origin}")

    def _check_seal(self, draft: Draft, logged: Seal) -> None:
        pool = draft.get(Pool, logged.of)
        if (
            pool is None
            or (logged.epoch, logged.as_of) != (pool.epoch, pool.as_of)
            or pool.epoch <= pool.sealed_epoch
        ):
            return  # the rulebook refuses it, and says why
        seal = self._sealing.prepare(self._scratch.reader, pool, self._view.size)
        if seal != logged:
            what = "records" if logged.of == POOL else "slots"
            raise Lie(
                f"the {what} of {logged.of} at size {logged.as_of} lead to {_sealed(seal)}, it says {_sealed(logged)}"
            )

    def _count(self, logged: Sequence[Logged]) -> None:
        progress = self._scratch.progress
        spoken = [entry.incoming for entry in logged if isinstance(entry.incoming, Spoken)]
        statements = Counter(kind_of(statement.payload) for statement in spoken)
        commands = Counter(kind_of_command(entry.command) for entry in logged)
        progress.commands = dict(commands + Counter(progress.commands))
        progress.statements = dict(statements + Counter(progress.statements))
        progress.postings += self._postings
        self._postings = 0


def _read(data: bytes) -> Logged:
    header = decode_header(data)
    command = header.command
    if command.statement is not None:
        return Logged(header.at_ms, command, _spoken(command.statement), data)
    return Logged(header.at_ms, command, command.draw or command.seal or command.genesis, data)


def _spoken(statement: Envelope) -> Spoken:
    """A statement whose form and signatures were inspected before."""
    payload = a2b_base64(statement.payload)
    id = "sha256:" + hashlib.sha256(payload).hexdigest()
    signers = tuple([signature.keyid for signature in statement.signatures])
    return Spoken(Signed(payload, statement, id, signers, ()), _decode_payload(payload))


def _convicting(batch: Batch, logged: Sequence[Logged], first: int) -> list[StoredEntry]:
    """The entries of a batch, which begins at index `first`, that convicted somebody."""
    indexes = {record.index for record in batch.writes.values() if type(record) is Conviction}
    return [_stored(index, logged[index - first]) for index in sorted(indexes)]


def _stored(index: int, logged: Logged) -> StoredEntry:
    spoken = logged.incoming
    kind = kind_of(spoken.payload) if isinstance(spoken, Spoken) else kind_of_command(logged.command)
    return StoredEntry(index, logged.at_ms, kind, logged.data, merkle.leaf_hash(logged.data))


def _sealed(seal: Seal) -> str:
    members = (
        f"{seal.count}, {seal.members} of them with a weight, {seal.total} in all, of {seal.owners} owners"
    )
    return f"root {seal.root} over {members}, heavy owners {list(seal.heavy)}"


def _step_of(lie: Lie) -> Step | None:
    """Which step a lie is for: that of statements where one does not count, that of postings where money differs."""
    if isinstance(lie.__cause__, Refused) and lie.__cause__.code in _OF_STATEMENTS:
        return Step.STATEMENTS
    return Step.POSTINGS if lie.event == _MONEY else None


def check_release(data: bytes) -> None:
    """CannotCheck where the first entry is a genesis that needs another release, even one with fields unknown here."""
    try:
        changes.check_release(data)
    except OtherRelease as other:
        raise CannotCheck(str(other)) from other


def _check_rules(command: Command, index: int) -> None:
    """CannotCheck where an adoption names rules that this release does not have."""
    if command.statement is not None:
        adopted = _spoken(command.statement).payload
        if isinstance(adopted, RulesAdopt) and adopted.rules not in changes.KNOWN:
            raise CannotCheck(
                f"entry {index} adopts rules {adopted.rules}, which this release lacks: "
                f"needs trust >= {adopted.release}"
            )
