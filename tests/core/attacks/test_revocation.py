"""Attacks by the operator's right to revoke: it knows a draw first, and could choose by it who may judge."""

from __future__ import annotations

from tests.core.flows import Scene, scene
from tests.core.network import Who
from tests.core.proofs import whole
from trust.core import payloads as p
from trust.core.records import Allocation, Round


def expel(town: Scene, *agents: Who) -> None:
    for who in agents:
        town.net.say(p.AgentRevoke, town.net.operator, reason="abuse", party=who.did)
    town.net.settle()


def drawn_by(town: Scene, claim: str) -> list[str]:
    """Whom the draw seats, without the draw being made here."""
    ahead = town.fork()
    ahead.net.draw(claim)
    return [seat.agent for seat in ahead.seats(claim)]


def test_the_operator_revokes_drawn_seats_until_its_friends_sit() -> None:
    """Under rules 1 eight were revoked, three friends sat, and the replay was clean. Now the same three sit, and
    vote."""
    town = scene()
    claim = town.submitted()
    foreseen = drawn_by(town, claim)
    expel(town, *(town.net.people[did] for did in foreseen))
    town.net.draw(claim)
    assert [seat.agent for seat in town.seats(claim)] == foreseen
    town.open(claim)
    town.judge(claim, "fail")
    assert town.state(claim) == "failing"
    whole(town)


def test_the_operator_revokes_seats_after_the_draw() -> None:
    town = scene()
    claim = town.opened()
    seats = town.seats(claim)
    expel(town, *map(town.sitter, seats))
    town.judge(claim, "fail")
    assert (town.state(claim), [seat.agent for seat in town.seats(claim)]) == (
        "failing",
        [seat.agent for seat in seats],
    )
    town.window_over(claim)
    assert all(town.net.free(town.sitter(seat)) >= 5_010 - 3_000 for seat in seats)
    whole(town)


def test_the_operator_revokes_alternates_until_its_friend_is_next() -> None:
    town = scene()
    claim = town.opened()
    found = town.net.get(Round, f"{claim}/1")
    expel(town, *(town.net.people[each.agent] for each in found.alternates[:2]))
    town.net.tick_to(found.until_ms)
    assert town.seats(claim)[0].agent == found.alternates[0].agent
    whole(town)


def test_the_operator_revokes_whoever_is_drawn_for_a_dear_task() -> None:
    """Under rules 1 the shortlist was whom the operator left over. Now the place stays that of whom it revoked, and
    lapses."""
    town = scene()
    town.post("t1", relay=town.relay)
    town.net.tick(5_000)
    town.net.do(town.allocation("t1"))
    draw = town.net.shortlist_draw_of("t1")
    ahead = town.fork()
    ahead.net.do(draw)
    [foreseen] = [place.agent for place in allocation(ahead).shortlist]
    expel(town, town.net.people[foreseen])
    town.net.do(draw)
    assert [place.agent for place in allocation(town).shortlist] == [foreseen]


def allocation(town: Scene) -> Allocation:
    return town.net.get(Allocation, "t1")


def test_the_operator_revokes_a_worker_so_that_it_cannot_appeal() -> None:
    town = scene(verifiers=30)
    claim = town.judged(verdict="fail")
    expel(town, town.worker)
    town.challenged(claim, town.worker)
    town.judge(claim, "pass")
    town.window_over(claim)
    assert town.state(claim) == "accepted"
    assert town.net.free(town.worker) == 5_000 + 100 - 30
    whole(town)
