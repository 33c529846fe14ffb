"""The four patterns side by side: what a run's facts come to, as a table and a picture; and, slowly, for real."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from xml.etree import ElementTree as ET

import pytest

from trust.sandbox import comparing
from trust.sandbox.board import Board
from trust.sandbox.comparing import PARTS, compared
from trust.sandbox.patterns import DRIVERS
from trust.sandbox.patterns.driving import Driver


def facts(pattern: str = "hybrid", held: bool = True) -> dict[str, Any]:
    leg = {"count": 4, "p50_ms": 10, "p99_ms": 90}
    figures = {
        "tasks": 4,
        "tasks_per_s": 2.5,
        "post_to_claim": leg,
        "claim_to_output": leg,
        "output_to_end": leg,
    }
    return {
        "pattern": pattern,
        "figures": figures,
        "relay": {"traffic": {"sent": 30, "received": 10, "sent_bytes": 3_000, "received_bytes": 1_000}},
        "overhead": {"network": {"total": {"coordination_ppm": 250_000}}},
        "held": {"every task is at its end": held},
    }


def test_a_run_comes_to_its_figures_a_task() -> None:
    found = compared(facts(), {"the service": 0})
    assert (found.messages, found.bytes, found.coordination_ppm) == (10, 1_000, 250_000)
    assert found.wait_ms == (10, 90)
    assert found.held
    assert not compared(facts(held=False), {}).held


def test_the_table_has_a_row_a_pattern_and_a_dash_for_a_part_that_there_is_not() -> None:
    survives: dict[str, int | None] = dict.fromkeys(PARTS, 80)
    found = [
        compared(facts(name), survives | ({comparing.DRIVER: None} if name == "p2p" else {}))
        for name in DRIVERS
    ]
    head, rule, *rows = comparing.markdown(found)
    assert len(rows) == len(DRIVERS)
    assert {line.count("|") for line in (head, rule, *rows)} == {head.count("|")}
    assert rows[1].startswith("| p2p | 2.5 | 10 ms, p99 90 ms |")
    assert rows[1].endswith("| - | 80 % | 80 % | 80 % | 80 % |")


def test_the_picture_is_an_svg_with_a_bar_a_pattern_and_measure() -> None:
    found = [compared(facts(name), {"the service": 0}) for name in DRIVERS]
    root = ET.fromstring(comparing.svg(found))
    bars = [each for each in root.iter() if each.tag.endswith("rect")]
    assert len(bars) == len(DRIVERS) * len(comparing.PANELS)


def test_outputs_are_counted_between_two_moments_of_the_log() -> None:
    board = Board("http://127.0.0.1:1")
    board.events = [{"kind": "output.submitted", "at_ms": at_ms} for at_ms in (5, 10, 19, 20)]
    assert comparing.outputs(board, 10, 20) == 2


def test_a_driver_that_is_held_posts_nothing_until_it_goes_on() -> None:
    class Link:
        is_up = True
        posted: ClassVar[list[bytes]] = []

        async def post(self, envelopes: list[bytes], allocate: Any = None) -> list[dict[str, Any]]:
            self.posted.extend(envelopes)
            return [{"status": 201}] * len(envelopes)

    async def test() -> None:
        nothing: Any = SimpleNamespace(transport=None, exchanges=None, network="n", now_ms=lambda: 0)
        driver = Driver(nothing, nothing, nothing, bytes(32), 1)
        driver.links = [Link()]  # type: ignore[list-item]
        driver.goes_on.clear()
        posting = asyncio.create_task(driver._post([b"one"]))
        await asyncio.sleep(0)
        assert not posting.done()
        assert Link.posted == []
        driver.goes_on.set()
        await posting
        assert Link.posted == [b"one"]

    asyncio.run(test())


@pytest.mark.slow
@pytest.mark.journey
def test_the_four_patterns_run_side_by_side_and_everything_holds(tmp_path: Path) -> None:
    found = asyncio.run(comparing.compare(tmp_path, 6, 12, 3, lambda *_: None))
    assert [each.pattern for each in found] == list(DRIVERS)
    assert all(each.held for each in found)
    for each in found:
        assert each.survives["the service"] in (None, *range(51))
    by_name = {each.pattern: each for each in found}
    assert by_name["p2p"].survives[comparing.DRIVER] is None
