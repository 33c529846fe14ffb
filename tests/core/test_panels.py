"""Batch checks end to end: items drawn, opened, judged one by one, disputed into the next round (docs/rules.md 5)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.flows import STAKE, Scene, scene
from tests.core.network import DIGEST
from tests.core.terms import policy_of
from trust.core import payloads as p
from trust.core import strict
from trust.core.events import RoundOpened
from trust.core.records import Claim, Round, Seat
from trust.core.rulebook import Decided
from trust.core.sampling import items

COUNT = 1_000


@pytest.fixture
def town() -> Scene:
    return scene(verifiers=30)


@pytest.fixture
def claim(town: Scene) -> str:
    """A batch of a thousand items, in the commit window of its first panel."""
    return town.opened(**town.batch_task(COUNT))


def shared(panel: Round) -> list[int]:
    """The items that two places hold."""
    held = [index for place in panel.items for index in place]
    return sorted({index for index in held if held.count(index) == 2})


def alone(panel: Round, place: int) -> list[int]:
    """The items that only this place holds."""
    return [index for index in panel.items[place] if index not in shared(panel)]


def terms(decided: Decided) -> Any:
    return next(event.batch for event in decided.events if isinstance(event, RoundOpened))


# -- what is drawn


def test_a_panel_looks_at_57_of_a_thousand_items_together(town: Scene) -> None:
    claim = town.submitted(**town.batch_task(COUNT, tolerated_bad_ppm=10_000))
    batch = terms(town.net.draw(claim))
    panel = town.round(claim)
    drawn = {index for place in panel.items for index in place}
    assert len(drawn) == 57
    assert max(drawn) < COUNT
    assert [len(place) for place in panel.items] == [19 + 6] * 3
    assert len(shared(panel)) == 18
    assert (batch.items_count, batch.sample_items, batch.tolerated_bad_ppm, batch.bad_items) == (
        1_000,
        57,
        10_000,
        50,
    )
    assert batch.accept_count == items.accept_count(1_000, 57, 10_000)
    assert batch.detection_ppm == items.detection_ppm(1_000, 57, batch.accept_count, 50)


def test_with_no_bad_item_tolerated_five_percent_are_found_in_95_of_100_batches(town: Scene) -> None:
    claim = town.submitted(**town.batch_task(COUNT))
    batch = terms(town.net.draw(claim))
    assert batch.accept_count == 0
    assert batch.detection_ppm >= 950_000


def test_a_small_batch_is_looked_at_whole(town: Scene) -> None:
    claim = town.drawn(**town.batch_task(2))
    assert sorted({index for place in town.round(claim).items for index in place}) == [0, 1]
    town.open(claim)
    town.judge(claim)
    assert town.state(claim) == "passing"


# -- what is opened


def test_an_opening_is_of_an_item_drawn_for_that_seat_with_its_path(town: Scene) -> None:
    claim = town.drawn(**town.batch_task(COUNT))
    panel = town.round(claim)
    seat = town.seats(claim)[0]
    mine, other = panel.items[0][0], alone(panel, 1)[0]
    [good] = town.opening([mine])
    refuses, say = town.net.refuses, p.ItemsOpen

    def opened(**change: object) -> dict[str, Any]:
        fields = {"index": good.index, "leaf": good.leaf, "path": good.path, **change}
        return {"seat": seat.id, "items": (p.OpenedItem(**fields),)}  # type: ignore[arg-type]

    refuses("item-not-drawn", say, town.worker, seat=seat.id, items=town.opening([other]))
    refuses("item-not-drawn", say, town.worker, **opened(index=COUNT))
    refuses("bad-path", say, town.worker, **opened(leaf=strict.base64_of(bytes(32))))
    refuses("bad-path", say, town.worker, **opened(path=good.path[:-1]))
    refuses("bad-path", say, town.worker, **opened(path=(*good.path, good.leaf)))
    refuses("bad-path", say, town.worker, **opened(path=good.path[::-1]))
    refuses("malformed", say, town.worker, **opened(leaf="AA=="))
    refuses("malformed", say, town.worker, **opened(path=(*good.path[:-1], "AA")))
    refuses("item-opened", say, town.worker, seat=seat.id, items=(good, good))
    refuses("items-needed", p.OutputOpen, town.worker, claim=claim)
    refuses("not-yours", say, town.rival, seat=seat.id, items=(good,))
    refuses("unknown-seat", say, town.worker, seat="seat_" + "a" * 26, items=(good,))
    town.net.say(say, town.worker, **opened())
    refuses("item-opened", say, town.worker, **opened())


def test_an_item_of_an_output_without_items_is_not_drawn(town: Scene) -> None:
    claim = town.drawn()
    town.batch_task(COUNT)
    seat = town.seats(claim)[0]
    town.net.refuses("item-not-drawn", p.ItemsOpen, town.worker, seat=seat.id, items=town.opening([0]))


def test_what_two_seats_hold_is_opened_for_each(town: Scene) -> None:
    claim = town.drawn(**town.batch_task(COUNT))
    panel, (first, *_) = town.round(claim), town.seats(claim)
    for start in (0, 16):
        chosen = panel.items[0][start : start + 16]
        town.net.say(p.ItemsOpen, town.worker, seat=first.id, items=town.opening(chosen))
    assert town.round(claim).to_open == (0, 25, 25)
    assert town.round(claim).phase == "opening"


def test_one_item_not_opened_in_time_is_the_whole_stake(town: Scene) -> None:
    claim = town.drawn(**town.batch_task(COUNT))
    for seat in town.seats(claim):
        mine = town.items_of(seat)[1:] if seat.place == 2 else town.items_of(seat)
        for start in range(0, len(mine), 16):
            chosen = town.opening(mine[start : start + 16])
            town.net.say(p.ItemsOpen, town.worker, seat=seat.id, items=chosen)
    assert sum(town.round(claim).to_open) == 1
    town.net.tick(5_000)
    assert (town.state(claim), town.net.free(town.worker)) == ("rejected", 5_000 - STAKE)


# -- what is judged


def test_a_vote_judges_exactly_the_items_of_its_place_as_they_were_opened(town: Scene, claim: str) -> None:
    seat, other, third = town.seats(claim)
    vote = town.vote(seat)
    judged = vote["items"]
    wrong_leaf = p.JudgedItem(index=judged[0].index, leaf=strict.base64_of(bytes(32)), good=True)
    assert town.batch is not None
    extra = next(index for index in range(COUNT) if index not in town.items_of(seat))
    beside = p.JudgedItem(index=extra, leaf=town.batch.leaf(extra), good=True)
    for changed in (
        {"items": judged[1:]},
        {"items": ()},
        {"items": (*judged, beside)},
        {"items": (*judged, judged[0])},
        {"items": (wrong_leaf, *judged[1:])},
        {"verdict": "fail"},
        {"items": (_bad(judged[0]), *judged[1:])},
    ):
        lying = town.fork()
        lie = {**vote, **changed}
        lying.commit(seat, lie)
        for each in (other, third):
            lying.commit(each, town.vote(each))
        lying.net.refuses("items-mismatch", p.VoteReveal, town.sitter(seat), **lie)


def _bad(item: p.JudgedItem) -> p.JudgedItem:
    return p.JudgedItem(index=item.index, leaf=item.leaf, good=False)


def test_a_batch_that_all_call_good_passes(town: Scene, claim: str) -> None:
    town.judge(claim)
    town.net.tick(1_000)
    assert town.state(claim) == "accepted"
    assert {seat.outcome for seat in town.seats(claim)} == {"right"}


def test_an_item_that_two_seats_call_bad_fails_the_batch(town: Scene, claim: str) -> None:
    bad = shared(town.round(claim))[:1]
    town.judge(claim, bad=[bad] * 3)
    record = town.round(claim)
    assert (record.verdict, record.bad, record.disputed) == ("fail", tuple(bad), ())
    town.net.tick(1_000)
    assert town.state(claim) == "rejected"
    assert {seat.outcome for seat in town.seats(claim)} == {"right"}
    assert town.net.free(town.worker) == 5_000 - STAKE


def test_what_one_seat_alone_calls_bad_goes_to_every_seat_of_the_next_round(town: Scene, claim: str) -> None:
    first = town.seats(claim)
    bad = alone(town.round(claim), 0)[:1]
    town.judge(claim, bad=[bad] * 3)
    assert (town.round(claim).verdict, town.round(claim).disputed) == ("", tuple(bad))
    town.net.draw(claim)
    panel = town.round(claim)
    assert (panel.number, panel.phase, len(panel.seats)) == (2, "opening", 7)
    assert all(bad[0] in place for place in panel.items)
    assert not {seat.owner for seat in first} & {seat.owner for seat in town.seats(claim)}
    town.open(claim)
    town.judge(claim, bad=[bad] * 7)
    assert (town.round(claim).verdict, town.round(claim).bad) == ("fail", tuple(bad))
    town.net.tick(1_000)
    assert town.state(claim) == "rejected"
    outcomes = [town.net.get(Seat, seat.id).outcome for seat in first]
    assert outcomes == ["right"] * 3  # the others never had the item


def test_who_called_a_good_item_bad_alone_is_wrong_in_the_end(town: Scene, claim: str) -> None:
    first = town.seats(claim)
    bad = alone(town.round(claim), 0)[:1]
    town.judge(claim, bad=[bad, [], []])
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim)
    town.net.tick(1_000)
    assert town.state(claim) == "accepted"
    assert [town.net.get(Seat, seat.id).outcome for seat in first] == ["wrong", "right", "right"]
    assert (
        town.net.balance("burn") == 30
    )  # half of one seat's bond, less the fees of the seven that were called


def test_holders_who_differ_dispute_and_the_next_round_decides(town: Scene, claim: str) -> None:
    panel = town.round(claim)
    contested = shared(panel)[0]
    holders = [place for place in range(3) if contested in panel.items[place]]
    votes: list[list[int]] = [[], [], []]
    votes[holders[0]] = [contested]
    first = town.seats(claim)
    town.judge(claim, bad=votes)
    assert town.round(claim).disputed == (contested,)
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim, bad=[[contested]] * 6 + [[]])
    assert town.round(claim).verdict == "fail"
    town.net.tick(1_000)
    outcomes = {seat.place: town.net.get(Seat, seat.id).outcome for seat in first}
    assert outcomes[holders[0]] == "right"
    assert outcomes[holders[1]] == "wrong"


def test_disputed_items_that_cannot_change_the_verdict_open_no_round(town: Scene) -> None:
    claim = town.opened(**town.batch_task(COUNT, tolerated_bad_ppm=50_000))
    assert town.round(claim).accept_count > 2
    bad = alone(town.round(claim), 0)[:2]
    town.judge(claim, bad=[bad, [], []])
    assert (town.round(claim).verdict, town.round(claim).disputed) == ("pass", tuple(bad))


def test_a_thousand_items_go_through_all_three_rounds(town: Scene, claim: str) -> None:
    contested: set[int] = set()
    for size in (3, 7):
        panel = town.round(claim)
        assert len(panel.seats) == size
        votes = [alone(panel, place)[:3] if place == 0 else [] for place in range(size)]
        contested = set(votes[0])
        half = [sorted(contested)] * (size // 2) + [[]] * (size - size // 2) if size == 7 else votes
        town.judge(claim, bad=half)
        assert town.round(claim).verdict == ""
        town.net.draw(claim)
        town.open(claim)
    panel = town.round(claim)
    assert len(panel.seats) == 15
    assert all(contested & set(town.round(claim).items[0]) <= set(place) for place in panel.items)
    town.judge(claim)
    assert (town.state(claim), town.net.get(Claim, claim).verdict_round) == ("accepted", 3)


def test_a_silent_seat_of_a_batch_leaves_its_items_to_the_next_round(town: Scene, claim: str) -> None:
    seats = town.seats(claim)
    votes = [(seat, town.vote(seat)) for seat in seats]
    for seat, vote in votes:
        town.commit(seat, vote)
    for seat, vote in votes[1:]:
        town.reveal(seat, vote)
    unseen = set(alone(town.round(claim), 0))
    town.net.tick(1_500)
    assert set(town.round(claim).disputed) == unseen
    town.net.draw(claim)
    assert all(unseen <= set(place) for place in town.round(claim).items)


def test_in_the_last_round_one_seat_alone_condemns_nothing() -> None:
    town = scene(policy_of(panels=[1, 5]), verifiers=12)
    claim = town.opened(**town.batch_task(40))
    [item] = town.round(claim).items[0][:1]
    town.judge(claim, bad=[[item]])
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim, bad=[[item], [], [], [], []])
    assert town.state(claim) == "accepted"


def test_a_batch_without_its_root_is_never_delivered(town: Scene) -> None:
    claim = town.claimed(**town.batch_task(COUNT))
    town.net.refused("items-mismatch", town.output(claim, items_root=None))
    town.net.do(town.output(claim, items_root=DIGEST))  # a root of nothing: no item can be opened
    town.net.draw(claim)
    seat = town.seats(claim)[0]
    chosen = town.opening(town.items_of(seat)[:1])
    town.net.refuses("bad-path", p.ItemsOpen, town.worker, seat=seat.id, items=chosen)
    town.net.tick(5_000)
    assert town.state(claim) == "rejected"
