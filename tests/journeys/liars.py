"""A service that lies, as well as it can: it twists one decision or forgets what it knows, and goes on by the rules.

What it logs is consistent with the lie as far as the rules allow: the entry is hashed, the tree grows over it, its key
signs, and the state that later entries are decided from is the one the lie leads to. So no proof is ever false, and
only who decides everything again, or compares what two were shown, finds it out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from tests.audit.networks import World, did, seed_of
from trust.core import commands, envelope, rulebook
from trust.core.commands import Spoken
from trust.core.entry import decode_entry
from trust.core.records import Record
from trust.core.rulebook import Decided
from trust.core.state import Draft

Json = dict[str, Any]
Twist = Callable[[Json], object]


class Liar(World):
    """A network of a requester, three workers, eight verifiers and a relay, run by an operator who lies when told to.

    `lie` is the index of the entry that the twist made false. While it is `asleep`, it settles nothing.
    """

    def __init__(self) -> None:
        self.lie = -1
        self.asleep = False
        self._twist: tuple[str, Twist] | None = None
        super().__init__()
        self.deposit("operator/bond", 100_000)
        self.register("alice", deposit=1_000_000)
        for worker in ("bob", "carol", "mallory"):
            self.register(worker, deposit=100_000)
        for number in range(8):
            self.register(f"verifier-{number}", deposit=5_000, verifies=True)
        self.by = self.relay()
        self.wait(1_000)

    # -- how it lies

    def twist(self, event: str, change: Twist) -> None:
        """The next entry with such an event is changed before it is hashed."""
        self._twist = event, change

    def forget(self, record: Record, as_it_was: Record | None) -> None:
        """Goes on as if this had never changed."""
        self.state.records.pop((type(record), record.id))
        if as_it_was is not None:
            self.state.put_all([as_it_was])

    def settle(self) -> None:
        if not self.asleep:
            super().settle()

    def _log(self, decided: Sequence[Decided], draft: Draft) -> None:
        """Logs what was decided, up to a twisted entry; what would follow that is settled on top of it."""
        for at, each in enumerate(decided):
            told = self._twisted(each)
            if told is None:
                continue
            self.lie = each.index
            crooked = Draft(self.state)
            for entry in (*decided[:at], told):
                rulebook.fold(crooked, decode_entry(entry.data))
            super()._log([*decided[:at], told], crooked)
            self.settle()
            return
        super()._log(decided, draft)

    def _twisted(self, decided: Decided) -> Decided | None:
        if self._twist is None:
            return None
        event, change = self._twist
        entry = json.loads(decided.data)
        if event not in [each["kind"] for each in entry["events"]]:
            return None
        change(entry)
        self._twist = None
        return replace(decided, data=compact(entry))

    # -- what happens in its network

    def claimed(self, worker: str, task: str = "review") -> str:
        """Alice's task and this worker's claim on it."""
        return self.claim(worker, task, self.post("alice", task), self.by)

    def drawn(self, worker: str) -> str:
        """The same, with an output and its panel."""
        claim = self.claimed(worker)
        self.output(worker, claim)
        self.serve()
        return claim

    def checked(self, worker: str, verdict: Any) -> str:
        """The same, with a verdict that all of the panel agree on."""
        claim = self.drawn(worker)
        self.check(worker, claim, lambda name: verdict)
        return claim

    def told(self) -> Lie:
        """The log so far and a few honest entries on top, false where the twist was."""
        assert self.lie >= 0
        return self.at(self.lie)

    def at(self, index: int) -> Lie:
        """The same, false at this entry."""
        for number in range(3):
            self.deposit(did("bob"), 1 + number)
        return Lie(self.entries, index)

    def last(self) -> Lie:
        """The same, false at the last entry so far."""
        return self.at(len(self.entries) - 1)


class Lie(msgspec.Struct, frozen=True):
    """The entries of a log, and the first of them that is false."""

    entries: list[bytes]
    index: int


def compact(entry: Json) -> bytes:
    """An entry's bytes."""
    return json.dumps(entry, separators=(",", ":")).encode()


def event_of(entry: Json, kind: str) -> Json:
    """The first event of a kind."""
    found: Json = next(event for event in entry["events"] if event["kind"] == kind)
    return found


def moved(entry: Json, why: str) -> Json:
    """The money that moved for this reason."""
    found: Json = next(event for event in entry["events"] if event.get("why") == why)
    return found


def forged(said: Spoken, forger: str) -> Spoken:
    """The same statement, signed by somebody else in the signer's name."""
    signed = json.loads(envelope.sign(said.signed.payload, [seed_of(forger)]))
    signed["signatures"][0]["keyid"] = said.signed.signers[0]
    return commands.parse(json.dumps(signed).encode())
