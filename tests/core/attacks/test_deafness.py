"""What an operator gains by not hearing honest verifiers."""

from __future__ import annotations

from tests.core.attacks.ring import claimed, delivered, looked_at, rich, states, town_of
from trust.core.records import Party, Seat, Timer


def test_verifiers_that_nobody_hears_pay_and_stay_in_the_pool() -> None:
    """Before: a day of jail for silence. An operator that was deaf to reveals on its friends' tasks, whose relay was
    theirs too, emptied the pool by it; the friends who were left passed 48 garbage outputs, +25,276."""
    town = town_of(no_reveal_jail_ms=0)
    friend = rich(town, "friend")
    claim = claimed(town, "bait", friend, town.requester)
    delivered(town, [claim])
    town.open(claim)
    seats = town.seats(claim)
    for seat in seats:
        town.commit(seat, town.vote(seat))
    town.net.tick_to(town.net.get(Timer, f"{claim}/1").due_ms)
    assert [town.net.get(Party, seat.agent).jailed_until_ms for seat in seats] == [0] * len(seats)
    assert {town.net.get(Seat, seat.id).state for seat in seats} == {"silent"}
    garbage = claimed(town, "garbage", friend, town.requester)
    delivered(town, [garbage])
    looked_at(town, [garbage], "fail")
    assert states(town, [garbage]) == ["rejected"]
