"""The figures of a run: final states, stuck money and times, from the log's own events, and the relay's traffic."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from trust.sandbox.board import Board, Event

Facts = dict[str, Any]


class Times(msgspec.Struct, frozen=True):
    """The middle and the 99th percentile of some times, in ms."""

    count: int
    p50_ms: int
    p99_ms: int

    @classmethod
    def of(cls, times: Iterable[int]) -> Times:
        """Of these."""
        ordered = sorted(times)
        if not ordered:
            return cls(0, 0, 0)
        return cls(
            len(ordered), ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
        )


class Figures(msgspec.Struct, frozen=True):
    """`stuck` are accounts of claims, seats and tasks that still hold money, in units."""

    tasks: int
    states: dict[str, int]
    open: int
    claims: dict[str, int]
    stuck: dict[str, int]
    slashed_units: int
    elapsed_ms: int
    tasks_per_s: float
    post_to_claim: Times
    claim_to_output: Times
    output_to_end: Times


def figures(board: Board, tasks: Sequence[str]) -> Figures:
    """The figures of these tasks."""
    wanted = set(tasks)
    posted = {event["task"]: event["at_ms"] for event in board.all("task.posted") if event["task"] in wanted}
    closed = {event["task"]: event for event in board.all("task.closed") if event["task"] in wanted}
    opened = {event["claim"]: event for event in board.all("claim.opened") if event["task"] in wanted}
    output = {event["claim"]: event["at_ms"] for event in board.all("output.submitted")}
    ended = {event["claim"]: event for event in board.all("claim.ended") if event["claim"] in opened}
    first: dict[str, int] = {}
    for event in opened.values():
        first.setdefault(event["task"], event["at_ms"])
    times = [*posted.values(), *(event["at_ms"] for event in closed.values())]
    elapsed_ms = max(times, default=0) - min(times, default=0)
    return Figures(
        tasks=len(wanted),
        states=dict(Counter(str(event["why"]) for event in closed.values())),
        open=len(wanted - closed.keys()),
        claims=dict(Counter(str(event["state"]) for event in ended.values())),
        stuck=stuck(board.events),
        slashed_units=slashed(board.events),
        elapsed_ms=elapsed_ms,
        tasks_per_s=round(len(closed) * 1_000 / max(1, elapsed_ms), 2),
        post_to_claim=Times.of(first[task] - posted[task] for task in first if task in posted),
        claim_to_output=Times.of(
            output[claim] - event["at_ms"] for claim, event in opened.items() if claim in output
        ),
        output_to_end=Times.of(
            event["at_ms"] - output[claim] for claim, event in ended.items() if claim in output
        ),
    )


def stuck(events: Iterable[Event]) -> dict[str, int]:
    """Returns the units left on the accounts of claims, challenges and tasks."""
    balances: dict[str, int] = defaultdict(int)
    for event in events:
        if event["kind"] == "money.moved":
            for account, units in event["postings"]:
                balances[account] += units
    locks = ("claim/", "task/", "challenge/")
    return {name: units for name, units in balances.items() if units and name.startswith(locks)}


def slashed(events: Iterable[Event]) -> int:
    """Returns the units that slashes took."""
    return sum(
        -units
        for event in events
        if event["kind"] == "money.moved" and "slash" in event["why"]
        for _, units in event["postings"]
        if units < 0
    )


def rate(events: Sequence[Event], start_ms: int, end_ms: int) -> float:
    """Tasks that were closed a second between two moments of the log."""
    closed = [each for each in events if each["kind"] == "task.closed" and start_ms <= each["at_ms"] < end_ms]
    return round(len(closed) * 1_000 / max(1, end_ms - start_ms), 2)


WINDOW_MS = 5_000
RECOVERED = 0.8


def phases_of(events: Sequence[Event], marks: Sequence[int], faults: int) -> Facts:
    """Tasks a second before, during and after the faults, and how long after the last one it took until four fifths of
    the speed before were back."""
    began, struck, healed, ended = marks
    before = rate(events, began, struck)
    last = max((event["at_ms"] for event in events), default=ended)
    moments = range(healed, max(healed, last) + 1, 250)
    back = next((at for at in moments if rate(events, at, at + WINDOW_MS) >= RECOVERED * before), last)
    return {
        "faults": faults,
        "tasks_per_s_before": before,
        "tasks_per_s_during": rate(events, struck, healed),
        "tasks_per_s_after": rate(events, healed, max(healed + 1, min(ended, last))),
        "recovered_after_ms": back - healed,
    }
