"""What is due is settled before anything else, in order, and a window's end belongs to nobody (docs/rules.md 2)."""

from __future__ import annotations

import pytest

from tests.core.flows import Scene, scene
from tests.core.network import Net, kinds
from tests.core.terms import EXACT
from trust.core import payloads as p
from trust.core import rulebook
from trust.core.entry import MAX_CLOCK_ITEMS, decode_entry
from trust.core.records import Task, Timer, Withdrawal
from trust.core.rulebook import Decided
from trust.core.rules import acts
from trust.core.rules.decision import Decision
from trust.core.state import Draft


@pytest.fixture
def town() -> Scene:
    return scene()


def clock(decided: Decided) -> tuple[str, ...]:
    """The items of a clock entry."""
    return decode_entry(decided.data).command.clock or ()


def test_a_clock_entry_stands_before_what_was_said_at_that_time(town: Scene) -> None:
    claim = town.claimed()
    town.net.now_ms += 20_000
    posted = town.post("t2")
    settled, last = town.net.entries[-2:]
    assert last is posted
    assert clock(settled)[0] == claim
    assert settled.at_ms == posted.at_ms


def test_nothing_is_due_twice(town: Scene) -> None:
    town.claimed()
    town.net.tick(20_000)
    assert town.net.settle() == []


def test_two_replicas_that_fire_at_once_write_one_clock_entry(town: Scene) -> None:
    town.claimed()
    town.net.now_ms += 10_000
    late = Draft(town.net.store.view())
    town.net.settle()
    town.net.flush()
    assert list(rulebook.settle(Draft(town.net.store.view()), town.net.now_ms)) == []
    assert late.size < town.net.draft.size


def test_items_are_settled_in_order_of_time_kind_and_id(town: Scene) -> None:
    net = town.net
    due_ms = net.now_ms + 5_000
    for task in ("t3", "t1", "t2"):
        town.post(task, deadline_ms=due_ms)
    town.post("first", deadline_ms=due_ms - 1)
    net.now_ms = due_ms
    items = [item for decided in net.settle() for item in clock(decided)]
    assert items == ["task/first", "task/t1", "task/t2", "task/t3"]


def test_a_clock_entry_has_at_most_32_items(town: Scene) -> None:
    net = town.net
    due_ms = net.now_ms + 60_000
    net.deposit(town.requester.did, 100_000)
    for number in range(40):
        town.post(f"t{number}", deadline_ms=due_ms)
    net.now_ms = due_ms - 1
    net.settle()
    net.now_ms = due_ms
    first, second = net.settle()
    assert (len(clock(first)), len(clock(second))) == (MAX_CLOCK_ITEMS, 8)
    assert {net.get(Task, f"t{number}").state for number in range(40)} == {"closed"}


def test_a_clock_entry_that_would_be_too_long_is_given_up_at_once_and_is_the_longest_that_fits(
    town: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = town.net
    due_ms = net.now_ms + 60_000
    net.deposit(town.requester.did, 100_000)
    for number in range(MAX_CLOCK_ITEMS):
        town.post(f"t{number}", deadline_ms=due_ms)
    net.now_ms = due_ms - 1
    net.settle()
    decided: list[str] = []
    lapse = acts.DUE["deadline"]

    def counted(d: Decision, id: str) -> None:
        decided.append(id)
        lapse(d, id)

    monkeypatch.setitem(acts.DUE, "deadline", counted)
    for limit in (3_000, 2_000):
        monkeypatch.setattr(rulebook, "MAX_ENTRY_BYTES", limit)
        for count in range(MAX_CLOCK_ITEMS, 0, -1):
            due = net.draft.timers(count)
            if isinstance(expected := rulebook._settled(Draft(net.draft), due, due_ms), Decided):
                break
        decided.clear()
        assert rulebook._clock(Draft(net.draft), net.draft.timers(MAX_CLOCK_ITEMS), due_ms) == expected
        assert 1 < count < MAX_CLOCK_ITEMS
        assert len(decided) <= 4 * count + 4


def test_seats_whose_windows_end_together_pass_on_in_one_entry(town: Scene) -> None:
    claim = town.opened()
    first, *others = town.seats(claim)
    town.commit(first, town.vote(first))
    town.net.tick(1_500)
    [settled] = [each for each in town.net.entries if "seat.passed" in kinds(each.events)]
    assert {seat.id for seat in others} <= set(clock(settled))
    assert first.id not in clock(settled)
    assert town.round(claim).phase == "commit"


def test_time_never_goes_back(town: Scene) -> None:
    times = [decided.at_ms for decided in town.net.entries]
    assert times == sorted(times)


@pytest.mark.parametrize("before_ms", [1, 0])
def test_a_windows_end_belongs_to_nobody(town: Scene, before_ms: int) -> None:
    town.net.say(p.StakeWithdraw, town.worker, amount_units=5)
    [withdrawal] = town.net.all(Withdrawal)
    town.net.tick_to(withdrawal.matures_ms - before_ms)
    assert town.net.get(Withdrawal, withdrawal.id).state == ("unbonding" if before_ms else "payable")


def test_a_pool_is_due_once_an_epoch_and_only_when_it_changed(town: Scene) -> None:
    net = town.net
    assert net.tick(10_000) == []
    net.say(p.VerifierEnroll, town.verifiers[0], stake_units=1_000)
    net.say(p.VerifierEnroll, town.verifiers[1], stake_units=1_000)
    timers = [timer for timer in net.all(Timer) if timer.kind == "epoch"]
    assert {timer.id for timer in timers} == {f"verifiers/{EXACT}", "verifiers/essay"}
    assert len({timer.due_ms for timer in timers}) == 1
    assert (timers[0].due_ms - net.entries[0].at_ms) % 500 in (0, 499)
    [begun] = net.tick(500)
    assert kinds(begun.events) == ["pool.epoch", "pool.epoch"]
    assert net.tick(10_000) == []


def test_an_epoch_counts_on_where_two_begin_in_the_same_span() -> None:
    net = Net().found()
    ann = net.join("ann")
    net.enroll(ann, kinds=(EXACT,))
    epochs = [net.sealed().epoch]
    for _ in range(3):
        net.say(p.VerifierEnroll, ann, stake_units=200)
        net.tick(500)
        epochs.append(net.sealed().epoch)
    assert epochs == sorted(set(epochs))
