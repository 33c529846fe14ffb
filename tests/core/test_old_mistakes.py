"""What went wrong in systems of this kind before, and must not here; each test says where it happened."""

from __future__ import annotations

import pytest

from tests.core.flows import Scene, scene
from tests.core.network import Who
from tests.core.terms import EXACT
from trust.core import payloads as p
from trust.core import reputation, scoring
from trust.core.records import Claim, Seat
from trust.core.refusal import Refused


@pytest.fixture
def town() -> Scene:
    return scene()


def expected(town: Scene, who: str, role: str) -> int:
    """An agent's expected score as it is now."""
    return reputation.expected_ppm(scoring.reading(town.net.draft, who, role, EXACT, town.net.now_ms))


def seats_in_order(town: Scene, claim: str) -> list[str]:
    panel = town.round(claim)
    return [town.net.get(Seat, seat).agent for seat in panel.seats] + [a.agent for a in panel.alternates]


@pytest.mark.parametrize("how", ["rejected", "expired"])
def test_a_score_that_never_falls_a_workers(town: Scene, how: str) -> None:
    """Penalties that were configured and took no effect (chainx-org/ChainX, pull request 237)."""
    town.ended("good")
    before = expected(town, town.worker.did, "worker")
    if how == "rejected":
        town.ended("bad", "fail")
    else:
        town.claimed("late")
        town.net.tick(10_000)
    assert expected(town, town.worker.did, "worker") < before


@pytest.mark.parametrize("how", ["wrong", "silent", "passed"])
def test_a_score_that_never_falls_a_verifiers(town: Scene, how: str) -> None:
    """The same for those who check: whoever was wrong, silent or absent weighs less than he did."""
    claim = town.opened()
    seats = town.seats(claim)
    blamed = seats[0].agent
    before = expected(town, blamed, "verifier")
    verdicts = ["pass" if seat is seats[0] else "fail" for seat in seats]
    for seat, verdict in zip(seats[how == "passed" :], verdicts[how == "passed" :], strict=True):
        town.commit(seat, town.vote(seat, verdict))
    if how == "passed":
        town.net.tick(1_500)
        town.commit(town.seats(claim)[0], town.vote(town.seats(claim)[0], verdicts[0]))
    for seat, verdict in zip(town.seats(claim), verdicts, strict=True):
        if how != "silent" or seat.agent != blamed:
            town.reveal(seat, town.vote(seat, verdict))
    if how == "wrong":
        town.net.draw(claim)
        town.judge(claim, "fail")
        town.net.tick(1_000)
    for _ in range(8):
        if town.net.get(Claim, claim).ended_ms:
            break
        town.net.tick(1_500)
        if town.net.get(Claim, claim).draw_round:
            town.net.draw(claim)
    assert town.net.get(Claim, claim).ended_ms
    assert expected(town, blamed, "verifier") < before


def test_a_beacon_is_not_rolled_again_by_whoever_calls(town: Scene) -> None:
    """Whoever drafted a jury could choose the batch, and so among several draws (aragon/aragon-court, issue 167).

    Here the seed is the claim, the round and the output: late or early, alone or among others, drawn or tried twice,
    the panel is the same; another proof, or the same for another claim, is refused.
    """
    claim = town.submitted()
    panels = set()
    for delay_ms, noise in ((0, 0), (1, 3), (4_000, 0), (9_000, 5)):
        other = town.fork()
        for number in range(noise):
            other.net.deposit(other.rival.did, 1 + number)
        other.net.now_ms += delay_ms
        said = other.net.draw_of(claim)
        other.net.do(said)
        with pytest.raises(Refused, match="no draw"):
            other.net.do(said)
        panels.add(tuple(seats_in_order(other, claim)))
    assert len(panels) == 1


def test_the_pool_is_not_filtered_to_steer_a_draw(town: Scene) -> None:
    """Jurors whose stake was locked were left out: others could arrange who remained (kleros/kleros-v2, issue 2003).

    Who cannot sit is passed over in the order that the draw gave before anybody looked: everyone else keeps his place,
    nobody gets a second seat, and no one who was behind him moves ahead of another.
    """
    claim = town.submitted()
    drawn = town.fork()
    drawn.net.draw(claim)
    order = seats_in_order(drawn, claim)
    for gone in order[:3]:
        steered = town.fork()
        who: Who = steered.net.people[gone]
        steered.net.say(p.VerifierLeave, who)
        steered.net.draw(claim)
        left = seats_in_order(steered, claim)
        assert gone not in left
        assert left[: len(order) - 1] == [agent for agent in order if agent != gone]
        assert len(set(left)) == len(left)
