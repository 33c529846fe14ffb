"""Draws are made when nobody waits, and when somebody has waited for too long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.houses import House
from tests.services.statements import Party
from trust import clock
from trust.core.payloads import KeyAdopt
from trust.core.records import Claim
from trust.services import drawing
from trust.services.drawing import Drawing
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
        assert [key.until_index for key in reader.service_keys("draw")] == [
            reader.records(Claim, [claim])[0].index - 2,
            -1,
        ]
