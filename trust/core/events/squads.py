"""Events about squads: workers that take the parts of a task together (docs/rules.md 3.5)."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from trust.core.events.event import Event, known
from trust.core.events.tasks import deadline_of, listed, pin
from trust.core.lifecycle import SquadState, TaskState
from trust.core.records import Portion, Squad, Task
from trust.core.state import Draft


class SquadCalled(Event, tag="squad.called", frozen=True, kw_only=True):
    """Workers may ask to join until `asks_until_ms`; nothing locks."""

    says: ClassVar[str] = (
        "{founder} calls for {squad} to take {task}: who joins is drawn from those who ask until {asks_until_ms}."
    )
    creates: ClassVar[tuple[str, ...]] = ("squad",)

    squad: str
    task: str
    founder: str
    stake_units: int
    asks_until_ms: int
    until_ms: int
    surety_units: int = 0

    def write(self, s: Draft) -> None:
        founder = Portion(self.founder, self.stake_units, 0, surety_units=self.surety_units)
        s.put(
            Squad(
                id=self.squad,
                task=self.task,
                founder=self.founder,
                index=s.size,
                state=SquadState.CALLING,
                until_ms=self.until_ms,
                members=(founder,),
                asks_until_ms=self.asks_until_ms,
            )
        )
        s.set_timer(self.squad, "squad", self.until_ms)


class SquadAsked(Event, tag="squad.asked", frozen=True, kw_only=True):
    """One more among whom the draw chooses."""

    says: ClassVar[str] = "{worker} asks to join {squad}, at a stake of {stake_units}."

    squad: str
    worker: str
    stake_units: int
    surety_units: int = 0

    def write(self, s: Draft) -> None:
        squad = known(s, Squad, self.squad)
        asked = Portion(self.worker, self.stake_units, 0, surety_units=self.surety_units, asked_index=s.size)
        s.put(replace(squad, members=(*squad.members, asked)))


class SquadFormed(Event, tag="squad.formed", frozen=True, kw_only=True):
    """All members signed for it, or its draw was made. Nothing locks yet; it ends at `until_ms` unless its founder has
    claimed the task for it."""

    creates: ClassVar[tuple[str, ...]] = ("squad",)

    squad: str
    task: str
    founder: str
    members: tuple[Portion, ...]
    until_ms: int

    def write(self, s: Draft) -> None:
        called = s.get(Squad, self.squad)
        s.put(
            Squad(
                id=self.squad,
                task=self.task,
                founder=self.founder,
                index=called.index if called else s.size,
                state=SquadState.FORMED,
                until_ms=self.until_ms,
                members=self.members,
                asks_until_ms=called.asks_until_ms if called else 0,
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


class SuretyGiven(Event, tag="surety.given", frozen=True, kw_only=True):
    """The members' sureties lock in this entry, and stand for these claims on the parts, in order."""

    squad: str
    claims: tuple[str, ...]

    def write(self, s: Draft) -> None:
        squad = known(s, Squad, self.squad)
        pairs = zip(squad.members, self.claims, strict=True)
        s.put(replace(squad, members=tuple(replace(member, claim=claim) for member, claim in pairs)))

    def sentence(self) -> str:
        return f"The sureties of {self.squad} stand for {', '.join(self.claims)}."


class SuretyEnded(Event, tag="surety.ended", frozen=True, kw_only=True):
    """The claim is over, and no surety stands for it any more; with the last of them what is left goes back."""

    says: ClassVar[str] = "No surety of {squad} stands for {claim} any more."

    squad: str
    claim: str

    def write(self, s: Draft) -> None:
        squad = known(s, Squad, self.squad)
        members = (
            replace(member, claim="") if member.claim == self.claim else member for member in squad.members
        )
        s.put(replace(squad, members=tuple(members)))


class SquadEnded(Event, tag="squad.ended", frozen=True, kw_only=True):
    """`how`: dissolved or expired without a claim; accepted where every part was, else unfinished."""

    says: ClassVar[str] = "{squad} is {how}."

    squad: str
    how: str

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Squad, self.squad), state=self.how))
        s.clear_timer(self.squad)
