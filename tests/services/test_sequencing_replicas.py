"""Replicas are equal: any of them decides, the head's lock puts them in one order, and nothing else is shared."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.services.houses import House
from tests.services.logs import check_log, check_receipt
from tests.services.statements import Town
from trust.core.commands import Spoken
from trust.core.records import Claim, Task
from trust.services import headfile
from trust.services.receipts import Outcome, Receipt, Refusal
from trust.services.sequencing import Limits, Sequencer
from trust.storage.engine import Database
from trust.storage.reading import reading

pytestmark = pytest.mark.postgres
MOST_TASKS = 5_000
GROUP = 25


@pytest.fixture
def houses(postgres_url: str, tmp_path: Path) -> Iterator[list[House]]:
    """Two replicas of one log, each with its own connections, its own memory and its own head file."""
    town, houses = Town(), []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        limits = Limits(inbox_statements=10 * MOST_TASKS, batch_statements=500)
        houses.append(House(Database(postgres_url), tmp_path / name, town, limits, take_over=True))
    houses[0].found()
    houses[1].sequencer.open()
    yield houses
    for house in houses:
        house.sequencer.stop()
        house.database.close()


def submit_all(sequencer: Sequencer, statements: list[Spoken]) -> list[Future[list[Outcome]]]:
    return [sequencer.submit(statements[at : at + GROUP]) for at in range(0, len(statements), GROUP)]


@pytest.mark.parametrize("tasks", [1_000, pytest.param(MOST_TASKS, marks=pytest.mark.slow)])
def test_each_of_many_tasks_that_two_replicas_contend_for_has_one_winner(
    houses: list[House], tasks: int
) -> None:
    one, two = houses
    town = one.enlist().town
    names = [f"task-{number}" for number in range(tasks)]
    posted = one.receipts(*(town.post(name) for name in names))
    indices = {name: receipt.index for name, receipt in zip(names, posted, strict=True)}
    asks = []
    for house, worker in zip(houses, town.workers, strict=True):
        order = random.Random(worker.did).sample(names, tasks)
        asks.append([town.claim(name, indices[name], worker) for name in order])
        house.sequencer.start()
    answers = [submit_all(house.sequencer, ask) for house, ask in zip(houses, asks, strict=True)]
    outcomes = [[outcome for answer in mine for outcome in answer.result(timeout=120)] for mine in answers]
    won = [[isinstance(outcome, Receipt) for outcome in mine] for mine in outcomes]
    assert sum(map(sum, won)) == tasks
    assert all(map(any, won)), "they did not contend"
    for mine in outcomes:
        assert {each.code for each in mine if isinstance(each, Refusal)} == {"already-claimed"}
    check_log(two.database, town.log.verifier)
    for mine in outcomes:
        for outcome in mine[:: tasks // 10]:
            if isinstance(outcome, Receipt):
                check_receipt(one.database, town.log.verifier, outcome)
    with reading(one.database) as reader:
        assert all(len(reader.claims_on(name)) == 1 for name in names)
        found = reader.records(Task, names)
        claims = {claim.id for claim in reader.records(Claim, [task.claim for task in found])}
        assert len(claims) == tasks


def test_a_replica_takes_up_what_the_other_appended(houses: list[House]) -> None:
    one, two = houses
    for number in range(6):
        for house in (one, two):
            (receipt,) = house.receipts(one.town.post(f"task-{number}-{houses.index(house)}"))
            check_receipt(two.database, one.town.log.verifier, receipt)
    said = one.town.post("once")
    (first,), (again,) = one.receipts(said), two.receipts(said)
    two.receipts(one.town.post("last"))
    assert (again.index, again.repeated) == (first.index, True)
    assert headfile.read(two.head_file) != headfile.read(one.head_file)
    one.decide()
    assert headfile.read(two.head_file) == headfile.read(one.head_file)
    check_log(one.database, one.town.log.verifier)


def test_a_timer_that_both_replicas_fire_is_settled_once(houses: list[House]) -> None:
    one, two = houses
    claim = one.claimed("left", one.town.workers[0])
    one.town.now_ms += one.town.policy.claims.lease_ms + one.town.policy.windows.grace_ms
    one.decide()
    with reading(one.database) as reader:
        size = reader.head().size
    two.decide()
    with reading(one.database) as reader:
        assert reader.head().size == size
        assert [entry.kind for entry in reader.timeline([claim])][-1] == "clock"
    check_log(one.database, one.town.log.verifier)
