"""Step 8 of the write path: one batch's decisions over one draft, nothing of them stored yet.

A refusal takes no entry. A statement that is on the log already, or stands earlier in the same batch, is answered
with its first entry and decides nothing. What falls due is settled before every statement, not only before the
first: an entry may set a date that has come already.
"""

from __future__ import annotations

from collections.abc import Sequence

from trust.core import rulebook
from trust.core.commands import Incoming, Spoken
from trust.core.entry import Draw, Genesis
from trust.core.events import KeyAdopted
from trust.core.payloads import kind_of
from trust.core.refusal import Refused
from trust.core.rulebook import Decided
from trust.core.state import Draft, View
from trust.log.merkle import leaf_hash
from trust.storage.projections import Projections, subjects_of
from trust.storage.unit import StoredEntry


class Logged:
    """An answer: the entry at `index`; `repeated` where it was there before."""

    __slots__ = ("index", "repeated")

    def __init__(self, index: int, *, repeated: bool) -> None:
        self.index = index
        self.repeated = repeated


class Denied:
    """An answer: refused, when the log had `size` entries."""

    __slots__ = ("reason", "size", "statement_id")

    def __init__(self, reason: Refused, size: int, statement_id: str) -> None:
        self.reason = reason
        self.size = size
        self.statement_id = statement_id


Answer = Logged | Denied


class Batch:
    """The entries from `start` on, all at `at_ms`, and what they change."""

    def __init__(self, view: View, at_ms: int) -> None:
        self.draft = Draft(view)
        self.start = view.size
        self.at_ms = at_ms
        self.entries: list[StoredEntry] = []
        self.projections = Projections()
        self._is_over = False

    def settle(self, max_entries: int) -> bool:
        """Writes clock entries for what is due; False where `max_entries` of them were not enough."""
        for decided in rulebook.settle(self.draft, self.at_ms):
            self._take_up(decided, "clock", "")
            if len(self.entries) >= max_entries:
                return False
        return True

    def decide_all(self, commands: Sequence[Incoming]) -> list[Answer] | None:
        """Decides commands in order; None where one before the last gives the log another key, which ends the batch."""
        answers: list[Answer] = []
        for command in commands:
            if self._is_over:
                return None
            answers.append(self.decide(command))
        return answers

    def decide(self, incoming: Incoming) -> Answer:
        """Decides one command."""
        statement_id = incoming.id if isinstance(incoming, Spoken) else ""
        for decided in rulebook.settle(self.draft, self.at_ms):
            self._take_up(decided, "clock", "")
        try:
            decided = rulebook.decide(self.draft, incoming, self.at_ms)
        except Refused as refused:
            if refused.code == "repeated":
                return Logged(int(refused.facts["index"]), repeated=True)
            return Denied(refused, self.draft.size, statement_id)
        payload = incoming.payload if isinstance(incoming, Spoken) else None
        self._take_up(decided, entry_kind(incoming), payload.actor if payload else "", subjects_of(payload))
        return Logged(decided.index, repeated=False)

    def _take_up(self, decided: Decided, kind: str, actor: str, subjects: Sequence[str] = ()) -> None:
        data = decided.data
        self.entries.append(StoredEntry(decided.index, decided.at_ms, kind, data, leaf_hash(data)))
        self.projections.add(decided.index, decided.at_ms, actor, decided.events, subjects)
        if kind == "key.adopt":
            self._is_over = any(
                isinstance(event, KeyAdopted) and event.use == "log" for event in decided.events
            )


def entry_kind(incoming: Incoming) -> str:
    """Returns the kind of an entry in the table of entries: its statement's kind, or its command's."""
    if isinstance(incoming, Spoken):
        return kind_of(incoming.payload)
    if isinstance(incoming, Genesis):
        return "genesis"
    return "draw" if isinstance(incoming, Draw) else "seal"
