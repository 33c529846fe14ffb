"""Whoever has the log finds every lie in it: each entry is decided again and compared byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from tests.core.flows import Scene, scene
from tests.core.invariants import check_log
from tests.core.network import kinds
from trust.core import payloads as p
from trust.core import rulebook
from trust.core.entry import decode_entry
from trust.core.events import CannotFold, ClaimEnded, PartyLeft, TaskClosed
from trust.core.records import Node
from trust.core.rulebook import Lie
from trust.core.state import Draft, MemoryState

Entry = dict[str, Any]


@pytest.fixture(scope="module")
def town() -> Scene:
    """A scene whose log holds every command: statements, clock, draws, seals, genesis."""
    town = scene(verifiers=24)
    town.ended("t1")
    claim = town.opened("t2", **town.batch_task(40))
    contested = town.round(claim).items[0][:1]
    town.judge(claim, bad=[contested, [], []])
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim, bad=[contested] * 7)
    town.net.tick(1_000)
    town.batch = None
    town.net.say(p.StakeWithdraw, town.rival, amount_units=5)
    town.claimed("t3")
    town.net.tick(10_000)
    town.post("t4", deadline_ms=town.net.now_ms + 200_001)
    town.net.tick(200_000)
    town.post("t5", deadline_ms=town.net.now_ms + 5_000)
    town.net.tick_to(town.net.draft.timers(1)[0].due_ms)
    return town


def test_a_whole_log_replays_to_the_same_bytes_and_folds_to_the_same_records(town: Scene) -> None:
    check_log(town.net.entries, town.net.records())


def replayed(town: Scene, until: int) -> MemoryState:
    """The state before entry `until`, by folding alone."""
    state = MemoryState()
    state.put_all(record for record in town.net.all(Node))
    for decided in town.net.entries[:until]:
        draft = Draft(state)
        rulebook.fold(draft, decode_entry(decided.data))
        state.absorb(draft)
    return state


def index_of(town: Scene, kind: str, command: str = "") -> int:
    """The first entry with an event of this kind, caused by such a command."""
    return next(
        each.index
        for each in town.net.entries
        if kind in kinds(each.events) and command in json.loads(each.data)["command"] | {"": 0}
    )


def lie(town: Scene, index: int, change: Callable[[Entry], None]) -> str:
    """Why an auditor does not believe entry `index` after the change."""
    told = json.loads(town.net.entries[index].data)
    change(told)
    data = json.dumps(told, separators=(",", ":")).encode()
    state = replayed(town, index)
    with pytest.raises(Lie) as caught:
        rulebook.replay(Draft(state), decode_entry(data), data)
    return str(caught.value)


def event(told: Entry, kind: str) -> Entry:
    found: Entry = next(each for each in told["events"] if each["kind"] == kind)
    return found


def test_a_stolen_posting_is_found(town: Scene) -> None:
    def steal(told: Entry) -> None:
        moved = event(told, "money.moved")["postings"]
        moved[0][1] -= 1
        moved[1][1] += 1

    reason = lie(town, index_of(town, "claim.ended", "clock"), steal)
    assert "money.moved" in reason


def test_an_event_left_out_or_added_is_found(town: Scene) -> None:
    index = index_of(town, "task.reopened")
    assert "events" in lie(town, index, lambda told: told["events"].pop())
    assert "events" in lie(town, index, lambda told: told["events"].append(told["events"][-1]))


def test_events_in_another_order_are_found(town: Scene) -> None:
    assert "the rules make" in lie(
        town, index_of(town, "seat.settled"), lambda told: told["events"].reverse()
    )


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("claim.opened", "stake_units", 1),
        ("claim.opened", "lease_until_ms", 1),
        ("round.opened", "quorum", 1),
        ("verdict.reached", "verdict", "fail"),
        ("seat.settled", "outcome", "wrong"),
        ("agent.observed", "good_milli", 999_999),
        ("pool.weight", "weight", 2),
        ("task.posted", "price_units", 1),
        ("withdrawal.opened", "matures_ms", 1),
    ],
)
def test_a_changed_decision_is_found(town: Scene, kind: str, field: str, value: object) -> None:
    reason = lie(town, index_of(town, kind), lambda told: event(told, kind).update({field: value}))
    assert kind in reason


def test_a_draw_with_another_proof_is_found(town: Scene) -> None:
    def grind(told: Entry) -> None:
        beacon = told["command"]["draw"]["beacons"][0]
        beacon["pi"] = "00" + beacon["pi"][2:]

    assert "bad-draw" in lie(town, index_of(town, "round.opened"), grind)


def test_a_statement_that_the_rules_refuse_is_found(town: Scene) -> None:
    index = index_of(town, "claim.opened")
    again = json.loads(town.net.entries[index].data)

    def repeat(told: Entry) -> None:
        told.update(again)
        told["at_ms"] = town.net.entries[index + 1].at_ms

    assert "repeated" in lie(town, index + 1, repeat)


def test_time_that_goes_back_is_found(town: Scene) -> None:
    index = index_of(town, "output.submitted")
    earlier_ms = town.net.entries[index - 1].at_ms - 1
    assert "time goes back" in lie(town, index, lambda told: told.update(at_ms=earlier_ms))


def test_another_time_is_found(town: Scene) -> None:
    index = index_of(town, "claim.opened")
    assert "lease_until_ms" in lie(town, index, lambda told: told.update(at_ms=told["at_ms"] + 1))


def test_what_was_due_and_is_not_settled_is_found(town: Scene) -> None:
    """A deadline that somebody would rather not have passed."""
    index = index_of(town, "claim.ended", "clock")
    after = next(each for each in town.net.entries[index:] if "statement" in json.loads(each.data)["command"])
    told = json.loads(after.data)
    reason = lie(town, index, lambda each: each.update(told))
    assert "was due" in reason
    assert "not settled" in reason


def test_settling_what_is_not_due_is_found(town: Scene) -> None:
    index = _exactly_due(town)
    due_ms = town.net.entries[index].at_ms
    assert "nothing was due" in lie(town, index, lambda told: told.update(at_ms=due_ms - 1))


def _exactly_due(town: Scene) -> int:
    """A clock entry before whose time nothing was due."""
    return next(
        after.index
        for before, after in pairwise(town.net.entries)
        if "clock" in json.loads(after.data)["command"]
        and before.at_ms < after.at_ms
        and replayed(town, after.index).timers(1)[0].due_ms == after.at_ms
    )


@pytest.mark.parametrize("items", [[], ["task/t1"], ["clm_" + "a" * 26]])
def test_a_clock_entry_settles_exactly_what_is_due(town: Scene, items: list[str]) -> None:
    index = index_of(town, "claim.ended", "clock")
    assert lie(town, index, lambda told: told["command"].update(clock=items))


def test_other_bytes_for_the_same_entry_are_found(town: Scene) -> None:
    index = index_of(town, "task.posted")
    data = town.net.entries[index].data
    spaced = data.replace(b'{"v":1,', b'{"v": 1,')
    with pytest.raises(Lie, match="bytes"):
        rulebook.replay(Draft(replayed(town, index)), decode_entry(spaced), spaced)


def test_a_genesis_that_comes_twice_or_is_dangerous_is_found(town: Scene) -> None:
    first = json.loads(town.net.entries[0].data)

    def again(told: Entry) -> None:
        told.update(command=first["command"], events=first["events"])

    assert "network-exists" in lie(town, 5, again)

    def dangerous(told: Entry) -> None:
        told["command"]["genesis"]["policy"]["money"]["challenge_burn_ppm"] = 0

    assert "dangerous-policy" in lie(town, 0, dangerous)


@pytest.mark.parametrize(
    "event",
    [
        TaskClosed(task="nowhere", why="x"),
        PartyLeft(party="ghost", how="x"),
        ClaimEnded(claim="c", state="x"),
    ],
)
def test_an_event_about_nothing_cannot_be_folded(event: msgspec.Struct) -> None:
    with pytest.raises(CannotFold):
        event.fold(Draft(MemoryState()))  # type: ignore[attr-defined]


def test_folding_needs_no_rule(town: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulebook, "ACTS", {})
    monkeypatch.setattr(rulebook, "DUE", {})
    assert replayed(town, len(town.net.entries)).records == town.net.records()
