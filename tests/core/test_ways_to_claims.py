"""By which way a worker came to its claim: what praise counts, the probation lane, and what a lapse costs."""

from __future__ import annotations

import pytest

from tests.core.crowds import capable, checked, crowd, drawn_from, judged
from tests.core.flows import PRICE, Scene
from tests.core.network import DAY_MS, START_MS, Who
from tests.core.terms import EXACT
from trust.core import payloads as p
from trust.core import rawsums, scoring
from trust.core.decay import growth
from trust.core.records import (
    Allocation,
    Claim,
    Probation,
    Score,
    Task,
)

FEES = 39
PANEL_FEES = 30


@pytest.fixture
def town() -> Scene:
    """Twelve capable workers of as many owners beside the scene's own, whose pools are sealed."""
    return crowd(12)


def known(town: Scene, did: str, good_milli: int) -> None:
    """Gives a worker a record, as if earned."""
    good = rawsums.pack(good_milli * growth(town.net.draft.at_ms, START_MS, 60 * DAY_MS))
    town.net.draft.put(Score(f"{did}/worker/{EXACT}", did, "worker", EXACT, 1, 0, good_slow=good))


# -- what praise counts


def test_praise_counts_by_how_many_could_have_been_drawn_instead(town: Scene) -> None:
    allocation = town.allocated(shortlist=3)
    claim = town.net.get(Claim, town.claim(worker=drawn_from(town, allocation)[0]))
    assert (allocation.eligible, allocation.owners) == (15, 15)
    assert claim.delta_ppm == 800_000


def test_praise_counts_little_where_few_owners_share_the_pool(town: Scene) -> None:
    candidates = [did for did in capable(town) if did != town.requester.did][:9]
    allocation = town.allocated(candidates=tuple(candidates), shortlist=2)
    claim = town.net.get(Claim, town.claim(worker=drawn_from(town, allocation)[0]))
    assert (allocation.eligible, allocation.owners, claim.delta_ppm) == (9, 9, 20_000)


def test_praise_counts_by_the_way_to_the_claim(town: Scene) -> None:
    net = town.net
    sibling = net.join("sibling", owner=town.requester)
    found = {}
    for way, worker, terms in (
        ("own", sibling, {}),
        ("assigned", town.worker, {"assignee": town.worker.did}),
        ("first-come", town.worker, {}),
    ):
        town.post(way, who=None, **terms)
        claim = net.get(Claim, town.claim(way, worker))
        found[claim.route] = claim.delta_ppm
    assert found == {"own": 0, "assigned": 20_000, "first-come": 20_000}


def test_an_accepted_claim_is_praised_by_its_delta(town: Scene) -> None:
    allocation = town.allocated(shortlist=3)
    claim = town.claim(worker=drawn_from(town, allocation)[0])
    ended = judged(town, claim)
    [praise] = [event for event in ended.events if getattr(event, "role", "") == "worker"]
    assert praise.good_milli == 4_000 * 800_000 // 1_000_000  # type: ignore[attr-defined]


# -- the probation lane


@pytest.fixture
def lane() -> Scene:
    """Every second place goes to the lane, and nobody is known."""
    return crowd(3, probation_ppm=500_000)


def in_lane(town: Scene, task: str) -> tuple[Allocation, Who]:
    """An allocation whose first place was drawn from the lane."""
    for number in range(40):
        allocation = town.allocated(f"{task}-{number}", candidates=capable(town)[1:], exclusive_ms=60_000)
        if allocation.shortlist[0].probation:
            return allocation, town.net.people[allocation.shortlist[0].agent]
    raise AssertionError("forty draws without the lane")


def test_a_claim_from_the_lane_is_checked_and_locks_more_than_the_price(lane: Scene) -> None:
    allocation, newcomer = in_lane(lane, "t")
    refused = lane.net.refused("insufficient-stake", lane.request(allocation.id, newcomer, stake_units=109))
    assert refused.facts == {"stake_units": 110}
    claim = lane.net.get(Claim, lane.claim(allocation.id, newcomer, stake_units=110))
    assert (claim.route, claim.rate_ppm) == ("probation", 1_000_000)


def test_a_newcomer_has_one_task_of_the_lane_in_flight(lane: Scene) -> None:
    first, newcomer = in_lane(lane, "a")
    for number in range(60):
        other, again = in_lane(lane, f"b{number}")
        if again is newcomer:
            break
    claim = lane.claim(first.id, newcomer)
    assert lane.net.get(Probation, newcomer.did).claim == claim
    refused = lane.net.refused("on-probation", lane.request(other.id, newcomer))
    assert refused.facts == {"claim": claim}
    lane.net.say(p.ClaimAbandon, newcomer, claim=claim)
    lane.claim(other.id, newcomer)


def test_a_newcomer_may_have_the_next_task_of_the_lane_once_a_panel_passed_the_first(lane: Scene) -> None:
    allocation, newcomer = in_lane(lane, "t")
    first = lane.claim(allocation.id, newcomer)
    assert lane.net.get(Probation, newcomer.did).claim == first
    checked(lane, first)
    assert lane.net.get(Claim, first).state == "passing"
    assert lane.net.draft.get(Probation, newcomer.did) is None
    drawn = (in_lane(lane, f"u{number}") for number in range(60))
    second = lane.claim(next(found.id for found, who in drawn if who is newcomer), newcomer)
    lane.net.tick(lane.net.policy.windows.challenge_ms)
    assert lane.net.get(Claim, first).state == "accepted"
    assert lane.net.get(Probation, newcomer.did).claim == second


def test_a_newcomer_who_was_failed_has_no_other_task_of_the_lane_until_that_is_final(lane: Scene) -> None:
    allocation, newcomer = in_lane(lane, "t")
    claim = lane.claim(allocation.id, newcomer)
    checked(lane, claim, "fail")
    assert lane.net.get(Claim, claim).state == "failing"
    assert lane.net.get(Probation, newcomer.did).claim == claim


def test_who_has_a_task_of_the_lane_in_flight_or_a_record_is_not_drawn_from_it(lane: Scene) -> None:
    allocation, newcomer = in_lane(lane, "t")
    lane.claim(allocation.id, newcomer)
    expert = next(did for did in capable(lane)[1:] if did != newcomer.did)
    lane.net.autoflush = False
    known(lane, expert, 20_000)
    for number in range(30):
        other = lane.allocated(f"u{number}", candidates=(newcomer.did, expert), shortlist=2)
        assert [place.probation for place in other.shortlist] == [False, False]


# -- what a lapse costs


def test_cancelling_after_an_allocation_burns_the_panels_fees(town: Scene) -> None:
    net = town.net
    before = net.free(town.requester)
    town.allocated(exclusive_ms=1_000)
    net.refuses("task-allocated", p.TaskCancel, town.requester, task="t1")
    net.tick_to(net.get(Task, "t1").exclusive_until_ms)
    cancelled = net.say(p.TaskCancel, town.requester, task="t1")
    assert [event.postings for event in cancelled.events if hasattr(event, "postings")] == [
        (("task/t1/escrow", -PANEL_FEES), ("burn", PANEL_FEES)),
        (
            ("task/t1/escrow", PANEL_FEES - PRICE - FEES),
            (f"agent/{town.requester.did}/free", PRICE + FEES - PANEL_FEES),
        ),
    ]
    assert net.free(town.requester) == before - PANEL_FEES


def test_a_task_is_not_cancelled_while_its_draw_is_pending(town: Scene) -> None:
    town.post(relay=town.relay)
    town.net.do(town.allocation())
    town.net.refuses("task-allocated", p.TaskCancel, town.requester, task="t1")


def test_a_deadline_that_the_shortlist_let_pass_burns_the_panels_fees(town: Scene) -> None:
    before = town.net.free(town.requester)
    town.allocated(deadline_ms=town.net.now_ms + 5_000)
    town.net.tick(5_000)
    assert town.task_state() == "closed"
    assert (town.net.balance("burn"), town.net.free(town.requester)) == (PANEL_FEES, before - PANEL_FEES)


def test_an_allocation_that_was_taken_up_costs_nothing_when_the_task_closes(town: Scene) -> None:
    allocation = town.allocated()
    (winner,) = drawn_from(town, allocation)
    town.net.say(p.ClaimAbandon, winner, claim=town.claim(worker=winner))
    town.net.say(p.TaskCancel, town.requester, task="t1")
    assert town.net.balance("burn") == 0


def test_each_lapse_divides_what_the_requester_praises_later(town: Scene) -> None:
    net = town.net
    for number in range(2):
        town.allocated(f"lapsed-{number}", exclusive_ms=500)
        net.tick(500)
        net.say(p.TaskCancel, town.requester, task=f"lapsed-{number}")
    assert scoring.lapses_milli(net.draft, town.requester.did, EXACT) in (1_999, 2_000)
    allocation = town.allocated(shortlist=3)
    claim = town.claim(worker=drawn_from(town, allocation)[0])
    ended = judged(town, claim)
    lapses = scoring.lapses_milli(net.draft, town.requester.did, EXACT)
    [praise] = [event for event in ended.events if getattr(event, "role", "") == "worker"]
    assert praise.good_milli == 4_000 * (800_000 * 1_000 // (1_000 + lapses)) // 1_000_000  # type: ignore[attr-defined]
