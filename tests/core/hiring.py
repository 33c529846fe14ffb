"""Steps of the random network that have the draw decide who works."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.core.flows import STAKE
from trust.core.records import Allocation, Task

if TYPE_CHECKING:
    from tests.core.steps import Steps


def allocate(steps: Steps, rng: Random) -> None:
    """Has a task allocated, among some or all, and mostly makes the draw."""
    tasks = [
        task for task in steps.net.all(Task) if task.relay and (task.state == "open" or not rng.randrange(8))
    ]
    if not tasks:
        steps.post(rng)
        return
    task = rng.choice(tasks)
    candidates = (
        *tuple(rng.sample(list(steps.net.people), 2)),
        steps.scene.worker.did,
        steps.scene.rival.did,
    )
    said = steps.scene.allocation(
        task.id,
        relay=task.relay,
        candidates=rng.choice([(), tuple(dict.fromkeys(candidates))]),
        shortlist=rng.choice([1, 1, 1, 2, 3]),
        exclusive_ms=rng.choice([1_000, 9_000]),
    )
    if steps.attempt(said) is not None and rng.randrange(4):
        steps.attempt(steps.net.shortlist_draw_of(task.id))


def claim_drawn(steps: Steps, rng: Random) -> None:
    """Somebody on a shortlist claims, with a stake that does for the probation lane or just misses it."""
    drawn = [each for each in steps.net.all(Allocation) if each.state == "drawn" and not each.used]
    if not drawn:
        allocate(steps, rng)
        return
    allocation = rng.choice(drawn)
    worker = steps.net.people[rng.choice(allocation.shortlist).agent]
    stake = rng.choice([STAKE, STAKE, 105, 3_300])
    steps.attempt(steps.scene.request(allocation.id, worker, stake_units=stake))
