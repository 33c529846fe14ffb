"""One case in words: what happened to a claim or a task, entry by entry, and why (`trust explain`).

Read from the entries' own bytes, so that whoever proved those need believe nobody. Numbers that follow from others
are computed again here: the check rate from its inputs, the coin from the draw's beta. Entries also tell of other
cases (a clock entry settles up to 32); an event belongs to this one when it names something of it, or follows an event
that does and names nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from trust.audit.ratewords import percent, why_this_rate
from trust.core import events as e
from trust.core.checks.draw import Stream
from trust.core.entry import Entry, decode_entry
from trust.core.events import Event

_PPM = 1_000_000
_LONG = re.compile(
    r"(?:agent/)?did:key:z[1-9A-HJ-NP-Za-km-z]{20,}|(?<=\b[a-z]{3}_)[a-z2-7]{26}\b|(?<=seat_)[a-z2-7]{26}\b"
)
_SHOWN = 6


@dataclass(frozen=True)
class Line:
    """One sentence about entry `index`."""

    index: int
    at_ms: int
    words: str


def explain(case: str, entries: Iterable[tuple[int, bytes]]) -> list[Line]:
    """The story of a claim or a task (`case` is its id) from entries that name it: index and bytes, in log order."""
    decoded = [(index, decode_entry(data)) for index, data in entries]
    story = _Story(case, [event for _, entry in decoded for event in entry.events])
    return [line for index, entry in decoded for line in story.tell(index, entry)]


class _Story:
    """What belongs to the case: its claims and their seats, and its task; all that is said of it was decided there."""

    def __init__(self, case: str, events: Sequence[Event]) -> None:
        claims = [
            event
            for event in events
            if isinstance(event, e.ClaimOpened) and case in (event.claim, event.task)
        ]
        self._rates = {event.claim: event.rate.p_ppm for event in claims}
        self._task = claims[0].task if claims else case
        self._whole = self._task == case
        self._mine = {case, *self._rates}
        for event in events:
            if isinstance(event, e.RoundOpened) and event.claim in self._mine:
                self._mine |= {drawn.seat for drawn in event.seats}
            elif isinstance(event, e.SeatPassed) and event.seat in self._mine and event.next is not None:
                self._mine.add(event.next.seat)

    def tell(self, index: int, entry: Entry) -> Iterator[Line]:
        """The entry's events that belong to the case, in words."""
        several = entry.command.clock is not None and len(entry.command.clock) > 1
        events = self._of_case(entry.events) if several else self._all_or_none(entry.events)
        for event in events:
            words = self._tossed(entry, event) if isinstance(event, e.CoinTossed) else _words(event)
            if words:
                yield Line(index, entry.at_ms, _short(words))

    def _all_or_none(self, events: Sequence[Event]) -> Sequence[Event]:
        return events if any(map(self._is_mine, events)) else ()

    def _of_case(self, events: Iterable[Event]) -> Iterator[Event]:
        relevant = False
        for event in events:
            told = self._is_mine(event)
            relevant = relevant if told is None else told
            if relevant:
                yield event

    def _is_mine(self, event: Event) -> bool | None:
        """Whether an event names something of the case; None where it names nothing that would tell."""
        named = _named(event, ("claim", "seat"))
        if named:
            return not named.isdisjoint(self._mine)
        tasks = _named(event, ("task",))
        if tasks and (self._whole or isinstance(event, e.TaskPosted)):
            return self._task in tasks
        return None

    def _tossed(self, entry: Entry, event: e.CoinTossed) -> str:
        """The coin, tossed again from the draw's beta."""
        rate = self._rates.get(event.claim)
        outcome = (
            "the output is checked"
            if event.checked
            else f"no check; it is open to challenge until {event.until_ms}"
        )
        if rate is None or entry.command.draw is None:
            return f"The coin: {outcome}."
        number = Stream(bytes.fromhex(entry.command.draw.beacons[0].beta), b"panel").below(_PPM)
        agrees = "" if (number < rate) == event.checked else " THIS DOES NOT FOLLOW."
        relation = "below" if number < rate else "not below"
        return f"The coin: the draw gives {number} of {_PPM}, {relation} {rate}: {outcome}.{agrees}"


def _named(event: Event, what: tuple[str, ...]) -> set[str]:
    """The claims, seats or tasks that an event names; money names them by their accounts."""
    if isinstance(event, e.MoneyMoved):
        accounts = [account.split("/") for account, _ in event.postings]
        return {parts[1] for parts in accounts if parts[0] in what}
    return {str(getattr(event, name)) for name in what if hasattr(event, name)}


def _short(text: str) -> str:
    """DIDs and ids by the end that tells them apart."""
    return _LONG.sub(lambda found: f"..{found[0][-_SHOWN:]}", text)


# -- sentences


def _words(event: Event) -> str:
    teller = _TOLD.get(type(event))
    if teller is not None:
        return str(teller(event))
    template = _TEMPLATES.get(type(event))
    if template is not None:
        return template.format_map(msgspec.structs.asdict(event))
    return f"{type(event).__struct_config__.tag}." if type(event) not in _ASIDE else ""


_ASIDE = {e.PoolWeight, e.PoolDue, e.PoolEpoch, e.PoolSealed}
"""What follows for the pools, and is no part of a case."""

_TEMPLATES: dict[type[Event], str] = {
    e.TaskReopened: "The task is open again.",
    e.TaskClosed: "The task is closed: {why}.",
    e.TaskBarred: "{owner} may not claim this task again.",
    e.ClaimRenewed: "The lease is renewed until {lease_until_ms}.",
    e.OutputSubmitted: "The output {output} is delivered. Its draw must be made by {draw_by_ms}.",
    e.OutputAccepted: "The requester accepts the output, and gives up its own right to challenge.",
    e.HoldReleased: "The evidence window is over.",
    e.RoundDue: "Round {round} is needed; its draw must be made by {draw_by_ms}.",
    e.OutputOpened: "The worker opens the output: every byte can be read.",
    e.PhaseBegan: "Round {round}: {phase} is open until {until_ms}.",
    e.VoteCommitted: "Seat {seat} commits to a verdict.",
    e.SeatSilent: "Seat {seat} committed and did not reveal.",
    e.PartyJailed: "{party} is in jail until {until_ms}.",
    e.PartyLeft: "{party} is {how}.",
    e.FeeShort: "The verification pool holds {paid_units} of the {due_units} units of fees due: the seats share them.",
    e.WorkCounted: "",
}  # fmt: skip


def _posted(event: e.TaskPosted) -> str:
    batch = f" It is a batch of {event.items_count} items." if event.items_count else ""
    return (
        f"{event.requester} posts {event.task} ({event.task_kind}): price {event.price_units}, "
        f"fees {event.fees_units}, a stake of at least {event.stake_units}, under policy {event.policy}, "
        f"until {event.deadline_ms}.{batch}"
    )


def _claimed(event: e.ClaimOpened) -> str:
    return (
        f"{event.worker} wins it ({event.claim}), locks a stake of {event.stake_units} and has the lease until "
        f"{event.lease_until_ms}. {why_this_rate(event.rate, event.inputs)}"
    )


def _seated(event: e.RoundOpened) -> str:
    seats = ", ".join(f"{drawn.agent} ({drawn.seat})" for drawn in event.seats)
    batch, sampled = event.batch, ""
    if batch is not None:
        sampled = (
            f" They look at {batch.sample_items} of {batch.items_count} items and accept {batch.accept_count} bad ones "
            f"({percent(batch.tolerated_bad_ppm)} are tolerated): with {batch.bad_items} bad items in it, the batch is "
            f"caught with probability {percent(batch.detection_ppm)}."
        )
    return (
        f"Round {event.round} draws {seats}, and {len(event.alternates)} alternates. {event.quorum} must agree; "
        f"each locks {event.bond_units} and earns {event.fee_units}.{sampled} "
        f"{event.phase.capitalize()} is open until {event.until_ms}."
    )


def _opened(event: e.ItemsOpened) -> str:
    return f"The worker opens {len(event.items)} items for place {event.place} of round {event.round}."


def _passed(event: e.SeatPassed) -> str:
    why = "has left" if event.excused else "did not commit in time"
    taken = f"{event.next.agent} takes its place" if event.next else "nobody takes its place"
    return f"Seat {event.seat} {why}; {taken}."


def _revealed(event: e.VoteRevealed) -> str:
    bad = f", items {_listed(event.bad)} bad" if event.bad else ""
    return f"Seat {event.seat} reveals: {event.verdict}{bad}."


def _tallied(event: e.RoundTallied) -> str:
    bad = f" Counted bad: {_listed(event.bad)}." if event.bad else ""
    disputed = f" No agreement on {_listed(event.disputed)}." if event.disputed else ""
    return f"Round {event.round} comes to {event.verdict or 'no verdict'}.{bad}{disputed}"


def _reached(event: e.VerdictReached) -> str:
    until = f"open to challenge until {event.until_ms}" if event.until_ms else "final"
    return f"The verdict is {event.verdict}, {until}."


def _ended(event: e.ClaimEnded) -> str:
    held = f"; {event.hold_units} of the stake stay locked for evidence until {event.hold_until_ms}"
    return f"The claim {event.claim} is {event.state}{held if event.hold_units else ''}."


def _settled(event: e.SeatSettled) -> str:
    return f"Seat {event.seat} was {event.outcome}."


def _moved(event: e.MoneyMoved) -> str:
    postings = ", ".join(f"{account} {units:+d}" for account, units in event.postings)
    return f"Money ({event.why}): {postings}."


def _faulted(event: e.PartyFaulted) -> str:
    return (
        f"{event.party} has {len(event.liveness_ms)} liveness faults and {len(event.failures_ms)} failed exact checks "
        "that still count."
    )


def _observed(event: e.Observed) -> str:
    weights = (("good", event.good_milli), ("bad", event.bad_milli), ("failure", event.failure_milli))
    counted = ", ".join(f"{milli / 1000:.3f} {name}" for name, milli in weights if milli) or "nothing"
    return f"The record of {event.agent} as {event.role} in {event.task_kind}: {counted} ({event.why})."


def _rated(event: e.RaterChanged) -> str:
    return (
        f"{event.requester}'s acceptances agreed with panels by {event.agree_milli} milli-units and disagreed by "
        f"{event.against_milli}."
    )


def _tracked(event: e.TrackChanged) -> str:
    return (
        f"{event.worker} has a streak of {event.streak} in {event.task_kind}, {event.completed} claims done at a mean "
        f"price of {event.mean_price_units}."
    )


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


_TOLD: dict[type[Event], Callable[[Any], str]] = {
    e.TaskPosted: _posted,
    e.ClaimOpened: _claimed,
    e.RoundOpened: _seated,
    e.ItemsOpened: _opened,
    e.SeatPassed: _passed,
    e.VoteRevealed: _revealed,
    e.RoundTallied: _tallied,
    e.VerdictReached: _reached,
    e.ClaimEnded: _ended,
    e.SeatSettled: _settled,
    e.MoneyMoved: _moved,
    e.PartyFaulted: _faulted,
    e.Observed: _observed,
    e.RaterChanged: _rated,
    e.TrackChanged: _tracked,
}
