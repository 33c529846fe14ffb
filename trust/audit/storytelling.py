"""A case as a story: who did what, why, for how much, and what it means, in a sentence a step (`trust explain`).

`explaining` tells every event; this tells what decided the case, from the same events and nothing else. Votes are
counted by round, seats by how they came out, and money is told by who has lost and who has got it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from trust.audit.explaining import of_case
from trust.core import events as e
from trust.core.events import Event
from trust.core.ledger import BURN
from trust.core.rate import in_words, percent
from trust.core.words import short

_ENDS = {
    "accepted": "The claim is accepted: the work stands.",
    "rejected": "The claim is rejected: the work failed.",
    "expired": "The claim expires: nothing was delivered before the lease was over.",
    "abandoned": "The worker abandons the claim.",
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


def story(case: str, entries: Iterable[tuple[int, bytes]]) -> list[str]:
    """The main sentences about a claim or a task, in order; `entries` are those that name it, as for `explain`."""
    teller = _Teller()
    return [short(words) for event in of_case(case, entries) for words in teller.tell(event)]


def moment(at_ms: int) -> str:
    """A time of the log in UTC, to the second."""
    return datetime.fromtimestamp(at_ms // 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


class _Teller:
    """Remembers who is who, and counts votes, while the case goes on."""

    def __init__(self) -> None:
        self._requester = self._worker = ""
        self._canary = self._drawn = False
        self._challengers: dict[str, str] = {}
        self._votes: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()

    def tell(self, event: Event) -> Iterator[str]:
        """What there is to say of an event: mostly nothing, or one sentence."""
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

    def allocated(self, event: e.TaskAllocated) -> Iterator[str]:
        names = ", ".join(place.agent for place in event.shortlist)
        yield (
            f"Who may claim it first is drawn, by what their records promise: {names}, of {event.eligible} who could; "
            f"until {moment(event.exclusive_until_ms)} nobody else may."
        )

    def unallocated(self, event: e.AllocationFailed) -> Iterator[str]:
        yield f"Nobody gets to claim it first, because {_UNALLOCATED[event.why]}."

    def claimed(self, event: e.ClaimOpened) -> Iterator[str]:
        self._worker, self._canary, self._drawn = event.worker, False, False
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
        said = " and ".join(f"{count} said {verdict}" for verdict, count in sorted(self._votes.items()))
        if event.verdict:
            bad = f", with {len(event.bad)} items found bad" if event.bad else ""
            yield f"{said or 'Nobody said anything'}: the verdict is {event.verdict}{bad}."
            return
        items = f" about {len(event.disputed)} of the items" if event.disputed else ""
        yield f"{said or 'Nobody said anything'}: no agreement{items}, so there is no verdict in this round."

    def challenged(self, event: e.VerdictChallenged) -> Iterator[str]:
        parts = {self._requester: " (the requester)", self._worker: " (the worker)"}
        self._challengers[event.challenge] = event.challenger
        what = "an output that nobody checked" if event.against == "unchecked" else f"the {event.against}"
        yield (
            f"{event.challenger}{parts.get(event.challenger, '')} challenges {what}, risks a bond of "
            f"{event.bond_units}, and pays {event.prepaid_units} ahead for the next panel."
        )

    def challenge_ended(self, event: e.ChallengeEnded) -> Iterator[str]:
        who = self._who(self._challengers.get(event.challenge, "somebody"))
        means = {
            "won": "was right, and has bond and fees back",
            "lost": "was wrong, and loses the bond",
            "returned": "was not answered by a verdict, and has the bond back",
        }
        yield f"{who[0].upper()}{who[1:]} {means[event.how]}."

    def canary(self, event: e.CanaryOpened) -> Iterator[str]:
        self._canary = True
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
        if event.state != "voided":
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


_TELLERS: dict[type[Event], Callable[[_Teller, Any], Iterator[str]]] = {
    e.TaskPosted: _Teller.posted,
    e.TaskAllocated: _Teller.allocated,
    e.AllocationFailed: _Teller.unallocated,
    e.ClaimOpened: _Teller.claimed,
    e.CoinTossed: _Teller.tossed,
    e.RoundOpened: _Teller.seated,
    e.VoteRevealed: _Teller.voted,
    e.SeatSilent: _Teller.voted,
    e.RoundTallied: _Teller.tallied,
    e.VerdictChallenged: _Teller.challenged,
    e.ChallengeEnded: _Teller.challenge_ended,
    e.CanaryOpened: _Teller.canary,
    e.Convicted: _Teller.convicted,
    e.PartyLeft: _Teller.left,
    e.ClaimEnded: _Teller.ended,
    e.SeatSettled: _Teller.settled,
    e.MoneyMoved: _Teller.moved,
    e.TaskReopened: _Teller.reopened,
    e.TaskClosed: _Teller.closed,
}
