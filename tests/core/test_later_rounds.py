"""What a later round on a batch decides: its own draw, and once more what was contested (docs/rules.md 5).

Each sample is held against the accept count of a plain uniform sample. So an item that came in because somebody doubted
it never counts against a limit that was made for items drawn by chance.
"""

from __future__ import annotations

import pytest

from tests.core.flows import Scene, scene
from tests.core.test_panels import alone, shared
from trust.core.events import RoundOpened
from trust.core.records import Round, Seat
from trust.core.sampling import items

COUNT = 1_000


@pytest.fixture
def town() -> Scene:
    return scene(verifiers=30)


def tolerant(town: Scene) -> str:
    """A batch in which 5 % bad items are tolerated, before its first vote."""
    return town.opened(**town.batch_task(COUNT, tolerated_bad_ppm=50_000))


def say(town: Scene, claim: str, bad: set[int]) -> None:
    """Every seat calls exactly these of its items bad."""
    panel = town.round(claim)
    town.judge(claim, bad=[sorted(bad & set(place)) for place in panel.items])


def disputing(town: Scene, claim: str, count: int) -> list[int]:
    """A first panel whose first seat alone calls so many items bad that there is no agreement."""
    bad = alone(town.round(claim), 0)[:count]
    town.judge(claim, bad=[bad, [], []])
    assert town.round(claim).verdict == ""
    town.net.draw(claim)
    town.open(claim)
    return bad


def fresh(panel: Round, contested: set[int]) -> list[int]:
    """Items of the round's own draw that two places hold and nobody had doubted."""
    held = [index for place in panel.items for index in place]
    return sorted({index for index in panel.samples[0] if held.count(index) == 2} - contested)


def test_a_later_round_holds_its_own_draw_against_the_accept_count_of_a_plain_sample(town: Scene) -> None:
    claim = tolerant(town)
    accepted = town.round(claim).accept_count
    contested = disputing(town, claim, accepted + 1)
    panel = town.round(claim)
    assert (len(panel.samples[0]), panel.samples[1]) == (57, tuple(contested))
    assert panel.accept_count == accepted == items.accept_count(COUNT, 57, 50_000)
    opened = next(
        event
        for entry in reversed(town.net.entries)
        for event in entry.events
        if isinstance(event, RoundOpened)
    )
    assert opened.batch is not None
    assert opened.batch.sample_items == 57
    assert f"judge {len(contested)} contested items once more" in opened.sentence()
    assert {*panel.samples[0], *contested} == {index for place in panel.items for index in place}
    assert all(set(contested) <= set(place) for place in panel.items)


def test_doubted_items_do_not_use_up_what_the_new_sample_may_hold(town: Scene) -> None:
    """As many bad ones as are tolerated in each sample pass, though together they are twice as many."""
    claim = tolerant(town)
    accepted = town.round(claim).accept_count
    contested = disputing(town, claim, accepted + 2)
    once = [index for index in contested if index not in town.round(claim).samples[0]]
    bad = {*once[:accepted], *fresh(town.round(claim), set(contested))[:accepted]}
    assert len(bad) == 2 * accepted
    say(town, claim, bad)
    assert town.round(claim).verdict == "pass"


@pytest.mark.parametrize("where", ["contested", "fresh"])
def test_one_bad_item_too_many_in_either_sample_fails_the_batch(town: Scene, where: str) -> None:
    claim = tolerant(town)
    accepted = town.round(claim).accept_count
    contested = disputing(town, claim, accepted + 1)
    new = fresh(town.round(claim), set(contested))[: accepted + 1]
    say(town, claim, set(contested if where == "contested" else new))
    assert town.round(claim).verdict == "fail"


def test_the_good_items_of_a_panel_that_lied_make_no_room_for_bad_ones(town: Scene) -> None:
    claim = tolerant(town)
    town.judge(claim)
    town.challenged(claim, town.rival)
    town.open(claim)
    panel = town.round(claim)
    assert panel.samples[1] == ()
    say(town, claim, set(fresh(panel, set())[: panel.accept_count + 1]))
    assert town.round(claim).verdict == "fail"
    town.window_over(claim)
    assert town.state(claim) == "rejected"


def test_what_an_attacked_panel_called_bad_is_judged_again_by_every_seat(town: Scene) -> None:
    claim = town.opened(**town.batch_task(COUNT))
    first, bad = town.seats(claim), shared(town.round(claim))[:2]
    say(town, claim, set(bad))
    assert town.round(claim).verdict == "fail"
    town.challenged(claim, town.worker)
    town.open(claim)
    panel = town.round(claim)
    assert panel.samples[1] == tuple(bad)
    assert all(set(bad) <= set(place) for place in panel.items)
    guilty, innocent = town.fork(), town
    say(guilty, claim, {bad[0]})
    assert guilty.round(claim).verdict == "fail", "one bad item is one too many, though the new draw is clean"
    innocent.judge(claim)
    innocent.window_over(claim)
    assert innocent.state(claim) == "accepted"
    assert {
        innocent.net.get(Seat, seat.id).outcome for seat in first if set(bad) & set(seat_items(town, seat))
    } == {"wrong"}


def seat_items(town: Scene, seat: Seat) -> tuple[int, ...]:
    return town.items_of(seat)


def test_a_third_round_carries_on_each_sample_by_itself(town: Scene) -> None:
    claim = tolerant(town)
    accepted = town.round(claim).accept_count
    contested = disputing(town, claim, accepted + 1)
    second = town.round(claim)
    new = fresh(second, set(contested))[:accepted]
    half = [
        sorted({*contested, *new} & set(place)) if number % 2 else []
        for number, place in enumerate(second.items)
    ]
    town.judge(claim, bad=half)
    assert town.round(claim).verdict == ""
    town.net.draw(claim)
    town.open(claim)
    third = town.round(claim)
    doubted = {*town.net.get(Round, f"{claim}/2").bad, *town.net.get(Round, f"{claim}/2").disputed}
    assert set(contested) <= doubted
    assert set(third.samples[1]) == doubted & set(second.samples[0])
    assert third.samples[2] == tuple(contested)
    say(town, claim, set(contested[:accepted]) | set(third.samples[1][:accepted]))
    assert town.state(claim) == "accepted"


def test_no_seat_ever_has_more_items_than_a_vote_holds(town: Scene) -> None:
    claim = tolerant(town)
    everything = {index for place in town.round(claim).items for index in place}
    assert len(everything) == 57
    town.judge(claim, bad=[list(town.round(claim).items[0]), [], []])
    town.net.draw(claim)
    assert max(map(len, town.round(claim).items)) <= town.net.policy.most_items <= 128


def test_who_alone_held_a_bad_item_in_the_last_round_is_not_wrong_by_it(town: Scene) -> None:
    """Nobody is left to confirm it, so it counts for nothing; half of the bond for seeing it would punish looking."""
    claim = town.opened(**town.batch_task(40))
    for _ in range(2):
        town.judge(claim)
        town.challenged(claim, town.rival)
        town.open(claim)
    town.judge(claim, bad=[tuple(range(40))] * 15)
    final = town.net.get(Round, f"{claim}/3")
    seats = [town.net.get(Seat, name) for name in final.seats]
    held = [index for place in final.items for index in place]
    assert {index for index in held if held.count(index) == 1} == set(final.disputed) != set()
    assert set(final.bad) == set(held) - set(final.disputed)
    assert (town.state(claim), {seat.outcome for seat in seats}) == ("rejected", {"right"})
