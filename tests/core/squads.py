"""Squads in tests: tasks that can be split, squads for them, and their claims."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, Protocol

from tests.core.flows import STAKE, Scene
from tests.core.network import Who, created
from trust.core import payloads as p
from trust.core.commands import Incoming, Spoken
from trust.core.records import Squad, Task
from trust.core.rulebook import Decided

PARTS = (p.Part(name="head", share_ppm=300_000), p.Part(name="body", share_ppm=700_000))
Taken = tuple[Who, int | None]
"""Who takes a part, and how many items of a batch it has."""


def members(taken: Sequence[Taken], stake_units: int = STAKE) -> tuple[p.Member, ...]:
    return tuple(p.Member(worker=who.did, stake_units=stake_units, items=items) for who, items in taken)


def forming(town: Scene, taken: Sequence[Taken], task: str = "t1", **fields: Any) -> Spoken:
    """A `squad.form` by the first of these, signed by all of them."""
    said = {"task": task, "members": members(taken), "until_ms": town.net.now_ms + 60_000, **fields}
    founder, *others = (who for who, _ in taken)
    return town.net.statement(p.SquadForm, founder, *others, **said)


def formed(town: Scene, taken: Sequence[Taken], task: str = "t1", **fields: Any) -> Squad:
    id = created(town.net.do(forming(town, taken, task, **fields)), "squad")
    return town.net.get(Squad, id)


def asking(town: Scene, squad: Squad, **fields: Any) -> Spoken:
    """The founder's `claim.request` for its squad."""
    stake_units = sum(member.stake_units for member in squad.members)
    founder = town.net.people[squad.founder]
    return town.request(squad.task, founder, **{"squad": squad.id, "stake_units": stake_units, **fields})


def claimed(town: Scene, squad: Squad) -> list[str]:
    """The squad claims its task; returns the claims on its parts, in order."""
    town.net.do(asking(town, squad))
    tasks = town.net.get(Squad, squad.id).tasks
    return [town.net.get(Task, task).claim for task in tasks]


class Walk(Protocol):
    """What takes random steps (`tests/core/steps.py`)."""

    scene: Scene

    def attempt(self, incoming: Incoming) -> Decided | None: ...
    def anyone(self, rng: Random) -> Who: ...
    def say(self, kind: type[p.Payload], who: Who, *others: Who, **fields: Any) -> Decided | None: ...


def form(walk: Walk, rng: Random) -> None:
    """Some workers form a squad for a task that can be split; now and then for another, or for too long."""
    town = walk.scene
    divisible = [task for task in town.net.all(Task) if task.most_parts > 1 and task.state != "closed"]
    if not divisible:
        return
    task = rng.choice(divisible)
    crew = list(dict.fromkeys([town.worker, town.rival, *(walk.anyone(rng) for _ in range(2))]))
    taken = _shares(rng, task, crew)
    until_ms = town.net.now_ms + rng.choice([500, 20_000, 20_000])
    stakes = members(taken, rng.choice([STAKE, STAKE, 3_000]))
    formed = walk.attempt(forming(town, taken, task.id, until_ms=until_ms, members=stakes))
    if formed is not None and rng.randrange(2):
        walk.attempt(asking(town, town.net.get(Squad, created(formed, "squad"))))


def _shares(rng: Random, task: Task, crew: list[Who]) -> list[Taken]:
    if not task.items_count:
        return [(who, None) for who in crew[: len(task.parts)]]
    first = rng.randint(1, max(1, task.items_count - 1))
    return [(crew[0], first), (crew[1], max(1, task.items_count - first))]


def claim(walk: Walk, rng: Random) -> None:
    """A squad claims its task, or one of its members ends it."""
    squads = [
        squad for squad in walk.scene.net.all(Squad) if rng.randrange(3) == 0 or squad.state == "formed"
    ]
    if not squads:
        return
    squad = rng.choice(squads)
    if rng.randrange(5):
        walk.attempt(asking(walk.scene, squad))
    else:
        who = walk.scene.net.people[rng.choice(squad.members).worker]
        walk.say(p.SquadDissolve, rng.choice([who, who, walk.anyone(rng)]), squad=squad.id)
