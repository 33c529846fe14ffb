"""Players who use the rules are played by them, and honest work is what they are held against."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tests.simulation.worlds import TINY, standard
from trust.simulation import table
from trust.simulation.chart import svg
from trust.simulation.exploit.moves import MEMBERS, catalogue
from trust.simulation.exploit.opening import Opening
from trust.simulation.exploit.play import play as play_history
from trust.simulation.players import PLAYERS, Player, honest_twin, play_player
from trust.simulation.running import Results, play
from trust.simulation.safety import RECORDS, STAKES


@pytest.mark.parametrize("player", PLAYERS.values(), ids=PLAYERS.keys())
def test_a_player_s_moves_are_moves_of_the_search(player: type[Player]) -> None:
    known = catalogue(player.with_operator)
    for move in player.history:
        assert move.act in known
        assert move.args.keys() <= known[move.act].keys()
        assert player.with_operator or move.who < MEMBERS


@pytest.mark.parametrize("player", PLAYERS.values(), ids=PLAYERS.keys())
def test_an_honest_twin_does_no_harm_and_gains_nothing(player: type[Player]) -> None:
    """But for a verifier's error now and then, which its worker pays the appeal of."""
    opening = Opening(standard())
    outcome = play_history(opening, honest_twin(player.history), 1)
    assert not any("garbage" in label for label in outcome.ends)
    assert outcome.gain_units <= 0


def test_a_player_s_figures_have_intervals_and_one_seed_is_one_game() -> None:
    one, again = (play_player(PLAYERS["burst"], standard(), range(2)) for _ in range(2))
    assert one == again
    assert one.gain_units.low < one.gain_units.mean < one.gain_units.high
    assert one.against_work_units.mean < one.gain_units.mean


@pytest.fixture(scope="module")
def results() -> Results:
    return play([], standard(), TINY, players=[PLAYERS["fresh names"]])


def test_what_safety_costs_falls_with_a_record(results: Results) -> None:
    by_class = {(cost.stake, cost.record): cost for cost in results.safety}
    assert by_class.keys() == {(stake, record) for stake in STAKES for record in RECORDS[:-1]}
    for stake in STAKES:
        first, last = by_class[stake, RECORDS[0]], by_class[stake, RECORDS[-2]]
        assert first.check_rate.mean == 1.0
        assert last.check_rate.mean < 0.6
        assert last.votes.mean < first.votes.mean
        assert last.fees_units.mean < first.fees_units.mean
        assert first.stake_days.mean > 1
    dear, cheap = by_class["most", RECORDS[-2]], by_class["price", RECORDS[-2]]
    assert dear.check_rate.mean < 0.25
    assert dear.check_rate.mean < cheap.check_rate.mean / 2
    staked = 2 * standard().verifier_stake_units
    assert all(0.98 * staked < cost.verifier_units.mean <= staked for cost in by_class.values())


def test_players_and_costs_are_told_in_tables(results: Results) -> None:
    gains, prices = table.strategic(results)
    assert gains.row_count == 1
    assert prices.row_count == len(STAKES) * (len(RECORDS) - 1)
    assert table.goals(results)


def test_players_and_costs_are_drawn(results: Results) -> None:
    root = ET.fromstring(svg(results))
    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "fresh names" in words
    assert set(STAKES) <= set(words)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}circle"))) == 2 * len(results.players)
