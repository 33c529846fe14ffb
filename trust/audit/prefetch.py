"""Records that a piece of the log will read, loaded in bulk: those the rulebook names, and those of deadlines.

This is about speed only: a record that was not foreseen is loaded when it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trust.core import ledger, rulebook
from trust.core.commands import Incoming, Spoken
from trust.core.entry import Draw
from trust.core.events.tasks import TASK_TIMER
from trust.core.payloads import CLAIM, ClaimRequest
from trust.core.records import Account, Allocation, Bar, Party, Task, Timer
from trust.core.state import Key
from trust.storage.state import SqlView

HOPS = 2


def preload(view: SqlView, commands: Sequence[Incoming], due: Sequence[str]) -> None:
    """Loads what commands and the items of clock entries read; a record that was found may name the next ones."""
    hints = [*commands, *(Draw(of=id, beacons=()) for id in due if id.startswith(CLAIM))]
    tasks = [id.removeprefix(TASK_TIMER) for id in due if id.startswith(TASK_TIMER)]
    view.load((Timer, id) for id in due)
    for _ in range(HOPS):
        if not view.load([*rulebook.needs(hints, view), *_closing(view, tasks)]):
            break
    view.load(_bars(view, commands))


def _closing(view: SqlView, tasks: Sequence[str]) -> Iterator[Key]:
    """Yields the keys of the records that deadlines read."""
    for id in tasks:
        yield Task, id
        yield Allocation, id
        yield Account, ledger.escrow(id)
        if (task := view.peek(Task, id)) is not None:
            yield Party, task.requester
            yield Account, ledger.free(task.requester)


def _bars(view: SqlView, commands: Sequence[Incoming]) -> Iterator[Key]:
    """Yields what claims read beside the rest where their task is not in the state yet, but in the same piece."""
    for command in commands:
        if isinstance(command, Spoken) and isinstance(claim := command.payload, ClaimRequest):
            worker = view.peek(Party, claim.actor)
            yield Bar, f"{claim.task}/{worker.owner if worker else claim.actor}"
