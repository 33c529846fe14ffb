"""A game is played by the real rules: its log replays, and what should come of a world does."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.core.invariants import Checker, check_log
from tests.simulation.worlds import TINY, game, standard, world
from trust.core.records import SealedPool, Seat
from trust.simulation.game import Game
from trust.simulation.tally import Tally
from trust.simulation.worlds import PPM, Size

RETURNING = world("constant", returns=True, error_ppm=0)
LONG = Size(workers=10, tasks=20)


@pytest.fixture(scope="module")
def colluded() -> Game:
    """A game with colluders and proven draws, played."""
    played = game(world(colluding_ppm=300_000), Size(workers=6, tasks=4), proven=True)
    played.play()
    return played


@pytest.fixture(scope="module")
def returned() -> Tally:
    return game(RETURNING, LONG).play()


def test_the_log_of_a_game_replays_to_the_same_bytes_and_records(colluded: Game) -> None:
    records, log = colluded.net.state.records, colluded.net.log
    check_log(log, records)
    Checker().check(records, log, colluded.net.now_ms)
    assert len(log) == colluded.tally.entries
    assert any(isinstance(record, Seat) and record.round > 1 for record in records.values())


def test_pools_are_sealed_again_as_weights_change(colluded: Game) -> None:
    seals = [record for record in colluded.net.state.records.values() if isinstance(record, SealedPool)]
    assert len({seal.root for seal in seals}) > 2
    assert all(seal.count == colluded.size.verifiers for seal in seals)


def test_where_nobody_cheats_or_colludes_nothing_is_rejected_and_nobody_shut_out() -> None:
    """Three errors of 2 % on one panel are expected once in 125,000 checks; there are a few hundred."""
    tally = game(world("never"), Size(workers=20, tasks=10)).play()
    assert (tally.outputs, tally.bad, tally.good_rejected, tally.honest_shut_out) == (200, 0, 0, 0)
    assert tally.votes >= 3 * tally.outputs
    assert tally.voided == 0


def test_a_constant_cheat_is_caught_three_times_and_shut_out() -> None:
    tally = game(world("constant"), LONG).play()
    assert tally.cheats_shut_out == 2
    assert 6 <= tally.bad <= 12, "what is under way at the third strike still ends"
    assert tally.bad_accepted == 0
    assert tally.cheat_units < 0


def test_a_cheat_that_registers_anew_goes_on_and_pays_each_time(returned: Tally) -> None:
    assert returned.bad == 40
    assert returned.cheats_shut_out == 0
    assert returned.registered_anew >= 10
    assert returned.cheat_units < -200 * returned.bad


def test_a_cheat_s_figure_counts_the_bond_of_its_name(returned: Tally) -> None:
    """The same works and draws; each name that was caught costs its bond beside the stakes."""
    policy = standard()
    free = Game(
        RETURNING, replace(policy, registration=replace(policy.registration, name_bond_units=0)), LONG, 1
    )
    free.net.proven = False
    nameless = free.play()
    assert returned.bad == nameless.bad
    burned = returned.registered_anew * policy.registration.name_bond_units
    assert returned.cheat_units == nameless.cheat_units - burned < nameless.cheat_units


def test_where_every_verifier_colludes_bad_work_is_accepted_and_good_work_rejected() -> None:
    """The simulation can fail: nothing in it knows which work is good but those who look."""
    tally = game(world("constant", colluding_ppm=PPM)).play()
    assert tally.bad_accepted == tally.bad > 0
    assert tally.good_rejected == tally.outputs - tally.bad > 0
    assert tally.honest_shut_out > 0
    assert tally.cheat_units > 0


def test_where_nobody_looks_everything_is_accepted() -> None:
    tally = game(world("constant", lazy_ppm=PPM)).play()
    assert tally.bad_accepted == tally.bad == TINY.workers // 5 * TINY.tasks
    assert tally.good_rejected == 0


def test_a_careful_ring_keeps_its_bonds_and_an_open_one_loses_them() -> None:
    size = Size(workers=20, tasks=10)
    by_ring = {
        ring: game(world("constant", colluding_ppm=200_000, ring=ring, error_ppm=0), size).play()
        for ring in ("open", "careful")
    }
    assert by_ring["open"].ring_units < 0 < by_ring["careful"].ring_units
    assert by_ring["open"].votes > by_ring["careful"].votes


def test_good_work_that_a_ring_failed_is_challenged_and_mostly_saved() -> None:
    tally = game(world("never", colluding_ppm=400_000, ring="careful"), Size(workers=20, tasks=10)).play()
    assert tally.challenges >= 8
    assert tally.good_rejected <= tally.challenges // 3


def test_a_requester_that_looks_catches_what_lazy_verifiers_let_through() -> None:
    unseen, seen = (
        game(world("constant", lazy_ppm=400_000, looks_ppm=looks), seed=3).play() for looks in (0, PPM)
    )
    assert unseen.challenges == 0
    assert seen.challenges > 0
    assert seen.bad_accepted < unseen.bad_accepted


def test_one_seed_is_one_game_and_another_is_another() -> None:
    one, again, other = (
        game(world("sometimes", colluding_ppm=200_000), seed=seed).play() for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other
