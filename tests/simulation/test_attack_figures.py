"""What attacks come to over seeds, which goals are missed, and how both are shown."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from tests.simulation.worlds import standard
from trust.simulation import attack_table
from trust.simulation.attack_chart import svg
from trust.simulation.attacking import SCHEMES, Results, Summary, missed, play
from trust.simulation.attacks import ATTACKS, Scale
from trust.simulation.running import RULES
from trust.simulation.spoils import Spoils, figures, known_within
from trust.simulation.tally import Figure

TINY = Scale(agents=12, days=3, seeds=2)
PLAYED = [ATTACKS["always-bad"], ATTACKS["traitor"]]


@pytest.fixture(scope="module")
def results() -> Results:
    return play(PLAYED, [100_000, 300_000], standard(), "tenth", TINY)


def test_shares_are_of_the_second_half_of_the_days() -> None:
    counted = Spoils(posted=[10, 10], taken=[9, 4], spoiled=[8, 2], checked=[6, 1], known=[500, 701, -1, 700])
    means = {name: found.mean for name, found in figures([counted]).items()}
    assert (means["spoiled"], means["taken"], means["checked"]) == (0.2, 0.4, 0.1)
    assert means["checked_ever"] == 0.35
    assert means["newcomers_known"] == 0.5
    assert known_within(counted, 5) == 0.25


def test_every_scheme_has_its_figures_for_every_attack_and_share(results: Results) -> None:
    assert [(each.attack.name, each.malicious_ppm) for each in results.attacks] == [
        (attack.name, share) for share in (100_000, 300_000) for attack in PLAYED
    ]
    for each in results.attacks:
        assert set(each.schemes) == set(each.spoiled) == set(each.over_time) == set(SCHEMES)
        assert all(len(shares) == TINY.seeds for shares in each.spoiled.values())
    assert len(results.summaries) == 2 * len(SCHEMES)


def test_a_mean_over_attacks_has_the_interval_of_its_seeds(results: Results) -> None:
    ours = next(each for each in results.summaries if each.scheme == RULES)
    per_attack = [each.spoiled[RULES] for each in results.attacks if each.malicious_ppm == 100_000]
    means = [sum(shares) / len(per_attack) for shares in zip(*per_attack, strict=True)]
    assert ours.mean.mean == pytest.approx(sum(means) / len(means), abs=1e-6)
    assert ours.worst.mean == max(
        each.schemes[RULES]["spoiled"].mean for each in results.attacks if each.malicious_ppm == 100_000
    )


def test_goals_over_all_attacks_count_where_all_were_played(results: Results) -> None:
    bad = Figure(0.5, 0.4, 0.6)
    total = [Summary(RULES, 300_000, bad, bad, "traitor")]
    assert not [
        each for each in missed(results.attacks, total, "tenth", 250_000) if "mean share" in each.goal
    ]
    first = next(each for each in results.attacks if each.malicious_ppm == 300_000)
    every = [replace(first, attack=attack) for attack in ATTACKS.values()]
    told = [each.goal for each in missed(every, total, "tenth", 250_000)]
    assert told[:2] == ["mean share spoiled at most 2.3%", "share spoiled at most 4.5%"]
    good = [Summary(RULES, 300_000, Figure(0, 0, 0), Figure(0, 0, 0), "traitor")]
    assert not [each for each in missed(every, good, "tenth", 250_000) if "share spoiled" in each.goal]


def test_the_chart_is_an_svg_with_a_line_for_every_scheme_in_every_attack(results: Results) -> None:
    root = ET.fromstring(svg(results))
    space = "{http://www.w3.org/2000/svg}"
    texts = [text.text for text in root.iter(f"{space}text")]
    assert set(SCHEMES) <= set(texts)
    assert {attack.name for attack in PLAYED} <= set(texts)
    assert len(list(root.iter(f"{space}polyline"))) == len(PLAYED) * len(SCHEMES) + 1


def test_the_tables_have_a_row_for_every_scheme_and_every_attack(results: Results) -> None:
    assert [table.row_count for table in attack_table.tables(results)] == 2 * [len(SCHEMES), len(PLAYED)]
    assert attack_table.shown(Figure(0.0123, 0.01, 0.0146)) == "1.2 ±0.2"
    assert len(attack_table.goals(results)) == max(1, len(results.missed))


def test_processes_change_nothing(results: Results) -> None:
    """A process each for the seeds of one attack."""
    spread = play(PLAYED[:1], [300_000], standard(), "tenth", TINY, processes=2)
    (alone,) = [
        each for each in results.attacks if each.attack == PLAYED[0] and each.malicious_ppm == 300_000
    ]
    assert spread.attacks == [alone]
    assert len(set(alone.spoiled[RULES])) > 1
