"""Starting early, in virtual time: what is measured is what the closed forms say, and it pays where they say so."""

from __future__ import annotations

import asyncio
import json
import random

import pytest

from trust.cli import run
from trust.sandbox import speculating, virtual
from trust.sandbox.speculating import Speculation, Terms, measured


@pytest.fixture(scope="module")
def found() -> Speculation:
    return measured(Terms(attempts=120))


def test_a_virtual_hour_takes_no_time_and_ends_at_its_second() -> None:
    async def hour() -> float:
        await asyncio.gather(asyncio.sleep(3_600), asyncio.sleep(60))
        return asyncio.get_running_loop().time()

    assert virtual.run(hour()) == pytest.approx(3_600)


def test_where_everything_waits_and_nothing_is_due_the_clock_says_so() -> None:
    async def stuck() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="nothing is due"):
        virtual.run(stuck())


def test_what_is_measured_is_what_the_closed_form_says(found: Speculation) -> None:
    for row in found.worker:
        assert row.saved_ms == pytest.approx(row.saved_formula_ms, rel=0.4, abs=8)
        assert row.thrown_ms == pytest.approx(row.thrown_formula_ms, rel=0.4, abs=8)
    for row in found.consumer:
        assert row.saved_ms == pytest.approx(row.saved_formula_ms, rel=0.25)
        assert row.thrown_ms == pytest.approx(row.thrown_formula_ms, rel=0.5, abs=100)


def test_the_contexts_save_and_throw_away_what_each_draw_says_to_the_ms() -> None:
    terms, saved, thrown = Terms(attempts=100), 0.0, 0.0
    dice = random.Random("worker/1/0.3")
    for _ in range(100):
        wait_ms, work_ms = dice.expovariate(1) * 40, dice.expovariate(1) * 400
        is_won = dice.random() < 0.3
        saved += min(wait_ms, work_ms) if is_won else 0
        thrown += 0 if is_won else min(wait_ms, work_ms)
    row = speculating._worker_row(terms, 0.3)
    assert row.saved_ms == pytest.approx(saved / 100, abs=0.1)
    assert row.thrown_ms == pytest.approx(thrown / 100, abs=0.1)
    dice, saved, thrown = random.Random("consumer/1/1.0/0.3"), 0.0, 0.0
    for _ in range(100):
        check_ms, build_ms = dice.expovariate(1) * 2_000, dice.expovariate(1) * 1_500
        _, is_bad = dice.random(), dice.random() < 0.3
        saved += 0 if is_bad else min(check_ms + terms.window_ms, build_ms)
        thrown += min(check_ms, build_ms) if is_bad else 0
    row = speculating._consumer_row(terms, 1.0, 0.3)
    assert row.saved_ms == pytest.approx(saved / 100, abs=0.1)
    assert row.thrown_ms == pytest.approx(thrown / 100, abs=0.1)


def test_a_winner_throws_nothing_away_and_saves_most(found: Speculation) -> None:
    saved = [row.saved_ms for row in found.worker]
    assert found.worker[-1].thrown_ms == 0
    assert max(saved) == saved[-1]
    assert found.consumer[0].thrown_ms == 0  # nothing is checked, nothing is taken back


@pytest.mark.parametrize("worth", [1.0, 4.0, 0.25])
def test_it_pays_from_the_chance_on_that_the_closed_form_gives(worth: float) -> None:
    terms, limit = Terms(worth=worth, attempts=150), 1 / (1 + worth)
    under, over = (speculating._worker_row(terms, limit + by) for by in (-0.1, 0.1))
    assert (under.pays, over.pays) == (False, True)


def test_building_on_what_is_mostly_bad_does_not_pay() -> None:
    terms = Terms(attempts=100)
    assert speculating._consumer_row(terms, 1.0, 0.05).pays
    assert not speculating._consumer_row(terms, 1.0, 0.9).pays


def test_the_same_seed_gives_the_same_figures() -> None:
    terms = Terms(attempts=50, seed=9)
    assert [speculating._worker_row(terms, 0.3)] == [speculating._worker_row(terms, 0.3)]


def test_the_command_prints_both_tables_and_from_where_on_it_pays(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sandbox", "speculate", "--attempts", "20"]) == 0
    said = capsys.readouterr().out
    assert "| chance to win | saved, ms | closed form |" in said
    assert "by the closed form from 50% on" in said
    assert run(["sandbox", "speculate", "--attempts", "5", "--worth", "300", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["worker_pays_from_formula"] == 0.25
    assert run(["sandbox", "speculate", "--work", "0ms"]) == 2
