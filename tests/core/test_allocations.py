"""Allocation: who may ask for a draw, who may be drawn, what the window keeps out, and what a lapse costs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.core.crowds import capable, crowd, drawn_from, judged, outsider
from tests.core.flows import STAKE, Scene
from tests.core.invariants import check_log
from tests.core.network import DAY_MS, Who, created, flipped, kinds, nonce
from tests.core.terms import EXACT, JUDGED
from trust.core import payloads as p
from trust.core import rulebook, scoring
from trust.core.entry import Beacon, Draw, decode_entry
from trust.core.events import PoolWeight
from trust.core.records import (
    Allocation,
    Bar,
    Claim,
    Party,
    Pool,
    Relay,
    SealedPool,
    Slot,
    Task,
)
from trust.core.refusal import Refused
from trust.core.rules import shortlists


@pytest.fixture
def town() -> Scene:
    """Twelve capable workers of as many owners beside the scene's own, whose pools are sealed."""
    return crowd(12)


# -- asking for a draw


def test_a_task_waits_for_its_draw_and_is_then_open_to_its_shortlist_alone(town: Scene) -> None:
    net = town.net
    town.post(relay=town.relay)
    net.do(town.allocation(shortlist=2))
    assert town.task_state() == "allocating"
    net.refused("not-allocated", town.request())
    net.do(net.shortlist_draw_of("t1"))
    allocation = net.get(Allocation, "t1")
    first, _ = drawn_from(town, allocation)
    assert town.task_state() == "open"
    refused = net.refused("not-allocated", town.request(worker=outsider(town, allocation)))
    assert refused.facts == {"exclusive_until_ms": net.get(Task, "t1").exclusive_until_ms}
    claim = net.get(Claim, town.claim(worker=first))
    assert (claim.route, claim.worker) == ("allocated", first.did)


def test_after_its_window_the_task_is_open_to_all(town: Scene) -> None:
    allocation = town.allocated(exclusive_ms=1_000)
    town.net.tick_to(town.net.get(Task, "t1").exclusive_until_ms)
    claim = town.net.get(Claim, town.claim(worker=outsider(town, allocation)))
    assert (claim.route, claim.delta_ppm) == ("first-come", 20_000)


def test_a_shortlist_lapses_with_the_claim_that_failed(town: Scene) -> None:
    allocation = town.allocated(shortlist=1, exclusive_ms=30_000)
    (winner,) = drawn_from(town, allocation)
    claim = town.claim(worker=winner)
    town.net.say(p.ClaimAbandon, winner, claim=claim)
    assert town.net.get(Task, "t1").exclusive_until_ms == 0
    town.claim(worker=outsider(town, allocation))


def test_an_allocation_before_its_task_is_in_a_checkpoint_is_refused(town: Scene) -> None:
    net = town.net
    posted = town.post(relay=town.relay)
    early = town.allocation()
    before = net.snapshot()
    with pytest.raises(Refused) as caught:
        rulebook.decide(net.draft, early, posted.at_ms)
    assert caught.value.code == "not-in-checkpoint"
    assert net.snapshot() == before
    net.do(early)


def test_a_task_is_allocated_once_whatever_came_of_it(town: Scene) -> None:
    town.post(relay=town.relay)
    town.net.do(town.allocation())
    town.net.refused("already-allocated", town.allocation())
    town.net.tick(town.net.policy.allocation.drawn_in_ms)
    assert town.net.get(Allocation, "t1").state == "failed"
    town.net.refused("already-allocated", town.allocation())


def test_only_the_relay_that_the_task_names_allocates_it(town: Scene) -> None:
    other = town.net.register_relay([town.rival], 1, "other")
    town.post("mine", relay=town.relay)
    town.post("anybodys")
    stranger = town.net.statement(
        p.TaskAllocate, town.rival, task="mine", relay=other, candidates=(), shortlist=1, exclusive_ms=1_000
    )
    town.net.refused("wrong-relay", stranger)
    town.net.refused("wrong-relay", town.allocation("anybodys"))


def test_an_allocation_has_the_threshold_of_its_relay_behind_it(town: Scene) -> None:
    net, group = town.net, [Who(f"member {number}") for number in range(3)]
    relay = net.register_relay(group, 2, "group")
    town.post(relay=relay)
    fields = {"task": "t1", "relay": relay, "candidates": (), "shortlist": 1, "exclusive_ms": 1_000}
    net.refuses("threshold-not-met", p.TaskAllocate, group[0], **fields)
    net.refuses("not-coordinator", p.TaskAllocate, town.rival, *group, **fields)
    net.refuses("unexpected-signature", p.TaskAllocate, group[0], group[1], town.rival, **fields)
    net.say(p.TaskAllocate, group[2], group[1], **fields)


def test_a_shortlist_is_no_larger_than_what_it_is_drawn_from(town: Scene) -> None:
    town.post(relay=town.relay)
    members = town.net.get(SealedPool, town.net.get(Pool, f"workers/{EXACT}").sealed).members
    assert members == len(capable(town)) == 15
    town.net.refused("shortlist-too-large", town.allocation(shortlist=16))
    town.net.refused("shortlist-too-large", town.allocation(shortlist=17))
    town.net.refused("shortlist-too-large", town.allocation(candidates=capable(town)[:3], shortlist=4))
    town.net.do(town.allocation(shortlist=15))


def test_an_allocation_with_nobody_eligible_is_refused(town: Scene) -> None:
    town.post(relay=town.relay)
    town.post("unheard-of", task_kind="unheard-of", relay=town.relay)
    for candidates in ((town.requester.did,), (town.verifiers[0].did, town.net.operator.did)):
        town.net.refused("nobody-eligible", town.allocation(candidates=candidates))
    town.net.refused("nobody-eligible", town.allocation("unheard-of"))


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("bad-exclusive", {"exclusive_ms": 499}),
        ("bad-exclusive", {"exclusive_ms": 60_001}),
        ("unknown-task", {"task": "unheard-of"}),
        ("unknown-relay", {"relay": "rly_" + "a" * 26}),
        ("unknown-agent", {"candidates": (Who("stranger").did,)}),
    ],
)
def test_an_allocation_out_of_bounds_is_refused(town: Scene, code: str, fields: dict[str, object]) -> None:
    town.post(relay=town.relay)
    town.net.refused(code, town.allocation(**{"task": "t1", **fields}))  # type: ignore[arg-type]


def test_a_candidate_is_named_once(town: Scene) -> None:
    town.post(relay=town.relay)
    town.net.refused("bad-candidates", town.allocation(candidates=(town.rival.did,) * 2))


def test_a_task_that_is_claimed_closed_or_for_one_agent_is_not_allocated(town: Scene) -> None:
    for task in ("claimed", "closed"):
        town.post(task, relay=town.relay)
    town.post("assigned", relay=town.relay, assignee=town.worker.did)
    town.claim("claimed")
    town.net.say(p.TaskCancel, town.requester, task="closed")
    for task, code in (("claimed", "task-claimed"), ("closed", "task-closed"), ("assigned", "task-assigned")):
        town.net.refused(code, town.allocation(task))


def test_a_suspended_relay_allocates_nothing(town: Scene) -> None:
    town.post(relay=town.relay)
    town.net.draft.put(replace(town.net.get(Relay, town.relay), suspended=True))
    town.net.autoflush = False
    town.net.refused("relay-suspended", town.allocation())


# -- the draw


def test_a_draw_is_proved_for_this_allocation_by_the_key_as_of_it(town: Scene) -> None:
    net = town.net
    for task in ("t1", "t2"):
        town.post(task, relay=town.relay)
        net.do(town.allocation(task))
    good, other = net.shortlist_draw_of("t1"), net.shortlist_draw_of("t2").beacons[0]
    beacon = good.beacons[0]
    for beacons in (
        (other,),
        (),
        (beacon, beacon),
        (replace(beacon, beta=other.beta),),
        (replace(beacon, pi=flipped(beacon.pi)),),
        (Beacon(Who("thief").did, beacon.pi, beacon.beta),),
    ):
        net.refused("bad-draw", Draw(of=good.of, beacons=beacons))
    net.refused("bad-draw", replace(good, checkpoint="a note"))
    net.say(p.KeyAdopt, net.operator, use="draw", key=Who("draw 2").did)
    net.do(good)


@pytest.mark.parametrize("of", ["task/", "task/unheard-of", "task/t1/0", "t1", "task"])
def test_a_shortlist_that_nobody_asked_for_is_not_drawn(town: Scene, of: str) -> None:
    town.post(relay=town.relay)
    town.net.do(town.allocation())
    town.net.refused("no-draw-due", replace(town.net.shortlist_draw_of("t1"), of=of))


def test_a_shortlist_is_drawn_once(town: Scene) -> None:
    town.post(relay=town.relay)
    town.net.do(town.allocation())
    draw = town.net.shortlist_draw_of("t1")
    town.net.do(draw)
    town.net.refused("no-draw-due", draw)


def test_no_log_position_enters_a_shortlist(town: Scene) -> None:
    town.post(relay=town.relay)
    town.net.do(town.allocation(shortlist=5))
    later = town.fork()
    later.net.deposit(town.rival.did, 5)
    assert later.net.shortlist_draw_of("t1") == town.net.shortlist_draw_of("t1")
    for each in (town, later):
        each.net.do(each.net.shortlist_draw_of("t1"))
    assert later.net.get(Allocation, "t1").shortlist == town.net.get(Allocation, "t1").shortlist


def test_without_a_draw_in_time_the_task_is_open_and_nobody_pays(town: Scene) -> None:
    net = town.net
    town.post(relay=town.relay)
    net.do(town.allocation())
    net.tick(net.policy.allocation.drawn_in_ms)
    assert (town.task_state(), net.get(Allocation, "t1").state) == ("open", "failed")
    net.say(p.TaskCancel, town.requester, task="t1")
    assert net.balance("burn") == 0


def test_a_deadline_does_not_wait_for_a_draw(town: Scene) -> None:
    town.post(relay=town.relay, deadline_ms=town.net.now_ms + 3_000)
    town.net.do(town.allocation())
    town.net.tick(3_000)
    assert town.task_state() == "closed"
    town.net.refused("no-draw-due", town.net.shortlist_draw_of("t1"))


def test_a_draw_that_finds_nobody_leaves_the_task_to_all(town: Scene) -> None:
    net = town.net
    town.post(relay=town.relay)
    net.do(town.allocation(candidates=(town.rival.did,)))
    net.say(p.AgentRevoke, town.rival, reason="done")
    drawn = net.do(net.shortlist_draw_of("t1"))
    assert kinds(drawn.events) == ["allocation.failed"]
    assert town.task_state() == "open"
    town.claim()


def test_who_may_not_claim_is_not_drawn(town: Scene) -> None:
    net = town.net
    sibling = net.join("sibling", owner=town.requester, capabilities=(EXACT,))
    poor = net.join("poor", units=STAKE - 60, capabilities=(EXACT,))
    jailed, barred, gone = (net.people[did] for did in capable(town)[3:6])
    town.post(relay=town.relay, stake_units=STAKE)
    net.draft.put(replace(net.get(Party, jailed.did), jailed_until_ms=net.now_ms + DAY_MS))
    net.draft.put(Bar(f"t1/{barred.did}", "clm_x"))
    net.say(p.AgentRevoke, gone, reason="done")
    out = {each.did for each in (town.requester, sibling, poor, jailed, barred, gone)}
    for task in ("t1", "t2"):
        if task == "t2":
            town.post(task, relay=town.relay, stake_units=STAKE)
            net.draft.put(Bar(f"t2/{barred.did}", "clm_x"))
    net.do(town.allocation("t1", shortlist=15))
    net.do(town.allocation("t2", shortlist=15, candidates=capable(town)))
    for task in ("t1", "t2"):
        net.do(net.shortlist_draw_of(task))
        drawn = {place.agent for place in net.get(Allocation, task).shortlist}
        assert drawn == set(capable(town)) - out


def test_the_pools_of_workers_say_what_their_records_do() -> None:
    town = crowd(12, first_come_ppm=200_000)
    net = town.net
    claim = town.ended()
    party = town.party(town.worker)
    pool, lane = (net.get(Slot, f"{name}/{EXACT}/{party.places[0]}") for name in ("workers", "probation"))
    priority = scoring.priority_ppm(net.draft, town.worker.did, EXACT, net.get(Claim, claim).ended_ms)
    assert (pool.weight, lane.weight) == (1 + priority**4 // 10**15, 1)
    for number in range(2, 6):
        town.ended(f"t{number}", verdict="pass")
    assert net.get(Slot, pool.id).weight > pool.weight
    net.say(p.AgentRevoke, town.worker, reason="done")
    assert [net.get(Slot, each.id).weight for each in (pool, lane)] == [0, 0]


def test_a_pools_seal_counts_who_is_there_and_their_owners(town: Scene) -> None:
    net = town.net
    net.join("sibling", owner=town.rival, capabilities=(EXACT, JUDGED))
    net.say(p.AgentRevoke, town.worker, reason="done")
    net.tick(500)
    sealed = net.get(SealedPool, net.get(Pool, f"workers/{EXACT}").sealed)
    assert (sealed.count, sealed.members, sealed.owners) == (16, 15, 14)


# -- the log


def test_a_log_with_allocations_replays_to_the_byte(town: Scene) -> None:
    allocation = town.allocated(shortlist=3)
    judged(town, town.claim(worker=drawn_from(town, allocation)[0]))
    town.allocated("t2", candidates=capable(town))
    town.net.tick(1_000_000)
    check_log(town.net.entries, town.net.records())


def test_a_shortlist_that_the_draw_does_not_make_is_a_lie(town: Scene) -> None:
    town.post(relay=town.relay)
    town.net.do(town.allocation(shortlist=3))
    before = town.fork()
    drawn = town.net.do(town.net.shortlist_draw_of("t1"))
    first, *others = drawn.events[0].shortlist  # type: ignore[attr-defined]
    stranger = next(did for did in capable(town) if did not in {first.agent, *(one.agent for one in others)})
    data = drawn.data.replace(first.agent.encode(), stranger.encode())
    before.net.settle()
    with pytest.raises(rulebook.Lie, match=r"the rules make .*task\.allocated"):
        rulebook.replay(before.net.draft, decode_entry(data), data)


def test_the_seed_of_a_shortlist_is_no_claims(town: Scene) -> None:
    town.post(relay=town.relay)
    net = town.net
    net.do(town.allocation())
    allocation = net.get(Allocation, "t1")
    seed = shortlists.alpha(net.draft, allocation)
    parts = ["trust/seed/v1", "trust.example.org/test", "task/t1", "0", allocation.statement, ""]
    assert seed == b"".join(len(part).to_bytes(8) + part.encode() for part in parts)


def test_who_registers_has_a_place_in_the_pools_of_each_capability(town: Scene) -> None:
    kinds_of = tuple(f"kind-{number}" for number in range(3))
    who = Who("many-sided")
    decided = town.net.say(p.AgentRegister, who, pow=nonce(who.did, 4), capabilities=kinds_of)
    weights = [event for event in decided.events if isinstance(event, PoolWeight)]
    assert {(event.pool, event.slot, event.weight) for event in weights} == {
        (f"{pool}/{kind}", 0, 1) for pool in ("workers", "probation") for kind in kinds_of
    }
    assert created(decided, "places") == (0, 0, 0)
