"""One process's write path over a database, with a town that speaks to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.services.statements import Party, Town, created
from trust.core.commands import Incoming
from trust.services.inbox import Submission
from trust.services.receipts import Outcome, Receipt
from trust.services.sealing import due_seals
from trust.services.sequencing import Limits, Sequencer
from trust.storage.engine import Database

JUDGES = 3


class House:
    """A sequencer that decides in the calling thread, and what its callers got."""

    def __init__(
        self,
        database: Database,
        directory: Path,
        town: Town | None = None,
        limits: Limits | None = None,
        after_step: Callable[[int], None] = lambda _: None,
        take_over: bool = False,
    ) -> None:
        self.database = database
        self.town = town or Town()
        self.head_file = directory / "head"
        self.sequencer = Sequencer(
            database,
            [self.town.log],
            self.head_file,
            limits=limits,
            now_ms=lambda: self.town.now_ms,
            after_step=after_step,
            take_over=take_over,
        )

    def found(self) -> House:
        """Genesis, parties with money, a relay."""
        self.sequencer.open()
        self.sequencer.create(self.town.genesis())
        founding = self.receipts(*self.town.founding())
        self.town.relay = created(founding[-1].entry, "relay.registered", "relay")
        return self

    def decide(self, *commands: Incoming) -> list[Outcome]:
        """One outcome for each command, all decided in one batch."""
        submission = Submission(commands)
        self.sequencer.serve([submission])
        return submission.answer.result(timeout=0)

    def receipts(self, *commands: Incoming) -> list[Receipt]:
        """The same, where none is refused."""
        outcomes = self.decide(*commands)
        assert all(isinstance(outcome, Receipt) for outcome in outcomes), outcomes
        return [outcome for outcome in outcomes if isinstance(outcome, Receipt)]

    def enlist(self) -> House:
        """Three verifiers whose pool is sealed, so that work can be claimed; once for a town."""
        if self.town.judges:
            return self
        self.town.judges = [Party(f"judge {number}") for number in range(JUDGES)]
        self.receipts(*self.town.enlisting())
        self.town.now_ms += self.town.policy.verifiers.epoch_ms
        self.sequencer.serve([])
        self.receipts(*due_seals(self.database))
        return self

    def claimed(self, task: str, worker: Party) -> str:
        """A task, posted and claimed; the claim's id."""
        self.enlist()
        (posted,) = self.receipts(self.town.post(task))
        (claimed,) = self.receipts(self.town.claim(task, posted.index, worker))
        return created(claimed.entry, "claim.opened", "claim")
