"""Events about squads: workers that take the parts of a task together (docs/rules.md 3.5)."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from trust.core.events.event import Event, known
from trust.core.events.tasks import deadline_of, listed, pin
from trust.core.lifecycle import SquadState, TaskState
from trust.core.records import Portion, Squad, Task
from trust.core.state import Draft


class SquadFormed(Event, tag="squad.formed", frozen=True, kw_only=True):
    """Nothing locks yet; it ends at `until_ms` unless its founder has claimed the task for it."""

    creates: ClassVar[tuple[str, ...]] = ("squad",)

    squad: str
    task: str
    founder: str
    members: tuple[Portion, ...]
    until_ms: int

    def write(self, s: Draft) -> None:
        s.put(
            Squad(
                id=self.squad,
                task=self.task,
                founder=self.founder,
                index=s.size,
                state=SquadState.FORMED,
                until_ms=self.until_ms,
                members=self.members,
            )
        )
        s.set_timer(self.squad, "squad", self.until_ms)

    def sentence(self) -> str:
        taken = "; ".join(
            f"{each.worker} {_what(each)} for {each.price_units} at a stake of {each.stake_units}"
            for each in self.members
        )
        return f"{self.founder} forms {self.squad} for {self.task}, until {self.until_ms}: {taken}."


def _what(each: Portion) -> str:
    if each.items_count:
        return f"items {each.first_item} to {each.first_item + each.items_count - 1}"
    return f"the part {each.part}"


class SquadClaimed(Event, tag="squad.claimed", frozen=True, kw_only=True):
    """The squad won the task, which is split into its parts; each of them is claimed in this very entry."""

    says: ClassVar[str] = "{squad} wins {task}, which is split into its parts."

    squad: str
    task: str

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Squad, self.squad), state=SquadState.CLAIMED))
        s.put(replace(known(s, Task, self.task), state=TaskState.SPLIT, squad=self.squad))
        s.clear_timer(self.squad)
        s.clear_timer(deadline_of(self.task))


class PartPosted(Event, tag="part.posted", frozen=True, kw_only=True):
    """A part of a task that was split: a task of its own, by the terms of its parent."""

    task: str
    parent: str
    squad: str
    price_units: int
    stake_units: int
    part: str = ""
    first_item: int = 0
    items_count: int = 0

    def write(self, s: Draft) -> None:
        parent = known(s, Task, self.parent)
        s.put(
            replace(
                parent,
                id=self.task,
                index=s.size,
                state=TaskState.OPEN,
                price_units=self.price_units,
                stake_units=self.stake_units,
                items_count=self.items_count,
                claim="",
                older=listed(s, parent.requester, self.task),
                newer="",
                exclusive_until_ms=0,
                abandoned=False,
                parts=(),
                most_parts=1,
                parent=self.parent,
                part=self.part,
                first_item=self.first_item,
            )
        )
        squad = known(s, Squad, self.squad)
        s.put(replace(squad, tasks=(*squad.tasks, self.task)))
        pin(s, parent.policy, 1)
        s.set_timer(deadline_of(self.task), "deadline", parent.deadline_ms)

    def sentence(self) -> str:
        last = self.first_item + self.items_count - 1
        what = f"items {self.first_item} to {last}" if self.items_count else f"the part {self.part}"
        return f"{self.task} is {what} of {self.parent}, at a price of {self.price_units}."


class SquadEnded(Event, tag="squad.ended", frozen=True, kw_only=True):
    """`how`: dissolved or expired without a claim; accepted where every part was, else unfinished."""

    says: ClassVar[str] = "{squad} is {how}."

    squad: str
    how: str

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Squad, self.squad), state=self.how))
        s.clear_timer(self.squad)
