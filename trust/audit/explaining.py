"""One case in words: what happened to a claim or a task, entry by entry, and why (`trust explain`).

Read from the entries' own bytes, so that whoever proved those need believe nobody. Numbers that follow from others
are computed again here: the check rate from its inputs, the draw from the output by its VRF proof (RFC 9381), the
coin from the draw. Which verifiers the draw then picks needs the sealed pool: `trust audit`. Entries also tell of other
cases (a clock entry settles up to 32); an event belongs to this one when it names something of it, or follows an event
that does and names nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from trust.core import events as e
from trust.core.commands import Spoken
from trust.core.entry import Entry, decode_entry
from trust.core.events import Event
from trust.core.identity import key_of
from trust.core.rulebook import incoming_of
from trust.core.rules import panel
from trust.core.rules.draws import seed_input
from trust.core.rules.shortlists import shortlist_seed
from trust.core.sampling import vrf
from trust.core.sampling.draw import Stream
from trust.core.words import short

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
    story = _Story(case, [entry for _, entry in decoded])
    return [line for index, entry in decoded for line in story.tell(index, entry)]


def of_case(case: str, entries: Iterable[tuple[int, bytes]]) -> list[Event]:
    """The events that belong to a claim or a task, in order, from the same entries."""
    decoded = [decode_entry(data) for _, data in entries]
    story = _Story(case, decoded)
    return [event for entry in decoded for event in story.events(entry)]


class _Story:
    """What belongs to the case: its claims and their seats, and its task; all that is said of it was decided there."""

    def __init__(self, case: str, entries: Sequence[Entry]) -> None:
        events = [event for entry in entries for event in entry.events]
        self._network = _network(entries)
        self._outputs = {
            event.claim: event.output for event in events if isinstance(event, e.OutputSubmitted)
        }
        self._claims = {
            event.claim: event
            for event in events
            if isinstance(event, e.ClaimOpened) and case in (event.claim, event.task)
        }
        self._asked = {event.task: event for event in events if isinstance(event, e.TaskAllocating)}
        self._task = next((event.task for event in self._claims.values()), case)
        self._whole = self._task == case
        self._mine = {case, *self._claims}
        for event in events:
            if isinstance(event, e.RoundOpened) and event.claim in self._mine:
                self._mine |= {drawn.seat for drawn in event.seats}
            elif isinstance(event, e.SeatPassed) and event.seat in self._mine and event.next is not None:
                self._mine.add(event.next.seat)
            elif isinstance(event, e.VerdictChallenged) and event.claim in self._mine:
                self._mine.add(event.challenge)

    def tell(self, index: int, entry: Entry) -> Iterator[Line]:
        """The entry's events that belong to the case, in words."""
        for event in self.events(entry):
            yield Line(index, entry.at_ms, short(self._words(entry, event)))

    def events(self, entry: Entry) -> list[Event]:
        """The entry's events that belong to the case."""
        several = entry.command.clock is not None and len(entry.command.clock) > 1
        events = self._of_case(entry.events) if several else self._all_or_none(entry.events)
        return [event for event in events if type(event) not in _ASIDE]

    def _words(self, entry: Entry, event: Event) -> str:
        if isinstance(event, e.CoinTossed):
            return self._tossed(entry, event)
        return self._allocated(entry, event) if isinstance(event, e.TaskAllocated) else event.sentence()

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
        named = _named(event, ("claim", "seat", "challenge"))
        if named:
            return not named.isdisjoint(self._mine)
        tasks = _named(event, ("task",))
        if tasks and (self._whole or isinstance(event, e.TaskPosted)):
            return self._task in tasks
        return None

    def _tossed(self, entry: Entry, event: e.CoinTossed) -> str:
        """The coin, tossed again from the draw's proof."""
        outcome = (
            "the output is checked"
            if event.checked
            else f"no check; it is open to challenge until {event.until_ms}"
        )
        beta = self._proven(entry, event.claim)
        if beta is None:
            return f"The coin: {outcome}. THIS DOES NOT FOLLOW: no proof of the draw holds."
        rate = self._claims[event.claim].rate_ppm
        number = Stream(beta, panel.LABEL).below(_PPM)
        agrees = "" if (number < rate or event.caught) == event.checked else " THIS DOES NOT FOLLOW."
        if event.caught:
            outcome = "its worker was caught in other work, so the output is checked"
        relation = "below" if number < rate else "not below"
        return f"The coin: the draw gives {number} of {_PPM}, {relation} {rate}: {outcome}.{agrees}"

    def _allocated(self, entry: Entry, event: e.TaskAllocated) -> str:
        """A shortlist, and whether the draw key proves the randomness that it was drawn by."""
        asked = self._asked.get(event.task)
        proof = asked and _proof(entry, shortlist_seed(self._network, event.task, asked.statement))
        held = (
            "The proof of its draw holds." if proof else "THIS DOES NOT FOLLOW: no proof of the draw holds."
        )
        return f"{event.sentence()} {held}"

    def _proven(self, entry: Entry, claim: str) -> bytes | None:
        """What the draw key's proof over this claim's output gives; None where there is none that holds."""
        opened, output = self._claims.get(claim), self._outputs.get(claim)
        if opened is None or output is None:
            return None
        return _proof(entry, seed_input(self._network, claim, 1, output))


def _proof(entry: Entry, alpha: bytes) -> bytes | None:
    """What the proof in the entry gives for this input, whosever turn it was; None where there is none that holds."""
    draw = entry.command.draw
    if draw is None:
        return None
    try:
        return vrf.verify(key_of(draw.beacons[0].key), alpha, bytes.fromhex(draw.beacons[0].pi))
    except ValueError:
        return None


def _network(entries: Iterable[Entry]) -> str:
    for entry in entries:
        if entry.command.statement is not None:
            said = incoming_of(entry.command)
            if isinstance(said, Spoken):
                return said.payload.network
    return ""


def _named(event: Event, what: tuple[str, ...]) -> set[str]:
    """The claims, seats or tasks that an event names; money names them by their accounts."""
    if isinstance(event, e.MoneyMoved):
        accounts = [account.split("/") for account, _ in event.postings]
        return {parts[1] for parts in accounts if parts[0] in what}
    return {str(getattr(event, name)) for name in what if hasattr(event, name)}
