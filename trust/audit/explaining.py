"""One case in words: what happened to a claim or a task, entry by entry, and why (`trust explain`).

Read from the entries' own bytes, so that whoever proved those need believe nobody. Numbers that follow from others
are computed again here: the check rate from its inputs, the coin from the draw's beta. Entries also tell of other
cases (a clock entry settles up to 32); an event belongs to this one when it names something of it, or follows an event
that does and names nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from trust.core import events as e
from trust.core.checks.draw import Stream
from trust.core.entry import Entry, decode_entry
from trust.core.events import Event
from trust.core.words import sentence, short

_PPM = 1_000_000
_ASIDE = (e.PoolWeight, e.PoolDue, e.PoolEpoch, e.PoolSealed, e.WorkCounted)
"""What follows for others than the case."""


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
            if type(event) not in _ASIDE:
                words = self._tossed(entry, event) if isinstance(event, e.CoinTossed) else sentence(event)
                yield Line(index, entry.at_ms, short(words))

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
