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


def members(
    taken: Sequence[Taken], stake_units: int = STAKE, surety_units: int | None = None
) -> tuple[p.Member, ...]:
    return tuple(
        p.Member(worker=who.did, stake_units=stake_units, items=items, surety_units=surety_units)
        for who, items in taken
    )


def forming(town: Scene, taken: Sequence[Taken], task: str = "t1", **fields: Any) -> Spoken:
    """A `squad.form` by the first of these, signed by all of them."""
    said = {"task": task, "members": members(taken), "until_ms": town.net.now_ms + 60_000, **fields}
    founder, *others = (who for who, _ in taken)
    return town.net.statement(p.SquadForm, founder, *others, **said)


def formed(town: Scene, taken: Sequence[Taken], task: str = "t1", **fields: Any) -> Squad:
    id = created(town.net.do(forming(town, taken, task, **fields)), "squad")
    return town.net.get(Squad, id)


def called(town: Scene, task: str = "t1", who: Who | None = None, **fields: Any) -> Squad:
    """A squad that a worker calls for; asks end in five seconds."""
    said = {
        "task": task,
        "stake_units": STAKE,
        "asks_until_ms": town.net.now_ms + 5_000,
        "until_ms": town.net.now_ms + 100_000,
        **fields,
    }
    return town.net.get(Squad, created(town.net.say(p.SquadCall, who or town.worker, **said), "squad"))


def drawn(
    town: Scene, squad: Squad, *askers: Who, shortlist: int = 1, exclusive_ms: int = 60_000, **fields: Any
) -> Squad:
    """These ask, and when the time for that is over the relay has the draw decide."""
    for who in askers:
        town.net.say(p.SquadAsk, who, squad=squad.id, **{"stake_units": STAKE, **fields})
    town.net.tick_to(squad.asks_until_ms)
    town.net.do(joining(town, squad, shortlist=shortlist, exclusive_ms=exclusive_ms))
    town.net.do(town.net.shortlist_draw_of(squad.task))
    return town.net.get(Squad, squad.id)


def joining(town: Scene, squad: Squad, **fields: Any) -> Spoken:
    """The relay's `task.allocate` for a squad."""
    return town.allocation(squad.task, **{"squad": squad.id, "exclusive_ms": 60_000, **fields})


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
    stakes = members(taken, rng.choice([STAKE, STAKE, 3_000]), STAKE // 3)
    formed = walk.attempt(forming(town, taken, task.id, until_ms=until_ms, members=stakes))
    if formed is not None and rng.randrange(2):
        walk.attempt(asking(town, town.net.get(Squad, created(formed, "squad"))))


def _shares(rng: Random, task: Task, crew: list[Who]) -> list[Taken]:
    if not task.items_count:
        return [(who, None) for who in crew[: len(task.parts)]]
    first = rng.randint(1, max(1, task.items_count - 1))
    return [(crew[0], first), (crew[1], max(1, task.items_count - first))]


def call(walk: Walk, rng: Random) -> None:
    """Somebody calls for a squad; some ask to join, and now and then the draw is made."""
    town = walk.scene
    divisible = [
        task for task in town.net.all(Task) if task.most_parts > 1 and task.relay and task.state == "open"
    ]
    calling = [squad for squad in town.net.all(Squad) if squad.state == "calling"]
    if not calling and divisible:
        now_ms = town.net.now_ms
        said = {"asks_until_ms": now_ms + rng.choice([1, 3_000]), "until_ms": now_ms + 20_000}
        task, founder = rng.choice(divisible), rng.choice([town.worker, walk.anyone(rng)])
        walk.say(p.SquadCall, founder, task=task.id, stake_units=STAKE, surety_units=STAKE // 3, **said)
    elif calling:
        squad = rng.choice(calling)
        for who in (town.rival, town.requester, walk.anyone(rng)):
            walk.say(p.SquadAsk, who, squad=squad.id, stake_units=rng.choice([STAKE, 3_000]), surety_units=9)
        places = min(town.net.get(Task, squad.task).most_parts, 3) - 1
        walk.attempt(joining(town, squad, shortlist=max(1, places), exclusive_ms=rng.choice([500, 9_000])))
        task = town.net.get(Task, squad.task)
        if task.state == "allocating" and rng.randrange(4):
            walk.attempt(town.net.shortlist_draw_of(task.id))


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
