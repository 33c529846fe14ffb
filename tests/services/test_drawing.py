"""Draws are made when nobody waits, and when somebody has waited for too long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.houses import House
from trust import clock
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
