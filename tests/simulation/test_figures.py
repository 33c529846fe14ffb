"""Means, intervals, goals, and how they are shown."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tests.simulation.worlds import TINY, standard, world
from trust.simulation import goals, table
from trust.simulation.chart import svg
from trust.simulation.running import RULES, SCHEMES, Results, play
from trust.simulation.tally import Figure, Tally, figure, figures


def test_an_interval_is_student_s() -> None:
    found = figure([1.0, 2.0, 3.0, 4.0])
    assert found.mean == 2.5
    assert found.high - found.mean == pytest.approx(3.182 * 1.290994 / 2, abs=1e-4)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_one_value_is_its_own_interval() -> None:
    assert figure([0.25]) == Figure(0.25, 0.25, 0.25)


def test_shares_are_of_what_they_say() -> None:
    tally = Tally(outputs=100, bad=20, bad_accepted=5, good_rejected=4, votes=150, cheat_units=-40)
    means = {name: found.mean for name, found in figures([tally]).items()}
    assert means["bad_accepted"] == 0.05
    assert means["honest_rejected"] == 0.05
    assert means["bad_caught"] == 0.75
    assert means["checks_per_task"] == 1.5
    assert means["units_per_cheat"] == -2


def test_a_goal_is_missed_at_its_limit_and_only_in_worlds_that_it_is_for() -> None:
    just = {name: Figure(0.0, 0.0, 0.0) for name in figures([Tally()])}
    just["units_per_cheat"] = Figure(-1.0, -1.0, -1.0)
    assert goals.missed(world("constant"), just) == []
    just["units_per_cheat"] = Figure(-1.0, -3.0, 1.0)
    assert [each.goal for each in goals.missed(world("constant"), just)] == [
        "a cheat loses money, with the whole interval"
    ]
    just["units_per_cheat"] = Figure(-2.0, -3.0, -1.0)
    just["bad_accepted"] = Figure(0.001, 0.0, 0.002)
    assert [each.goal for each in goals.missed(world("constant"), just)] == [goals.GOALS[0].words]
    assert goals.missed(world("sometimes"), just) == []


@pytest.fixture(scope="module")
def results() -> Results:
    return play([world("constant"), world("never")], standard(), TINY)


def test_the_chart_is_an_svg_with_a_mark_for_every_scheme_in_every_world(results: Results) -> None:
    root = ET.fromstring(svg(results))
    names = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert set(SCHEMES) <= set(names)
    assert names.count("a test's world") == 2
    marks = list(root.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(marks) == len(SCHEMES) + 3 * 2 * len(SCHEMES)
    width = float(root.attrib["width"])
    assert all(0 < float(mark.attrib["cx"]) < width for mark in marks)


def test_the_table_has_a_row_for_every_scheme_and_the_goals_name_what_was_missed(results: Results) -> None:
    assert table.table(results).row_count == 2 * len(SCHEMES)
    assert table.shown("bad_accepted", Figure(0.00123, 0.001, 0.00146)) == "0.123 ±0.023"
    assert table.shown("units_per_cheat", Figure(-340.4, -350.0, -330.8)) == "-340 ±10"
    told = table.goals(results)
    assert len(told) == max(1, len(results.missed))
    assert all(each.world in told[place] for place, each in enumerate(results.missed))


def test_processes_change_nothing(results: Results) -> None:
    """A process each for the seeds of one world."""
    assert play([world("constant")], standard(), TINY, processes=2).worlds == results.worlds[:1]
    assert all(len(result.counts[RULES]) == TINY.seeds for result in results.worlds)
