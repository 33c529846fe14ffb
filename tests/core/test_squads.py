"""Squads: several workers take the parts of a task together (docs/rules.md 3.5)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.flows import PRICE, STAKE, Scene, batch_of, posted, scene, unchecked
from tests.core.network import Who
from tests.core.squads import (
    PARTS,
    Taken,
    asking,
    called,
    claimed,
    drawn,
    formed,
    forming,
    joining,
    members,
)
from tests.core.terms import EXACT, policy_of
from trust.core import ledger
from trust.core import payloads as p
from trust.core.events import ClaimOpened, MoneyMoved
from trust.core.policy import Policy
from trust.core.records import Allocation, Bar, Claim, Squad, Task

POLICY = policy_of()
F = POLICY.fees_units


def town_with(task: str = "t1", **terms: Any) -> Scene:
    town = scene()
    town.post(task, **{"parts": PARTS, **terms})
    return town


def pair(town: Scene) -> list[Taken]:
    return [(town.worker, None), (town.rival, None)]


def batch(town: Scene, *counts: int) -> list[Taken]:
    crew = [town.worker, town.rival, *(town.net.join(f"hand {number}") for number in range(len(counts) - 2))]
    return list(zip(crew, counts, strict=False))


def end(town: Scene, claim: str, verdict: str = "pass") -> None:
    """Delivers the part of a claim and has it judged; the claim is over afterwards."""
    count = town.net.get(Task, town.net.get(Claim, claim).task).items_count
    town.batch = batch_of(count) if count else None
    town.net.do(town.output(claim))
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim, verdict, bad=[range(count)] * 3 if verdict == "fail" and count else ())
    town.window_over(claim)


def test_each_member_holds_a_claim_on_a_part_of_its_own() -> None:
    town = town_with()
    squad = formed(town, pair(town))
    head, body = (town.net.get(Claim, claim) for claim in claimed(town, squad))
    assert (head.worker, body.worker) == (town.worker.did, town.rival.did)
    parts = [town.net.get(Task, claim.task) for claim in (head, body)]
    assert [(part.part, part.price_units, part.parent) for part in parts] == [
        ("head", 30, "t1"),
        ("body", 70, "t1"),
    ]
    assert town.task_state() == "split"
    assert town.net.balance("task/t1/escrow") == 0
    assert [town.net.balance(f"task/{part.id}/escrow") for part in parts] == [30 + F, 70 + F]
    assert [town.net.balance(f"claim/{claim.id}/stake") for claim in (head, body)] == [STAKE, STAKE]


def test_the_task_is_accepted_when_every_part_is() -> None:
    town = town_with()
    free = {who: town.net.free(who) for who in (town.worker, town.rival)}
    squad = formed(town, pair(town))
    head, body = claimed(town, squad)
    end(town, head)
    assert town.task_state() == "split"
    end(town, body)
    closed = town.net.get(Task, "t1")
    assert (closed.state, closed.closed_why) == ("closed", "accepted")
    assert town.net.get(Squad, squad.id).state == "accepted"
    town.net.tick(POLICY.windows.evidence_ms)
    assert {who: town.net.free(who) - units for who, units in free.items()} == {
        town.worker: 30,
        town.rival: 70,
    }


def test_the_fault_of_a_part_costs_its_worker_alone_and_the_part_is_open_to_others() -> None:
    town = town_with()
    head, body = claimed(town, formed(town, pair(town)))
    end(town, head, "fail")
    part = town.net.get(Task, town.net.get(Claim, head).task)
    assert (part.state, town.task_state()) == ("open", "split")
    town.net.refused("barred", town.request(part.id))
    end(town, body)
    assert town.state(body) == "accepted"
    other = town.net.join("other")
    end(town, town.claim(part.id, other))
    assert town.net.get(Task, "t1").closed_why == "accepted"


def test_a_part_that_nobody_takes_up_leaves_the_task_unfinished() -> None:
    town = town_with()
    squad = formed(town, pair(town))
    head, body = claimed(town, squad)
    end(town, body)
    town.window_over(head)
    assert town.state(head) == "expired"
    part = town.net.get(Claim, head).task
    requester = town.net.free(town.requester)
    town.net.say(p.TaskCancel, town.requester, task=part)
    assert town.net.free(town.requester) == requester + 30 + F
    assert town.net.get(Task, "t1").closed_why == town.net.get(Squad, squad.id).state == "unfinished"


def test_a_batch_is_split_by_items_and_prices_follow_them() -> None:
    town = town_with(parts=(), items=p.Items(count=40, parts=4))
    before = town.net.free(town.requester)
    squad = formed(town, batch(town, 7, 33))
    assert [member.price_units for member in squad.members] == [17, 83]
    few, many = claimed(town, squad)
    assert town.net.free(town.requester) == before + 2 * F, "fees of the parts that there are not come back"
    part = town.net.get(Task, town.net.get(Claim, many).task)
    assert (part.first_item, part.items_count) == (7, 33)
    end(town, few)
    end(town, many)
    assert town.net.get(Task, "t1").closed_why == "accepted"


@pytest.mark.parametrize("counts", [(7, 32), (7, 34), (40,), (10, 10, 10, 5, 5)])
def test_the_members_take_all_items_and_no_more_parts_than_the_requester_allows(
    counts: tuple[int, ...],
) -> None:
    town = town_with(parts=(), items=p.Items(count=40, parts=4))
    taken = batch(town, *counts) if len(counts) > 1 else [(town.worker, 40), (town.rival, None)]
    town.net.refused("bad-squad", forming(town, taken))


def test_small_parts_come_to_the_price_and_each_has_the_fees_of_a_check_of_its_own() -> None:
    town = town_with(parts=(), items=p.Items(count=1_000, parts=3))
    squad = formed(town, batch(town, 1, 1, 998))
    prices = [member.price_units for member in squad.members]
    assert sum(prices) == PRICE
    for claim in claimed(town, squad):
        assert town.net.get(Claim, claim).rate_ppm == 1_000_000, "no record, so every part is checked"
        assert town.net.balance(f"task/{town.net.get(Claim, claim).task}/escrow") >= F


def test_a_task_is_split_only_where_its_requester_says_so() -> None:
    town = scene()
    town.post()
    town.net.refused("not-divisible", forming(town, pair(town)))
    for parts in (PARTS[:1], (PARTS[0], PARTS[0]), (*PARTS, p.Part(name="x", share_ppm=1))):
        town.net.refuses("bad-parts", p.TaskPost, town.requester, **town.terms("t2", parts=parts))
    both = town.terms("t2", parts=PARTS, items=p.Items(count=3))
    town.net.refuses("bad-parts", p.TaskPost, town.requester, **both)


def test_a_single_worker_may_claim_a_task_that_could_be_split() -> None:
    town = town_with()
    claim = town.claim()
    requester = town.net.free(town.requester)
    end(town, claim)
    assert town.net.get(Task, "t1").closed_why == "accepted"
    assert town.net.free(town.requester) == requester + F, "one check takes the fees of one panel"


def test_forming_a_squad_locks_nothing_and_its_time_ends_it() -> None:
    town = town_with()
    free = town.net.free(town.rival)
    squad = formed(town, pair(town), until_ms=town.net.now_ms + 5_000)
    assert town.net.free(town.rival) == free
    town.net.tick(6_000)
    assert town.net.get(Squad, squad.id).state == "expired"
    town.net.refused("squad-state", asking(town, squad))
    town.claim()


def test_any_member_may_dissolve_what_has_not_claimed_and_nobody_else() -> None:
    town = town_with()
    squad = formed(town, pair(town))
    town.net.refuses("not-yours", p.SquadDissolve, town.requester, squad=squad.id)
    town.net.say(p.SquadDissolve, town.rival, squad=squad.id)
    town.net.refused("squad-state", asking(town, squad))
    town.net.refuses("squad-state", p.SquadDissolve, town.worker, squad=squad.id)
    again = formed(town, pair(town))
    claimed(town, again)
    town.net.refuses("squad-state", p.SquadDissolve, town.rival, squad=again.id)


def test_every_member_signs_and_only_the_founder_claims() -> None:
    town = town_with()
    said: dict[str, Any] = {"task": "t1", "members": members(pair(town)), "until_ms": town.net.now_ms + 9_000}
    town.net.refuses("wrong-signer", p.SquadForm, town.worker, **said)
    town.net.refuses("unexpected-signature", p.SquadForm, town.worker, town.rival, town.requester, **said)
    outsider = town.net.join("outsider")
    signers = (outsider, town.worker, town.rival)
    town.net.refused("bad-squad", town.net.statement(p.SquadForm, *signers, **said))
    squad = formed(town, pair(town))
    stake = {"squad": squad.id, "stake_units": 2 * STAKE}
    town.net.refused("not-yours", town.request("t1", town.rival, **stake))
    town.net.refused("insufficient-stake", asking(town, squad, stake_units=STAKE))
    town.post("t2", parts=PARTS)
    town.net.refused("bad-squad", town.request("t2", town.worker, **stake))


def test_the_first_in_the_log_wins_alone_or_together() -> None:
    town = town_with()
    squad = formed(town, pair(town))
    other = town.net.join("other")
    town.claim("t1", other)
    town.net.refused("already-claimed", asking(town, squad))
    town.post("t2", parts=PARTS)
    first, second = formed(town, pair(town), "t2"), formed(town, [(other, None), (town.rival, None)], "t2")
    claimed(town, first)
    town.net.refused("task-split", asking(town, second))
    town.net.refused("task-split", town.request("t2", other))
    town.net.refuses("task-split", p.TaskCancel, town.requester, task="t2")
    town.net.refused("task-split", forming(town, pair(town), "t2"))


def test_a_squad_of_sixteen_claims_in_one_entry() -> None:
    town = town_with(parts=(), items=p.Items(count=16, parts=16), price_units=160)
    squad = formed(town, batch(town, *[1] * 16))
    assert len(set(claimed(town, squad))) == 16


def test_a_part_that_is_open_again_may_be_allocated_by_itself() -> None:
    town = town_with(relay=None)
    town.post("t2", relay=town.relay, parts=PARTS)
    head, _ = claimed(town, formed(town, pair(town), "t2"))
    town.net.say(p.ClaimAbandon, town.worker, claim=head)
    part = town.net.get(Claim, head).task
    other = town.net.join("other", capabilities=(EXACT,))
    town.net.do(town.allocation(part, candidates=(other.did,)))
    town.net.do(town.net.shortlist_draw_of(part))
    town.claim(part, other, stake_units=200)
    assert town.net.get(Allocation, part).used


# -- who would gain


def test_nobody_hides_in_a_squad_each_part_is_checked_by_the_record_of_its_own_worker() -> None:
    town, _ = unchecked()
    town.post("t1", parts=PARTS)
    squad = formed(town, pair(town), members=members(pair(town), 600))
    veteran, newcomer = (town.net.get(Claim, claim) for claim in claimed(town, squad))
    assert veteran.rate_ppm < newcomer.rate_ppm == 1_000_000


def test_one_owner_has_one_place_in_a_squad() -> None:
    town = town_with()
    twin = town.net.join("twin", owner=town.worker)
    town.net.refused("bad-squad", forming(town, [(town.worker, None), (twin, None)]))


def test_whom_the_task_is_barred_to_does_not_come_back_as_a_member() -> None:
    town = town_with()
    end(town, town.claim(), "fail")
    other = town.net.join("other")
    squad = formed(town, [(other, None), (town.worker, None)])
    before = town.net.free(other)
    town.net.refused("barred", asking(town, squad))
    assert town.net.free(other) == before
    assert [bar.id for bar in town.net.all(Bar)] == [f"t1/{town.worker.did}"]


def test_a_squad_claims_only_where_every_member_could() -> None:
    town = town_with()
    poor, gone = town.net.join("poor", STAKE - 1), town.net.join("gone")
    with_poor = formed(town, [(town.worker, None), (poor, None)])
    with_gone = formed(town, [(town.worker, None), (gone, None)])
    town.net.say(p.AgentRevoke, gone, reason="done")
    town.net.refused("insufficient-funds", asking(town, with_poor))
    town.net.refused("revoked", asking(town, with_gone))
    cheap = formed(town, pair(town), members=members(pair(town), 99))
    town.net.refused("insufficient-stake", asking(town, cheap))
    town.net.tick(1)
    assert town.task_state() == "open"


def test_a_shortlist_holds_for_every_member() -> None:
    town = scene()
    town.post("t1", relay=town.relay, parts=PARTS)
    town.net.do(town.allocation("t1", candidates=(town.worker.did,), shortlist=1, exclusive_ms=60_000))
    town.net.do(town.net.shortlist_draw_of("t1"))
    squad = formed(town, pair(town))
    town.net.refused("not-allocated", asking(town, squad))


def test_a_squad_off_the_shortlist_keeps_its_ways_and_the_allocation_is_used() -> None:
    town = scene()
    town.post("t1", relay=town.relay, parts=PARTS)
    both = (town.worker.did, town.rival.did)
    town.net.do(town.allocation("t1", candidates=both, shortlist=2, exclusive_ms=60_000))
    town.net.do(town.net.shortlist_draw_of("t1"))
    squad = formed(town, pair(town))
    decided = town.net.do(asking(town, squad))
    routes = {event.route for event in decided.events if isinstance(event, ClaimOpened)}
    assert routes <= {"allocated", "probation"}
    town.net.tick(POLICY.claims.lease_ms)
    entries = town.net.tick_to(town.net.get(Task, "t1").deadline_ms)
    assert not posted(entries, "allocation.lapsed")
    assert town.net.get(Task, "t1").closed_why == "unfinished"


def test_the_requesters_house_gets_no_more_praise_in_a_squad_than_alone() -> None:
    town = town_with()
    decided = town.net.do(asking(town, formed(town, [(town.worker, None), (town.requester, None)])))
    routes = [event.route for event in decided.events if isinstance(event, ClaimOpened)]
    assert routes == ["first-come", "own"]


def test_members_do_not_judge_each_other() -> None:
    town = town_with()
    judge = town.verifiers[0]
    few = scene(verifiers=3)
    few.post("t1", parts=PARTS)
    squad = formed(few, [(few.worker, None), (few.verifiers[0], None)])
    few.net.refused("no-panel", asking(few, squad))
    head, _ = claimed(town, formed(town, [(town.worker, None), (judge, None)]))
    town.net.do(town.output(head))
    town.net.draw(head)
    panel = town.round(head)
    agents = {seat.agent for seat in town.seats(head)} | {each.agent for each in panel.alternates}
    assert judge.did not in agents


def test_the_operators_bond_covers_the_whole_squad() -> None:
    town = town_with(price_units=300)
    for who in (town.worker, town.rival):
        town.net.deposit(who.did, 9_000)
    squad = formed(town, pair(town), members=members(pair(town), 2_400))
    town.net.refused("operator-bond-short", asking(town, squad))


def test_the_parts_of_a_requester_that_left_are_judged_and_paid_and_reopen_for_nobody() -> None:
    town = town_with()
    squad = formed(town, pair(town))
    head, body = claimed(town, squad)
    end(town, head, "fail")
    town.net.say(p.AgentRevoke, town.requester, reason="done")
    town.net.tick(1)
    assert town.net.get(Task, town.net.get(Claim, head).task).closed_why == "requester-left"
    end(town, body)
    assert town.state(body) == "accepted"
    assert town.net.get(Task, "t1").closed_why == "unfinished"


def test_a_founder_that_leaves_leaves_nobodys_stake_behind() -> None:
    town = town_with()
    head, body = claimed(town, formed(town, pair(town)))
    town.net.say(p.AgentRevoke, town.worker, reason="done")
    end(town, body)
    town.window_over(head)
    assert town.net.balance(f"claim/{head}/stake") == 0
    assert town.state(body) == "accepted"


def test_a_part_is_split_no_further() -> None:
    town = town_with()
    head, _ = claimed(town, formed(town, pair(town)))
    town.window_over(head)
    part = town.net.get(Claim, head).task
    third = town.net.join("third")
    town.net.refused("not-divisible", forming(town, [(third, None), (town.rival, None)], part))


# -- who stands surety for the others

HALF = policy_of(surety_ppm=500_000)


def surety_town(*sureties: int | None, policy: Policy = HALF) -> tuple[Scene, Squad, list[str]]:
    """A squad of as many that has claimed a batch, each with what it signed for the others."""
    town = scene(policy)
    town.post("t1", items=p.Items(count=4 * len(sureties), parts=len(sureties)))
    taken = batch(town, *[4] * len(sureties))
    said = tuple(replace(m, surety_units=most) for m, most in zip(members(taken), sureties, strict=True))
    squad = formed(town, taken, members=said)
    return town, squad, claimed(town, squad)


def test_a_failed_part_costs_the_others_the_policys_share_of_what_it_costs_its_worker() -> None:
    town, squad, (bad, good, fair) = surety_town(None, 60, 60)
    before = {who: town.net.free(who) for who in (town.worker, town.rival)}
    end(town, bad, "fail")
    burned = posted(town.net.entries, "slash.surety")
    helper = town.net.people[squad.members[2].worker]
    half = STAKE // 2 // 2
    assert burned == {
        ledger.surety(squad.id, town.rival.did): -half,
        ledger.surety(squad.id, helper.did): -half,
        ledger.BURN: 2 * half,
    }
    end(town, good)
    assert town.net.balance(ledger.surety(squad.id, helper.did)) == 60 - half, "the third claim is not over"
    end(town, fair)
    town.net.tick(HALF.windows.evidence_ms)
    assert town.net.free(town.rival) == before[town.rival] + STAKE + 60 - half + squad.members[1].price_units
    assert not any(town.net.balance(ledger.surety(squad.id, each.worker)) for each in squad.members)


def test_nobody_pays_more_than_it_signed_for_and_who_signs_nothing_loses_nothing() -> None:
    town, squad, (bad, _, _) = surety_town(None, None, 10)
    signed_nothing = town.net.free(town.rival)
    end(town, bad, "fail")
    assert town.net.free(town.rival) == signed_nothing
    assert posted(town.net.entries, "slash.surety")[ledger.BURN] == 10
    assert town.net.balance(ledger.surety(squad.id, town.rival.did)) == 0


@pytest.mark.parametrize("how", ["gives up", "lets it run out", "is paid"])
def test_only_a_part_that_a_panel_failed_costs_its_sureties(how: str) -> None:
    town, squad, (first, second) = surety_town(60, 60)
    if how == "gives up":
        town.net.say(p.ClaimAbandon, town.worker, claim=first)
    elif how == "is paid":
        end(town, first)
    town.net.tick(HALF.claims.lease_ms)
    assert town.net.get(Claim, second).state == "expired"
    assert "slash.surety" not in {
        event.why for entry in town.net.entries for event in entry.events if isinstance(event, MoneyMoved)
    }
    assert not any(town.net.balance(ledger.surety(squad.id, each.worker)) for each in squad.members)


def test_without_a_share_in_the_policy_no_surety_locks() -> None:
    town, squad, _ = surety_town(60, 60, policy=POLICY)
    assert not any(member.claim for member in town.net.get(Squad, squad.id).members)
    assert not posted(town.net.entries, "surety.lock")


def test_a_member_without_the_money_for_its_surety_is_no_member() -> None:
    town = scene(HALF)
    town.post("t1", parts=PARTS)
    poor = town.net.join("poor", STAKE + 10)
    squad = formed(
        town,
        [(town.worker, None), (poor, None)],
        members=members([(town.worker, None), (poor, None)], surety_units=11),
    )
    town.net.refused("insufficient-funds", asking(town, squad))
    assert town.task_state() == "open"


def test_whoever_fails_on_purpose_burns_no_more_of_others_than_of_its_own() -> None:
    """A ring of requester and one member, at the highest share that a policy may say: nobody of it gains a unit, and
    what its victims lose is at most what it loses."""
    town, _, (bad, *_) = surety_town(None, 10_000, 10_000, policy=policy_of(surety_ppm=1_000_000))
    before = town.net.free(town.requester) + town.net.free(town.worker)
    end(town, bad, "fail")
    assert -posted(town.net.entries, "slash.failed-check")[ledger.stake(bad)] == STAKE
    assert posted(town.net.entries, "slash.surety")[ledger.BURN] <= STAKE
    refunded = max(0, posted(town.net.entries, "slash.failed-check").get(ledger.free(town.requester.did), 0))
    reopening = posted(town.net.entries[-3:], "task.escrow").get(ledger.free(town.requester.did), 0)
    assert town.net.free(town.requester) + town.net.free(town.worker) <= before + refunded + reopening


def test_a_part_that_another_takes_up_has_no_sureties_any_more() -> None:
    town, squad, (first, second, _) = surety_town(None, 60, 60)
    town.net.say(p.ClaimAbandon, town.worker, claim=first)
    again = town.claim(town.net.get(Claim, first).task, town.net.join("other"))
    end(town, again, "fail")
    assert not posted(town.net.entries, "slash.surety")
    assert town.net.get(Squad, squad.id).members[1].claim == second


# -- who joins by draw


def called_town(askers: int = 3, **terms: Any) -> tuple[Scene, Squad, list[Who]]:
    """A task that a relay hands out, a squad that is called for it, and workers that may ask."""
    town = scene()
    town.post("t1", relay=town.relay, **({"parts": PARTS} | terms))
    crew = [town.net.join(f"asker {number}", capabilities=(EXACT,)) for number in range(askers)]
    return town, called(town), crew


def test_who_joins_is_drawn_from_those_who_ask_and_each_takes_what_it_offered() -> None:
    town, squad, crew = called_town()
    joined = drawn(town, squad, *crew, stake_units=200)
    founder, other = joined.members
    assert (joined.state, founder.worker, founder.part, founder.stake_units) == (
        "formed",
        town.worker.did,
        "head",
        STAKE,
    )
    assert other.worker in {who.did for who in crew}
    assert (other.part, other.stake_units, other.price_units) == ("body", 200, 70)
    head, body = claimed(town, joined)
    assert [town.net.get(Claim, each).route for each in (head, body)] == ["first-come"] * 2
    end(town, head)
    end(town, body)
    assert town.net.get(Task, "t1").closed_why == "accepted"


def test_another_draw_gives_others() -> None:
    town, squad, crew = called_town(4)
    found = set()
    for number in range(8):
        found.add(drawn(town.fork(), squad, *crew, exclusive_ms=1_000 + number).members[1].worker)
    assert len(found) > 1


def test_the_items_of_a_batch_are_shared_by_as_many_as_asked() -> None:
    town, squad, crew = called_town(2, parts=(), items=p.Items(count=10, parts=4))
    joined = drawn(town, squad, *crew, shortlist=3)
    assert [(each.first_item, each.items_count) for each in joined.members] == [(0, 3), (3, 3), (6, 4)]


def test_nobody_chooses_who_joins() -> None:
    town, squad, crew = called_town()
    for who in crew:
        town.net.say(p.SquadAsk, who, squad=squad.id, stake_units=STAKE)
    town.net.refused("bad-until", joining(town, squad))
    town.net.tick_to(squad.asks_until_ms)
    late = town.net.join("late", capabilities=(EXACT,))
    town.net.refuses("squad-state", p.SquadAsk, late, squad=squad.id, stake_units=STAKE)
    town.net.refused("bad-candidates", joining(town, squad, candidates=(crew[0].did,)))
    town.net.refused("bad-candidates", joining(town, squad, shortlist=2))
    stranger = town.net.statement(
        p.TaskAllocate,
        crew[0],
        relay=town.relay,
        candidates=(),
        shortlist=1,
        exclusive_ms=1_000,
        task="t1",
        squad=squad.id,
    )
    town.net.refused("not-coordinator", stranger)
    town.net.do(joining(town, squad))
    town.net.refused("squad-state", asking(town, squad))
    town.net.do(town.net.shortlist_draw_of("t1"))
    town.net.refused("already-allocated", joining(town, called(town, who=crew[0])))


def test_while_a_drawn_squad_may_claim_nobody_else_may_and_its_end_opens_the_task() -> None:
    town, squad, crew = called_town()
    joined = drawn(town, squad, *crew)
    member = town.net.people[joined.members[1].worker]
    town.net.refused("not-allocated", town.request("t1", member))
    own = formed(town, pair(town))
    town.net.refused("not-allocated", asking(town, own))
    town.net.refuses("not-yours", p.SquadDissolve, member, squad=squad.id)
    town.net.say(p.SquadDissolve, town.worker, squad=squad.id)
    town.claim("t1", member)


def test_an_owner_has_one_place_among_those_who_ask_and_the_founders_house_none() -> None:
    town, squad, crew = called_town(1)
    twin = town.net.join("twin", owner=town.worker, capabilities=(EXACT,))
    town.net.refuses("bad-squad", p.SquadAsk, twin, squad=squad.id, stake_units=STAKE)
    town.net.say(p.SquadAsk, crew[0], squad=squad.id, stake_units=STAKE)
    again = town.net.join("again", owner=crew[0], capabilities=(EXACT,))
    town.net.refuses("bad-squad", p.SquadAsk, again, squad=squad.id, stake_units=STAKE)
    town.net.refuses("not-capable", p.SquadAsk, town.verifiers[0], squad=squad.id, stake_units=STAKE)
    small = town.net.join("small", capabilities=(EXACT,))
    town.net.refuses("insufficient-stake", p.SquadAsk, small, squad=squad.id, stake_units=99)


def test_where_too_few_may_join_the_task_is_open_to_all() -> None:
    town, squad, _ = called_town()
    town.net.tick_to(squad.asks_until_ms)
    town.net.refused("nobody-eligible", joining(town, squad))
    town, squad, _ = called_town(0)
    poor = town.net.join("poor", STAKE - 1, capabilities=(EXACT,))
    unable = drawn(town, squad, poor)
    assert (unable.state, town.task_state()) == ("calling", "open")
    town.claim("t1", town.rival)
    town.net.tick_to(squad.until_ms)
    assert town.net.get(Squad, squad.id).state == "expired"


def test_a_squad_is_called_for_where_a_relay_can_have_it_drawn() -> None:
    town = town_with()
    until_ms = town.net.now_ms + 9_000
    said = {"stake_units": STAKE, "asks_until_ms": until_ms, "until_ms": until_ms + 1}
    town.net.refuses("wrong-relay", p.SquadCall, town.worker, task="t1", **said)
    town.post("t2", relay=town.relay, parts=PARTS)
    town.net.refuses("bad-until", p.SquadCall, town.worker, task="t2", **said | {"until_ms": until_ms})
    town.net.refuses("insufficient-stake", p.SquadCall, town.worker, task="t2", **said | {"stake_units": 9})
    town.post("t3", relay=town.relay)
    town.net.refuses("not-divisible", p.SquadCall, town.worker, task="t3", **said)


def test_a_draw_for_a_squad_that_comes_to_nothing_costs_its_requester_nothing() -> None:
    town, squad, crew = called_town()
    drawn(town, squad, *crew)
    entries = town.net.tick_to(town.net.get(Task, "t1").deadline_ms)
    assert not posted(entries, "allocation.lapsed")
    assert town.net.get(Squad, squad.id).state == "expired"
