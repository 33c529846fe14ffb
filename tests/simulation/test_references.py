"""The schemes to compare with do what their descriptions say, on the same events as the rulebook."""

from __future__ import annotations

import pytest

from tests.simulation.worlds import TINY, game, world
from trust.simulation import references
from trust.simulation.chance import Chance
from trust.simulation.tally import Tally
from trust.simulation.worlds import Size, World


def played(scheme: str, of: World, size: Size = TINY) -> Tally:
    return references.play(scheme, Chance(of, 1, size.workers, size.verifiers), size)


def test_without_checks_every_bad_output_is_accepted_and_saves_its_effort() -> None:
    tally = played("no checks", world("constant"))
    assert (tally.outputs, tally.bad, tally.bad_accepted, tally.votes) == (60, 12, 12, 0)
    chance = Chance(world("constant"), 1, TINY.workers, TINY.verifiers)
    works = [chance.work(worker, number) for worker in range(2) for number in range(6)]
    assert tally.cheat_units == sum(work.effort_units for work in works)


def test_a_majority_of_three_costs_three_votes_and_is_wrong_as_often_as_two_of_three_are() -> None:
    """A fifth that always lies and 2 % errors of the rest: 21.6 % wrong votes, 12.0 % wrong majorities."""
    size = Size(workers=100, tasks=100)
    tally = played("majority of three", world("constant", colluding_ppm=200_000), size)
    assert tally.votes == 3 * tally.outputs
    assert tally.bad_accepted / tally.bad == pytest.approx(0.12, abs=0.02)
    assert tally.good_rejected / (tally.outputs - tally.bad) == pytest.approx(0.12, abs=0.015)


def test_adaptive_replication_checks_an_honest_host_on_five_percent_of_its_first_thousand() -> None:
    size = Size(workers=40, tasks=1_000)
    tally = played("BOINC adaptive", world("never", error_ppm=0), size)
    assert tally.votes / tally.outputs == pytest.approx(0.046, abs=0.004)
    assert tally.good_rejected == 0


def test_adaptive_replication_distrusts_a_host_after_a_bad_result() -> None:
    tally = played("BOINC adaptive", world("constant", error_ppm=0), Size(workers=10, tasks=50))
    assert tally.bad_accepted == 0
    assert tally.votes >= 3 * tally.bad


@pytest.mark.parametrize("habit", ["sometimes", "expensive"])
def test_every_scheme_meets_the_same_works(habit: str) -> None:
    of = world("sometimes" if habit == "sometimes" else "expensive")
    tallies = [played(scheme, of) for scheme in references.SCHEMES]
    assert len({(tally.outputs, tally.bad) for tally in tallies}) == 1
    rules = game(of, TINY)
    assert rules.chance.work(0, 3) == Chance(of, 1, TINY.workers, TINY.verifiers).work(0, 3)
    assert rules.play().bad <= tallies[0].bad
