"""A case in words: what happened to a claim or a task, and why (`trust explain`).

Told from the entries' own bytes, so that whoever proved those need believe nobody. The lines say every event, by its
own sentence. Numbers in them that follow from others are computed again: the draw from the output by its VRF proof (RFC
9381), the coin from the draw. Which verifiers the draw then picks needs the sealed pool: `trust audit`. The summary
says what decided the case, from the same events: votes are counted by round, seats by how they came out, and money is
told by who has lost and who has got it.

Entries also tell of other cases (a clock entry settles up to 32); an event belongs to this one when it names something
of it, or follows an event that does and names nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple

from trust.core import events as e
from trust.core.commands import Spoken
from trust.core.entry import Entry, decode_entry
from trust.core.events import Event
from trust.core.identity import key_of
from trust.core.ledger import BURN
from trust.core.lifecycle import ChallengeState, ClaimState
from trust.core.rate import in_words, percent
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

_ENDS = {
    ClaimState.ACCEPTED: "The claim is accepted: the work stands.",
    ClaimState.REJECTED: "The claim is rejected: the work failed.",
    ClaimState.EXPIRED: "The claim expires: nothing was delivered before the lease was over.",
    ClaimState.ABANDONED: "The worker abandons the claim.",
}
_CLOSED = {
    "accepted": "the work is done",
    "cancelled": "the requester cancels it",
    "deadline": "its deadline has passed",
    "canary": "it was the operator's own",
    "unclear": "a panel found that it cannot be judged",
    "draw-overdue": "the service made no draw in time",
}
_UNALLOCATED = {
    "overdue": "no draw was made in time",
    "nobody": "the draw found nobody who may claim it",
    "closed": "the task closes before the draw",
}
_BEFORE_CLAIMS = (e.TaskPosted, e.SquadCalled, e.SquadFormed, e.SquadClaimed)
"""The events of a task that belong to the case of a claim on it, or on a part of it, too."""
_OUTCOMES = {
    "right": "voted as it came out",
    "canary-right": "voted as the operator knew",
    "wrong": "voted otherwise than it came out",
    "canary-wrong": "voted otherwise than the operator knew",
    "heard": "voted without a verdict to be measured by",
    "silent": "committed and never revealed",
    "passed": "did not commit in time",
    "idle": "never came to a vote",
}
_FACTS = {
    "equivocation": "it signed two different outputs for one claim",
    "canary": "it committed to two answers for one canary",
}


@dataclass(frozen=True)
class Line:
    """One sentence about entry `index`."""

    index: int
    at_ms: int
    words: str


class Story(NamedTuple):
    """A case in words: the main sentences in order, and a line for each event of it."""

    summary: list[str]
    lines: list[Line]


def tell(case: str, entries: Iterable[tuple[int, bytes]]) -> Story:
    """The story of a claim or a task (`case` is its id) from entries that name it: index and bytes, in log order."""
    decoded = [(index, decode_entry(data)) for index, data in entries]
    of_case, summary = _Case(case, [entry for _, entry in decoded]), _Summary()
    story = Story([], [])
    for index, entry in decoded:
        for event in of_case.events(entry):
            story.lines.append(Line(index, entry.at_ms, short(of_case.sentence(entry, event))))
            story.summary.extend(map(short, summary.tell(event)))
    return story


def events_of(case: str, entries: Iterable[tuple[int, bytes]]) -> list[Event]:
    """The events that belong to a claim or a task, in order, from the same entries."""
    return [event for _, event in placed_events(case, entries)]


def placed_events(case: str, entries: Iterable[tuple[int, bytes]]) -> list[tuple[int, Event]]:
    """Returns the events of `events_of`, each with the index of its entry."""
    decoded = [(index, decode_entry(data)) for index, data in entries]
    of_case = _Case(case, [entry for _, entry in decoded])
    return [(index, event) for index, entry in decoded for event in of_case.events(entry)]


def moment(at_ms: int) -> str:
    """A time of the log in UTC, to the second."""
    return datetime.fromtimestamp(at_ms // 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


class _Case:
    """The things that belong to a case: its claims with their seats and challenges, and its task."""

    def __init__(self, case: str, entries: Sequence[Entry]) -> None:
        events = [event for entry in entries for event in entry.events]
        self._network = _network(entries)
        self._outputs = {
            event.claim: event.output for event in events if isinstance(event, e.OutputSubmitted)
        }
        parents = {event.task: event.parent for event in events if isinstance(event, e.PartPosted)}
        self._claims = {
            event.claim: event
            for event in events
            if isinstance(event, e.ClaimOpened) and case in (event.claim, event.task, parents.get(event.task))
        }
        self._asked = {event.task: event for event in events if isinstance(event, e.TaskAllocating)}
        self._whole = case not in self._claims
        task = case if self._whole else next(event.task for event in self._claims.values())
        parts = {part for part, parent in parents.items() if parent == case}
        self._tasks = {task, parents.get(task, task), *parts}
        self._parts = {task, *parts}
        self._mine = {case, *self._claims}
        for event in events:
            if isinstance(event, e.RoundOpened) and event.claim in self._mine:
                self._mine |= {drawn.seat for drawn in event.seats}
            elif isinstance(event, e.SeatPassed) and event.seat in self._mine and event.next is not None:
                self._mine.add(event.next.seat)
            elif isinstance(event, e.VerdictChallenged) and event.claim in self._mine:
                self._mine.add(event.challenge)

    def events(self, entry: Entry) -> list[Event]:
        """The entry's events that belong to the case."""
        clock = entry.command.clock
        several = (clock is not None and len(clock) > 1) or any(map(_splits, entry.events))
        events = self._of_case(entry.events) if several else self._all_or_none(entry.events)
        return [event for event in events if type(event) not in _ASIDE]

    def sentence(self, entry: Entry, event: Event) -> str:
        """Returns what an event of the case says, with what follows from others computed again."""
        if isinstance(event, e.CoinTossed):
            return self._tossed(entry, event)
        return self._allocated(entry, event) if isinstance(event, e.TaskAllocated) else event.sentence()

    def _all_or_none(self, events: Sequence[Event]) -> Sequence[Event]:
        return events if any(map(self._is_mine, events)) else ()

    def _of_case(self, events: Iterable[Event]) -> Iterator[Event]:
        relevant = False
        for event in events:
            is_mine = self._is_mine(event)
            relevant = relevant if is_mine is None else is_mine
            if relevant:
                yield event

    def _is_mine(self, event: Event) -> bool | None:
        """Returns whether an event names something of the case; None where it names nothing that would tell."""
        named = _named(event, ("claim", "seat", "challenge"))
        if named:
            return not named.isdisjoint(self._mine)
        tasks = _named(event, ("task",))
        if isinstance(event, e.PartPosted):
            return event.task in self._parts
        if tasks and (self._whole or isinstance(event, _BEFORE_CLAIMS)):
            return not tasks.isdisjoint(self._tasks)
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
        requested = self._asked.get(event.task)
        proof = requested and _proof(entry, shortlist_seed(self._network, event.task, requested.statement))
        held = (
            "The proof of its draw holds." if proof else "THIS DOES NOT FOLLOW: no proof of the draw holds."
        )
        return f"{event.sentence()} {held}"

    def _proven(self, entry: Entry, claim: str) -> bytes | None:
        """Returns the VRF output of the draw over this claim's output; None where no proof of it holds."""
        opened, output = self._claims.get(claim), self._outputs.get(claim)
        if opened is None or output is None:
            return None
        return _proof(entry, seed_input(self._network, claim, 1, output))


def _splits(event: Event) -> bool:
    return isinstance(event, e.SquadClaimed)


def _proof(entry: Entry, alpha: bytes) -> bytes | None:
    """Returns the VRF output of the entry's draw for this input, whosever turn it was; None where no proof holds."""
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
            incoming = incoming_of(entry.command)
            if isinstance(incoming, Spoken):
                return incoming.payload.network
    return ""


def _named(event: Event, what: tuple[str, ...]) -> set[str]:
    """The claims, seats or tasks that an event names; money names them by their accounts."""
    if isinstance(event, e.MoneyMoved):
        accounts = [account.split("/") for account, _ in event.postings]
        return {parts[1] for parts in accounts if parts[0] in what}
    return {str(getattr(event, name)) for name in what if hasattr(event, name)}


class _Summary:
    """The main sentences: remembers who is who, and counts votes, while the case goes on."""

    def __init__(self) -> None:
        self._requester = self._worker = ""
        self._canary = self._drawn = self._judged = False
        self._challengers: dict[str, str] = {}
        self._votes: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()

    def tell(self, event: Event) -> Iterator[str]:
        """Yields what there is to say of an event: mostly nothing, or one sentence."""
        if (plain := _PLAIN.get(type(event))) is not None:
            return iter((plain,))
        teller = _TELLERS.get(type(event))
        return iter(()) if teller is None else chain(self._seats(event), teller(self, event))

    def _who(self, account: str) -> str:
        """Whose account it is, by the part played in this case."""
        owner = account.removeprefix("agent/").partition("/")[0]
        if owner in self._challengers.values():
            return f"the challenger {owner}"
        parts = {self._requester: "the requester", self._worker: "the worker"}
        return parts.get(owner, {"pool": "the pool of fees", "operator": "the operator"}.get(owner, owner))

    # -- the task and who works on it

    def posted(self, event: e.TaskPosted) -> Iterator[str]:
        self._requester = event.requester
        batch = f", a batch of {event.items_count} items" if event.items_count else ""
        yield (
            f"{event.requester} (the requester) wants {event.task} done ({event.task_kind}{batch}): "
            f"{event.price_units} units for the work and {event.fees_units} for checking it lie in escrow."
        )

    def called(self, event: e.SquadCalled) -> Iterator[str]:
        yield (
            f"{event.founder} calls for a squad to take it together: who joins is drawn from those who ask before "
            f"{moment(event.asks_until_ms)}."
        )

    def formed(self, event: e.SquadFormed) -> Iterator[str]:
        names = _and([each.worker for each in event.members])
        yield f"{names} agree to take it together, each a part, before {moment(event.until_ms)}."

    def split(self, event: e.SquadClaimed) -> Iterator[str]:
        yield f"They win it, and {event.task} is split into their parts."

    def part(self, event: e.PartPosted) -> Iterator[str]:
        yield event.sentence()

    def disbanded(self, event: e.SquadEnded) -> Iterator[str]:
        yield _SQUAD_ENDS[event.how]

    def allocated(self, event: e.TaskAllocated) -> Iterator[str]:
        names = ", ".join(place.agent for place in event.shortlist)
        yield (
            f"Who may claim it first is drawn, by what their records promise: {names}, of {event.eligible} who could; "
            f"until {moment(event.exclusive_until_ms)} nobody else may."
        )

    def unallocated(self, event: e.AllocationFailed) -> Iterator[str]:
        yield f"Nobody gets to claim it first, because {_UNALLOCATED[event.why]}."

    def claimed(self, event: e.ClaimOpened) -> Iterator[str]:
        self._worker, self._canary, self._drawn, self._judged = event.worker, False, False, False
        self._challengers.clear()
        yield (
            f"{event.worker} (the worker) claims it with a stake of {event.stake_units}. Its chance of being checked "
            f"is {percent(event.rate_ppm)}, by {in_words(event.inputs)}."
        )

    def tossed(self, event: e.CoinTossed) -> Iterator[str]:
        self._drawn = True
        if event.caught:
            yield "Its worker was caught in other work: this work is checked too."
        elif event.checked:
            yield "The draw falls on it: the work is checked."
        else:
            until = moment(event.until_ms)
            yield f"The draw passes it by: the work is not checked, unless somebody challenges it before {until}."

    # -- rounds

    def seated(self, event: e.RoundOpened) -> Iterator[str]:
        self._votes.clear()
        bad = ""
        if (batch := event.batch) is not None:
            bad = (
                f" They look at {batch.sample_items} of the {batch.items_count} items together and accept "
                f"{batch.accept_count} bad."
            )
        yield f"Round {event.round}: {len(event.seats)} verifiers are drawn, {event.quorum} of them must agree.{bad}"

    def voted(self, event: e.VoteRevealed | e.SeatSilent) -> Iterator[str]:
        self._votes[event.verdict if isinstance(event, e.VoteRevealed) else "nothing"] += 1
        yield from ()

    def tallied(self, event: e.RoundTallied) -> Iterator[str]:
        counts = " and ".join(f"{count} said {verdict}" for verdict, count in sorted(self._votes.items()))
        if event.verdict:
            self._judged = True
            bad = f", with {len(event.bad)} items found bad" if event.bad else ""
            yield f"{counts or 'Nobody said anything'}: the verdict is {event.verdict}{bad}."
            return
        items = f" about {len(event.disputed)} of the items" if event.disputed else ""
        yield f"{counts or 'Nobody said anything'}: no agreement{items}, so there is no verdict in this round."

    def challenged(self, event: e.VerdictChallenged) -> Iterator[str]:
        parts = {self._requester: " (the requester)", self._worker: " (the worker)"}
        self._challengers[event.challenge] = event.challenger
        what = "an output that nobody checked" if not self._judged else f"the {event.against}"
        yield (
            f"{event.challenger}{parts.get(event.challenger, '')} challenges {what}, risks a bond of "
            f"{event.bond_units}, and pays {event.prepaid_units} ahead for the next panel."
        )

    def challenge_ended(self, event: e.ChallengeEnded) -> Iterator[str]:
        who = self._who(self._challengers.get(event.challenge, "somebody"))
        means = {
            ChallengeState.WON: "was right, and has bond and fees back",
            ChallengeState.LOST: "was wrong, and loses the bond",
            ChallengeState.RETURNED: "was not answered by a verdict, and has the bond back",
        }
        yield f"{who[0].upper()}{who[1:]} {means[event.how]}."

    def canary(self, event: e.CanaryOpened) -> Iterator[str]:
        self._canary = self._judged = True
        yield (
            f"The operator shows that this was a canary, planted to test the verifiers: the answer that it had "
            f"committed to beforehand is {event.verdict}."
        )

    def convicted(self, event: e.Convicted) -> Iterator[str]:
        why = _FACTS.get(event.fact.partition("/")[0], event.fact)
        by = event.reporter or "The log itself"
        yield f"{by} proves that {event.party} lied: {why}."

    def left(self, event: e.PartyLeft) -> Iterator[str]:
        means = {"tombstoned": "is shut out for ever", "revoked": "has left"}
        yield f"{event.party} {means[event.how]}."

    # -- the end, and the money

    def ended(self, event: e.ClaimEnded) -> Iterator[str]:
        self._outcomes.clear()
        if event.state != ClaimState.VOIDED:
            yield _ENDS[event.state]
        elif self._canary:
            yield "The claim is void, since it was a canary."
        elif self._drawn:
            yield "The claim is void, since no round reached a verdict."
        else:
            yield "The claim is void, since the service made no draw in time: that is not the worker's fault."

    def settled(self, event: e.SeatSettled) -> Iterator[str]:
        self._outcomes[event.outcome] += 1
        yield from ()

    def moved(self, event: e.MoneyMoved) -> Iterator[str]:
        taken = -sum(units for _, units in event.postings if units < 0)
        given = _and([self._gain(account, units) for account, units in event.postings if units > 0])
        if event.why in _MONEY:
            yield _MONEY[event.why].format(taken=taken, given=given, seats=_gaining(event))

    def _gain(self, account: str, units: int) -> str:
        return f"{units} burn" if account == BURN else f"{units} go to {self._who(account)}"

    def _seats(self, event: Event) -> Iterator[str]:
        """How the seats did, once all of them are settled."""
        if self._outcomes and not isinstance(event, e.SeatSettled):
            outcomes = [f"{count} {_OUTCOMES[outcome]}" for outcome, count in self._outcomes.items()]
            yield f"Of the seats, {_and(outcomes)}."
            self._outcomes.clear()

    def reopened(self, event: e.TaskReopened) -> Iterator[str]:
        yield f"{event.task} is open again, for others."

    def closed(self, event: e.TaskClosed) -> Iterator[str]:
        yield f"{event.task} is closed: {_CLOSED.get(event.why, event.why)}."


_SQUAD_ENDS = {
    "dissolved": "The squad is dissolved before it claimed anything.",
    "expired": "The squad's time is over, and it has claimed nothing.",
    "accepted": "Every part is accepted.",
    "unfinished": "Not every part came to be accepted.",
}
_PLAIN: dict[type[Event], str] = {
    e.OutputSubmitted: "The worker delivers.",
    e.AllocationLapsed: (
        "The allocation comes to nothing: nobody who was drawn has done it, and its requester pays for that."
    ),
}
_MONEY = {
    "claim.price": "The price is paid: {given}.",
    "slash.failed-check": "The worker loses {taken} of its stake: {given}.",
    "slash.seat-fee": "The worker's stake pays the panels {taken}, before the rest of it is split.",
    "slash.liveness": "The worker loses {taken} of its stake: {given}.",
    "slash.equivocation": "The worker loses {taken} of its stake and of its other money: {given}.",
    "seat.slash": "Verifiers lose {taken} of their stakes: {given}.",
    "seat.fee": "{seats} seats earn fees, {taken} in all.",
    "challenge.lost": "Of the challenger's bond, {given}.",
    "draw.overdue": "The operator's bond answers for the missing draw: {given}.",
    "allocation.lapsed": "The fees of one panel are lost on it: {given}.",
    "stake.return": "{taken} of the stake are free again.",
    "hold.return": "The evidence window is over, and the last {taken} of the stake are free again.",
}


def _gaining(event: e.MoneyMoved) -> int:
    return sum(units > 0 for _, units in event.postings)


def _and(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


_TELLERS: dict[type[Event], Callable[[_Summary, Any], Iterator[str]]] = {
    e.TaskPosted: _Summary.posted,
    e.SquadCalled: _Summary.called,
    e.SquadFormed: _Summary.formed,
    e.SquadClaimed: _Summary.split,
    e.PartPosted: _Summary.part,
    e.SquadEnded: _Summary.disbanded,
    e.TaskAllocated: _Summary.allocated,
    e.AllocationFailed: _Summary.unallocated,
    e.ClaimOpened: _Summary.claimed,
    e.CoinTossed: _Summary.tossed,
    e.RoundOpened: _Summary.seated,
    e.VoteRevealed: _Summary.voted,
    e.SeatSilent: _Summary.voted,
    e.RoundTallied: _Summary.tallied,
    e.VerdictChallenged: _Summary.challenged,
    e.ChallengeEnded: _Summary.challenge_ended,
    e.CanaryOpened: _Summary.canary,
    e.Convicted: _Summary.convicted,
    e.PartyLeft: _Summary.left,
    e.ClaimEnded: _Summary.ended,
    e.SeatSettled: _Summary.settled,
    e.MoneyMoved: _Summary.moved,
    e.TaskReopened: _Summary.reopened,
    e.TaskClosed: _Summary.closed,
}
