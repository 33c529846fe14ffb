"""Who leaves, or is made to: what was begun is brought to its end, and the money follows (docs/rules.md 7)."""

from __future__ import annotations

import pytest

from tests.core.flows import PRICE, STAKE, Scene, posted, scene
from tests.core.invariants import Checker
from tests.core.network import DAY_MS, Who, kinds
from tests.core.terms import EXACT
from trust.core import payloads as p
from trust.core import rulebook
from trust.core.entry import MAX_ENTRY_BYTES
from trust.core.records import Claim, Seat, Task, Withdrawal
from trust.core.rules.parties import TASKS_AT_ONCE

FEES = 39


@pytest.fixture
def town() -> Scene:
    return scene(verifiers=30)


def leave(town: Scene, who: Who) -> None:
    town.net.say(p.AgentRevoke, who, reason="done")
    town.net.settle()


def leave_for_good(town: Scene, who: Who) -> None:
    town.net.say(p.AgentRevoke, town.net.operator, reason="abuse", party=who.did)
    town.net.settle()


def whole(town: Scene, who: Who) -> int:
    """What somebody has, free and unbonding."""
    return town.net.free(who) + town.net.balance(f"agent/{who.did}/unbonding")


# -- tasks


@pytest.mark.parametrize(("end", "free"), [(leave, 0), (leave_for_good, 5_000)])
def test_the_open_tasks_of_who_leaves_close_at_once_and_what_was_in_escrow_comes_back(
    town: Scene, end: object, free: int
) -> None:
    for number in range(3):
        town.post(f"t{number}")
    at_ms = town.net.now_ms + 1
    assert callable(end)
    end(town, town.requester)
    for number in range(3):
        task = town.net.get(Task, f"t{number}")
        assert (task.state, task.closed_why) == ("closed", "requester-left")
    assert town.net.entries[-1].at_ms == at_ms
    assert (town.net.free(town.requester), whole(town, town.requester)) == (free, 5_000)
    town.net.refused("task-closed", town.request("t1"))


def test_what_was_unbonding_by_itself_is_payable_afterwards(town: Scene) -> None:
    town.post()
    leave(town, town.requester)
    mine = [each for each in town.net.all(Withdrawal) if each.party == town.requester.did]
    assert sum(each.amount_units for each in mine) == 5_000
    town.net.tick(town.net.policy.windows.unbonding_ms)
    for number, each in enumerate(mine):
        assert town.net.get(Withdrawal, each.id).state == "payable"
        town.net.say(
            p.StakePayout, town.net.operator, town.requester, withdrawal=each.id, reference=f"out-{number}"
        )
    assert whole(town, town.requester) == 0


def test_a_claimed_task_is_worked_on_and_paid_though_its_requester_left(town: Scene) -> None:
    claim = town.submitted()
    town.post("open")
    leave(town, town.requester)
    assert (town.task_state("t1"), town.task_state("open")) == ("claimed", "closed")
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim)
    town.window_over(claim)
    assert town.state(claim) == "accepted"
    assert town.net.free(town.worker) == 5_000 + PRICE - 30
    assert whole(town, town.requester) == 5_000 - PRICE - FEES


def test_a_failed_claim_on_the_task_of_who_left_closes_it(town: Scene) -> None:
    claim = town.judged(verdict="fail")
    leave(town, town.requester)
    entries = town.window_over(claim)
    assert town.net.get(Task, "t1").state == "closed"
    assert posted(entries, "slash.failed-check")["burn"] == STAKE - FEES
    assert whole(town, town.requester) == 5_000


def test_a_requester_with_many_tasks_leaves_in_entries_that_fit(town: Scene) -> None:
    town.net.deposit(town.requester.did, 10**6)
    town.net.autoflush = False
    count = 2 * TASKS_AT_ONCE + 5
    longest = "x" * 58
    for number in range(count):
        town.post(f"{longest}-{number:05}")
    before = len(town.net.entries)
    leave(town, town.requester)
    new = town.net.entries[before:]
    assert [kinds(entry.events).count("task.closed") for entry in new] == [0, 64, 64, 5]
    assert max(len(entry.data) for entry in new) < MAX_ENTRY_BYTES // 2
    assert len({entry.at_ms for entry in new}) == 1
    assert not [task for task in town.net.all(Task) if task.state == "open"]
    assert whole(town, town.requester) == 5_000 + 10**6
    Checker().check(town.net.records(), town.net.entries, town.net.draft.at_ms)


def test_tasks_that_end_in_any_order_leave_the_others_in_line(town: Scene) -> None:
    town.net.deposit(town.requester.did, 10_000)
    for number in range(6):
        town.post(f"t{number}")
    for number in (0, 5, 2):
        town.net.say(p.TaskCancel, town.requester, task=f"t{number}")
    town.claim("t3")
    town.post("t6")
    Checker().check(town.net.records(), town.net.entries, town.net.draft.at_ms)
    leave(town, town.requester)
    states = {task.id: task.closed_why for task in town.net.all(Task)}
    left = {f"t{number}": "requester-left" for number in (1, 4, 6)}
    assert states == {"t0": "cancelled", "t2": "cancelled", "t5": "cancelled", "t3": "", **left}


def test_a_deadline_of_the_same_moment_is_settled_once(town: Scene) -> None:
    at_ms = town.net.now_ms + 500
    town.post("first", deadline_ms=at_ms)
    town.post("second")
    town.net.tick_to(at_ms - 1)
    leave(town, town.requester)
    assert (town.task_state("first"), town.task_state("second")) == ("closed", "closed")
    assert whole(town, town.requester) == 5_000


def test_nothing_is_said_before_the_tasks_of_who_left_are_closed(town: Scene) -> None:
    town.post()
    said = town.request()
    town.net.say(p.AgentRevoke, town.requester, reason="done")
    assert town.net.draft.due(town.net.now_ms, 5)
    assert list(rulebook.settle(town.fork().net.draft, town.net.now_ms))
    town.net.refused("task-closed", said)


def test_the_tasks_of_a_tombstoned_requester_close_too(town: Scene) -> None:
    town.post("own", town.worker)
    for number in (1, 2, 3):
        town.ended(f"t{number}", "fail")
    assert (town.party(town.worker).left, town.task_state("own")) == ("tombstoned", "closed")
    assert whole(town, town.worker) == 5_000 - 3 * STAKE


# -- claims, seats, challenges


@pytest.mark.parametrize(("by_operator", "lost"), [(True, 0), (False, 1)])
def test_only_whom_the_operator_made_leave_is_excused_its_lease(
    town: Scene, by_operator: bool, lost: int
) -> None:
    claim = town.claimed()
    if by_operator:
        town.net.say(p.AgentRevoke, town.net.operator, reason="abuse", party=town.worker.did)
    else:
        leave(town, town.worker)
    assert town.state(claim) == "claimed"
    town.net.tick(10_000)
    assert (town.state(claim), len(town.party(town.worker).liveness_ms)) == ("expired", lost)
    assert whole(town, town.worker) == 5_000 - lost
    assert town.task_state() == "open"


def test_whom_the_operator_revokes_brings_to_an_end_what_it_had_begun(town: Scene) -> None:
    claim = town.claimed()
    rejected = town.judged("t2", "fail")
    leave_for_good(town, town.worker)
    town.net.say(p.ClaimRenew, town.worker, claim=claim)
    town.challenged(rejected, town.worker)
    town.judge(rejected, "pass")
    town.net.do(town.output(claim))
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim)
    town.net.tick(1_000)
    assert (town.state(claim), town.state(rejected)) == ("accepted", "accepted")
    assert town.net.free(town.worker) == 5_000 + 2 * PRICE - 60
    town.net.say(p.StakeWithdraw, town.worker, amount_units=5_000)
    town.post("t3")
    town.net.refused("revoked", town.request("t3"))


def test_an_output_of_who_left_is_opened_judged_and_slashed(town: Scene) -> None:
    claim = town.drawn()
    leave(town, town.worker)
    town.open(claim)
    town.judge(claim, "fail")
    town.window_over(claim)
    assert town.state(claim) == "rejected"
    assert whole(town, town.worker) == 5_000 - STAKE
    assert town.net.free(town.worker) == 0


def test_the_bond_of_a_challenger_who_left_comes_back_and_unbonds(town: Scene) -> None:
    claim = town.judged()
    town.challenged(claim, town.rival)
    leave(town, town.rival)
    town.judge(claim, "fail")
    town.window_over(claim)
    assert (town.net.free(town.rival), whole(town, town.rival)) == (0, 5_041)


def test_the_other_side_of_a_lost_challenge_gets_its_half_though_it_left(town: Scene) -> None:
    claim = town.judged()
    town.challenged(claim, town.rival)
    leave(town, town.worker)
    town.judge(claim, "pass")
    town.window_over(claim)
    assert (town.net.free(town.worker), whole(town, town.worker)) == (0, 5_000 + PRICE + 35 - 30)


def test_a_seat_without_a_commit_passes_on_and_one_with_a_commit_is_bound(town: Scene) -> None:
    claim = town.opened()
    gone, bound, third = town.seats(claim)
    town.commit(bound, town.vote(bound))
    town.commit(third, town.vote(third))
    for seat in (gone, bound):
        leave(town, town.sitter(seat))
    town.net.tick_to(gone.until_ms)
    taken = town.seats(claim)[gone.place]
    town.commit(taken, town.vote(taken))
    for seat in (taken, third):
        town.reveal(seat, town.vote(seat))
    town.net.tick_to(town.round(claim).until_ms)
    assert town.net.get(Seat, gone.id).state == "excused"
    assert town.net.get(Seat, bound.id).state == "silent"


def test_who_left_with_everything_open_owes_nothing_and_is_owed_nothing_in_the_end(town: Scene) -> None:
    who = town.net.join("busy", units=9_000)
    town.net.enroll(who, kinds=(EXACT,))
    town.post("posted", who)
    town.post("t1")
    claim = town.claim("t1", who)
    judged = town.judged("t2")
    town.challenge(judged, who)
    town.net.say(p.StakeWithdraw, who, amount_units=100)
    leave(town, who)
    town.net.draw(judged)
    town.judge(judged, "pass")
    town.window_over(judged)
    for _ in range(2):
        town.net.tick(DAY_MS)
    assert town.net.get(Claim, claim).state == "expired"
    mine = [each for each in town.net.all(Withdrawal) if each.party == who.did]
    assert {each.state for each in mine} == {"payable"}
    assert sum(each.amount_units for each in mine) == 9_000 - 140 - 1
