"""Draws are made when nobody waits, and when somebody has waited for too long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.houses import House
from tests.services.logs import check_log
from tests.services.statements import Party, Town
from trust import clock
from trust.core.payloads import KeyAdopt
from trust.core.records import Allocation, Claim, Task
from trust.services import drawing
from trust.services.drawing import Drawing, seal_pools
from trust.services.receipts import Refusal
from trust.storage.engine import Database
from trust.storage.reading import reading


def test_a_draw_gives_way_to_callers_for_a_while_only(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(database, tmp_path).found()
    (worker, _) = house.town.workers
    house.receipts(house.town.output(house.claimed("a-task", worker), worker))
    now_ms = [clock.monotonic_ms()]
    monkeypatch.setattr(clock, "monotonic_ms", lambda: now_ms[0])
    busy = [True]
    draws = Drawing(database, house.sequencer, [house.town.draw.seed], lambda: busy[0])
    house.sequencer.start()
    try:
        assert draws.run() == 0
        now_ms[0] += drawing.PATIENCE_MS
        assert draws.run() == 1
    finally:
        house.sequencer.stop()
    with reading(database) as reader:
        assert reader.awaiting_draw() == []


def test_an_allocation_is_drawn_once_it_is_committed(database: Database, tmp_path: Path) -> None:
    house = House(database, tmp_path, Town(workers=5)).found()
    town = house.town
    house.receipts(town.post("a-task", relay=town.relay))
    candidates = tuple(worker.did for worker in town.workers)
    (early,) = house.decide(town.allocation("a-task", candidates))
    assert isinstance(early, Refusal)
    assert early.code == "not-in-checkpoint"
    town.now_ms += 1
    house.receipts(town.allocation("a-task", candidates))
    drawing = Drawing(database, house.sequencer, [town.draw.seed])
    house.sequencer.start()
    try:
        assert drawing.run() == 1
        assert drawing.run() == 0
    finally:
        house.sequencer.stop()
    with reading(database) as reader:
        allocation, task = reader.record(Allocation, "a-task"), reader.record(Task, "a-task")
        assert reader.awaiting_shortlist() == []
    assert allocation is not None
    assert task is not None
    assert (task.state, allocation.state, len(allocation.shortlist)) == ("open", "drawn", 2)
    assert {place.agent for place in allocation.shortlist} <= set(candidates)
    check_log(database, town.log.verifier)


def test_a_shortlist_of_all_is_drawn_from_the_sealed_pool(database: Database, tmp_path: Path) -> None:
    house = House(database, tmp_path, Town(workers=5)).found()
    town = house.town
    house.receipts(town.post("a-task", relay=town.relay))
    town.now_ms += town.policy.verifiers.epoch_ms
    drawing = Drawing(database, house.sequencer, [town.draw.seed])
    house.sequencer.start()
    try:
        house.sequencer.submit([town.deposit(town.requester.did)]).result()
        assert seal_pools(database, house.sequencer) == 2
        town.now_ms += 1
        (asked,) = house.sequencer.submit([town.allocation("a-task", ())]).result()
        assert not isinstance(asked, Refusal)
        assert drawing.run() == 1
    finally:
        house.sequencer.stop()
    with reading(database) as reader:
        allocation = reader.record(Allocation, "a-task")
    assert allocation is not None
    assert (allocation.eligible, allocation.owners, len(allocation.shortlist)) == (6, 6, 2)
    assert town.requester.did not in {place.agent for place in allocation.shortlist}


def test_a_draw_waits_for_its_key_and_is_made_when_the_key_is_there(
    database: Database, tmp_path: Path
) -> None:
    house = House(database, tmp_path).found()
    town, (worker, _), new = house.town, house.town.workers, Party("draw 2")
    house.receipts(town.say(KeyAdopt, town.operator, use="draw", key=new.did))
    claim = house.claimed("a-task", worker)
    house.receipts(town.output(claim, worker))
    found: list[bytes] = []
    draws = Drawing(database, house.sequencer, [town.draw.seed], more_seeds=lambda: found)
    house.sequencer.start()
    try:
        assert draws.run() == 0
        found.append(new.seed)
        assert draws.run() == 1
    finally:
        house.sequencer.stop()
    with reading(database) as reader:
        assert reader.awaiting_draw() == []
        [former, current] = reader.service_keys("draw")
        assert 0 < former.until_index < reader.records(Claim, [claim])[0].index
        assert current.until_index == -1
