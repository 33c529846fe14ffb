"""What an operator gains that does not hear honest verifiers on its friends' tasks, at its friends' relay."""

from __future__ import annotations

import pytest

from tests.core.attacks.ring import claimed, delivered, looked_at, rich, states, town_of
from tests.core.flows import Scene
from tests.core.terms import EXACT
from trust.core import scoring
from trust.core.records import Claim, Party, Seat


def accuracy(town: Scene, agent: str) -> int:
    return scoring.accuracy_ppm(town.net.draft, agent, EXACT, town.net.now_ms)


def weights(town: Scene) -> list[int]:
    parties = [town.net.get(Party, who.did) for who in town.verifiers]
    return [scoring.weight(town.net.draft, party, EXACT) for party in parties]


def unheard(town: Scene, task: str, phase: str, heard: int) -> list[Seat]:
    """Has a friend's work looked at by a panel of which so many are heard in a phase, until its first round is over;
    returns the seats that were not heard."""
    claim = claimed(town, task, rich(town, f"friend of {task}"), town.requester)
    delivered(town, [claim])
    town.open(claim)
    seats = town.seats(claim)
    for seat in seats if phase == "reveal" else seats[:heard]:
        town.commit(seat, town.vote(seat))
    for seat in seats[:heard]:
        if phase == "reveal":
            town.reveal(seat, town.vote(seat))
    while town.net.get(Claim, claim).draw_round != 2:
        town.net.tick(1_000)
        for seat in town.seats(claim)[:heard]:  # who was heard once goes on being heard
            if seat.state == "committed" and town.round(claim).phase == "reveal":
                town.reveal(seat, town.vote(seat))
    draw_ms = town.net.policy.windows.draw_ms
    town.net.tick(draw_ms + 1)  # nobody draws the next: the claim is over
    return [seat for seat in town.net.all(Seat) if seat.claim == claim and seat.state in ("passed", "silent")]


@pytest.mark.parametrize("phase", ["commit", "reveal"])
def test_a_panel_of_which_nobody_is_heard_pays_nothing_and_weighs_what_it_did(phase: str) -> None:
    """Before: a day of jail for silence, and a record that silence alone brought to nothing. An operator that was deaf
    to reveals, or to commitments, had its friends alone judge: 48 garbage outputs passed, +25,276 and +20,734."""
    town = town_of(no_reveal_jail_ms=0)
    before = weights(town)
    for number in range(20):
        seats = unheard(town, f"bait-{number}", phase, heard=0)
        assert len(seats) >= 3
    assert weights(town) == before
    friend = rich(town, "friend")
    garbage = claimed(town, "garbage", friend, town.requester)
    delivered(town, [garbage])
    looked_at(town, [garbage], "fail")
    assert states(town, [garbage]) == ["rejected"]


def test_one_whom_the_operator_does_not_hear_pays_and_keeps_half_of_its_word() -> None:
    """One of each panel, as often as an operator likes: silence costs money, and a record down to half."""
    town = town_of(verifiers=12, no_reveal_jail_ms=0)
    for number in range(40):
        [seat] = unheard(town, f"bait-{number}", "reveal", heard=2)
        assert town.net.get(Seat, seat.id).outcome == "silent"
    lowest = min(accuracy(town, who.did) for who in town.verifiers)
    assert 300_000 < lowest <= 600_000
