"""Events about an allocation: a draw is asked for, made, missed, or comes to nothing through the requester."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from trust.core.events.event import Event, known
from trust.core.events.parties import NETWORK
from trust.core.events.tasks import deadline_of
from trust.core.lifecycle import AllocationState, TaskState
from trust.core.rawsums import scaled
from trust.core.records import Allocation, Lapses, Network, Task
from trust.core.sampling.shortlist import Candidate, Shortlisted
from trust.core.state import Draft


def task_draw(task: str) -> str:
    """Returns the subject of a task's draw; no claim's id has this form."""
    return f"task/{task}"


class TaskAllocating(Event, tag="task.allocating", frozen=True, kw_only=True):
    """A draw of `size` places is asked for by `statement`; made by `until_ms` (the deadline, where that is sooner).

    Among `candidates`, or where there are none from the sealed pools `pool` and `lane`. With `squad` they are those who
    asked to join it.
    """

    task: str
    statement: str
    draw_key: str
    size: int
    exclusive_ms: int
    until_ms: int
    candidates: tuple[str, ...] = ()
    pool: str = ""
    lane: str = ""
    squad: str = ""

    def write(self, s: Draft) -> None:
        s.put(
            Allocation(
                id=self.task,
                statement=self.statement,
                index=s.size,
                draw_key=self.draw_key,
                state=AllocationState.AWAITED,
                size=self.size,
                exclusive_ms=self.exclusive_ms,
                candidates=self.candidates,
                pool=self.pool,
                lane=self.lane,
                asked_ms=s.at_ms,
                squad=self.squad,
            )
        )
        s.put(replace(known(s, Task, self.task), state=TaskState.ALLOCATING))
        s.set_timer(deadline_of(self.task), "allocation", self.until_ms)

    def sentence(self) -> str:
        if self.squad:
            asked = f"{self.size} of the {len(self.candidates)} that asked are to be drawn by {self.until_ms}"
            return f"Who joins {self.squad}, to claim {self.task} within {self.exclusive_ms} ms: {asked}."
        among = f"{len(self.candidates)} candidates" if self.candidates else f"everybody in {self.pool}"
        return (
            f"Who may claim {self.task} first is to be drawn by {self.until_ms}: {self.size} of {among}, for "
            f"{self.exclusive_ms} ms."
        )


class TaskAllocated(Event, tag="task.allocated", frozen=True, kw_only=True):
    """The shortlist in the order of the draw; before `exclusive_until_ms` nobody else may claim.

    `eligible` is among how many it was drawn, `owners` how many those belong to; `among` are they, where the relay had
    named candidates.
    """

    task: str
    exclusive_until_ms: int
    eligible: int
    owners: int
    shortlist: tuple[Shortlisted, ...]
    among: tuple[Candidate, ...] = ()

    def write(self, s: Draft) -> None:
        allocation = known(s, Allocation, self.task)
        s.put(
            replace(
                allocation,
                state=AllocationState.DRAWN,
                eligible=self.eligible,
                owners=self.owners,
                shortlist=self.shortlist,
            )
        )
        _open(s, self.task, self.exclusive_until_ms)

    def sentence(self) -> str:
        lane = " (probation)"
        shortlist = ", ".join(f"{one.agent}{lane if one.probation else ''}" for one in self.shortlist)
        return (
            f"The draw gives {shortlist}: one of them may claim {self.task} before {self.exclusive_until_ms}. "
            f"{self.eligible} were eligible, of {self.owners} owners."
        )


class AllocationFailed(Event, tag="allocation.failed", frozen=True, kw_only=True):
    """The task is open to all: `why` is overdue (no draw in time), nobody (who may claim was drawn), or closed (it
    closes in this entry)."""

    task: str
    why: str

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Allocation, self.task), state=AllocationState.FAILED))
        _open(s, self.task, 0)

    def sentence(self) -> str:
        why = {
            "overdue": "no draw was made in time",
            "nobody": "the draw found nobody who may claim it",
            "closed": "it closes before its draw",
        }
        return f"{self.task} is open to all: {why[self.why]}."


class AllocationLapsed(Event, tag="allocation.lapsed", frozen=True, kw_only=True):
    """The requester's task closed without a claim from its shortlist; `owner` stands behind the requester."""

    says: ClassVar[str] = (
        "{task} ends with its shortlist waiting: what {owner}'s requesters praise counts less."
    )

    task: str
    owner: str
    task_kind: str

    def write(self, s: Draft) -> None:
        network = known(s, Network, NETWORK)
        id = f"{self.owner}/{self.task_kind}"
        before = s.get(Lapses, id)
        count = before.count if before else b""
        s.put(Lapses(id, scaled(count, 1_000, s.at_ms, network.t0_ms, network.slow_half_life_ms)))
        s.put(replace(known(s, Allocation, self.task), state=AllocationState.LAPSED))


def _open(s: Draft, task: str, exclusive_until_ms: int) -> None:
    record = known(s, Task, task)
    s.put(replace(record, state=TaskState.OPEN, exclusive_until_ms=exclusive_until_ms))
    s.set_timer(deadline_of(task), "deadline", record.deadline_ms)
