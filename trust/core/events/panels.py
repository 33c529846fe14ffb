"""Events about a check: rounds, seats, openings, votes, verdicts."""

from __future__ import annotations

from typing import ClassVar

import msgspec
from msgspec.structs import replace

from trust.core.events.event import Event, known
from trust.core.events.tasks import landed
from trust.core.lifecycle import ClaimState, Phase, SeatState
from trust.core.rate import percent
from trust.core.records import Alternate, Claim, Opening, Round, Seat
from trust.core.state import Draft


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


class DrawnSeat(msgspec.Struct, frozen=True, array_like=True):
    """A seat and who has it; `owner` is "" where the agent is its own."""

    seat: str
    agent: str
    owner: str

    @property
    def house(self) -> str:
        """Returns the owner of the agent."""
        return self.owner or self.agent


class BatchTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The power of a batch check, all exact: N, m, the tolerated share, the accept count, and the chance to detect
    `bad_items` bad ones (floor, ppm)."""

    items_count: int
    sample_items: int
    tolerated_bad_ppm: int
    accept_count: int
    bad_items: int
    detection_ppm: int


def round_id(claim: str, number: int) -> str:
    """The key of a claim's round."""
    return f"{claim}/{number}"


class RoundDue(Event, tag="round.due", frozen=True, kw_only=True):
    """A further round opens; its draw must be made before `draw_by_ms`. `caught`: because the worker was caught in
    other work."""

    claim: str
    round: int
    draw_by_ms: int
    caught: bool = False

    def write(self, s: Draft) -> None:
        claim = known(s, Claim, self.claim)
        caught = claim.caught or self.caught
        s.put(replace(claim, state=ClaimState.CHECKING, draw_round=self.round, caught=caught))
        s.set_timer(self.claim, "draw", self.draw_by_ms)

    def sentence(self) -> str:
        why = "Its worker was caught in other work. " if self.caught else ""
        return f"{why}Round {self.round} is to be drawn by {self.draw_by_ms}."


class RoundOpened(Event, tag="round.opened", frozen=True, kw_only=True):
    """A panel is seated. `phase` is opening or commit, until `until_ms`; `items` are those of each place, `samples` the
    sets of items that its verdict is about, its own draw first."""

    claim: str
    round: int
    phase: str
    until_ms: int
    quorum: int
    seats: tuple[DrawnSeat, ...]
    alternates: tuple[Alternate, ...]
    items: tuple[tuple[int, ...], ...] = ()
    to_open: tuple[int, ...] = ()
    samples: tuple[tuple[int, ...], ...] = ()
    batch: BatchTerms | None = None
    grace_ms: int = 0

    def write(self, s: Draft) -> None:
        id = round_id(self.claim, self.round)
        s.put(
            Round(
                id=id,
                claim=self.claim,
                number=self.round,
                phase=self.phase,
                until_ms=self.until_ms,
                quorum=self.quorum,
                accept_count=self.batch.accept_count if self.batch else 0,
                seats=tuple(drawn.seat for drawn in self.seats),
                alternates=self.alternates,
                items=self.items,
                to_open=self.to_open,
                replaced=(0,) * len(self.seats),
                samples=self.samples,
            )
        )
        for place, drawn in enumerate(self.seats):
            s.put(_seated(s, self, drawn, place))
        s.put(replace(known(s, Claim, self.claim), state=ClaimState.CHECKING, round=self.round, draw_round=0))
        s.clear_timer(self.claim)
        if self.phase == Phase.OPENING:
            s.set_timer(id, "opening", self.until_ms + self.grace_ms)
        else:
            for drawn in self.seats:
                s.set_timer(drawn.seat, "commit", self.until_ms + self.grace_ms)

    def sentence(self) -> str:
        seats = ", ".join(f"{drawn.agent} ({drawn.seat})" for drawn in self.seats)
        batch, sampled = self.batch, ""
        if batch is not None:
            sampled = (
                f" They look at {batch.sample_items} of {batch.items_count} items and accept {batch.accept_count} bad "
                f"({percent(batch.tolerated_bad_ppm)} are tolerated): with {batch.bad_items} bad items in it, the "
                f"batch is caught with probability {percent(batch.detection_ppm)}."
            )
        if contested := {index for sample in self.samples[1:] for index in sample}:
            sampled += f" They judge {len(contested)} contested items once more."
        return (
            f"Round {self.round} draws {seats}, and {len(self.alternates)} alternates. {self.quorum} must agree."
            f"{sampled} {self.phase.capitalize()} is open until {self.until_ms}."
        )


def _seated(s: Draft, panel: RoundOpened, drawn: DrawnSeat, place: int) -> Seat:
    return Seat(
        id=drawn.seat,
        claim=panel.claim,
        round=panel.round,
        place=place,
        agent=drawn.agent,
        owner=drawn.house,
        state=SeatState.SEATED,
        until_ms=panel.until_ms,
        index=s.size,
    )


class OutputOpened(Event, tag="output.opened", frozen=True, kw_only=True):
    says: ClassVar[str] = "The worker opens the output: every byte of it can be read."

    claim: str

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Claim, self.claim), opened=True))


class ItemsOpened(Event, tag="items.opened", frozen=True, kw_only=True):
    """Items (index, leaf in hex) that the worker opened for one place of a panel."""

    claim: str
    round: int
    place: int
    items: tuple[tuple[int, str], ...]

    def write(self, s: Draft) -> None:
        id = round_id(self.claim, self.round)
        panel = known(s, Round, id)
        left = list(panel.to_open)
        left[self.place] -= len(self.items)
        for index, leaf in self.items:
            s.put(Opening(id=f"{id}/{self.place}/{index}", leaf=leaf))
        s.put(replace(panel, to_open=tuple(left)))

    def sentence(self) -> str:
        return f"The worker opens {len(self.items)} items for place {self.place} of round {self.round}."


class PhaseBegan(Event, tag="phase.began", frozen=True, kw_only=True):
    """A panel's next phase: commit (each seat has its own window) or reveal (one window for all)."""

    says: ClassVar[str] = "Round {round}: the {phase} window is open until {until_ms}."

    claim: str
    round: int
    phase: str
    until_ms: int
    grace_ms: int = 0

    def write(self, s: Draft) -> None:
        id = round_id(self.claim, self.round)
        panel = known(s, Round, id)
        s.put(replace(panel, phase=self.phase, until_ms=self.until_ms))
        if self.phase == Phase.COMMIT:
            s.clear_timer(id)
        else:
            s.set_timer(id, self.phase, self.until_ms + self.grace_ms)
        for name in panel.seats:
            seat = known(s, Seat, name)
            s.put(replace(seat, until_ms=self.until_ms))
            if self.phase == Phase.COMMIT:
                s.set_timer(name, "commit", self.until_ms + self.grace_ms)


class VoteCommitted(Event, tag="vote.committed", frozen=True, kw_only=True):
    says: ClassVar[str] = "{seat} commits to a verdict, still hidden."

    seat: str
    commitment: str

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Seat, self.seat), state=SeatState.COMMITTED, commitment=self.commitment))
        s.clear_timer(self.seat)


class SeatPassed(Event, tag="seat.passed", frozen=True, kw_only=True):
    """A seat without a commit; `excused` where its agent has left. Where an alternate takes its place: the new seat,
    and its own window."""

    seat: str
    excused: bool = False
    next: DrawnSeat | None = None
    until_ms: int = 0
    grace_ms: int = 0
    alternates: tuple[Alternate, ...] = ()

    def write(self, s: Draft) -> None:
        seat = known(s, Seat, self.seat)
        s.put(replace(seat, state=SeatState.EXCUSED if self.excused else SeatState.PASSED))
        s.clear_timer(self.seat)
        panel = known(s, Round, round_id(seat.claim, seat.round))
        if self.next is None:
            s.put(replace(panel, alternates=self.alternates))
            return
        seats, replaced = list(panel.seats), list(panel.replaced)
        seats[seat.place] = self.next.seat
        replaced[seat.place] += 1
        s.put(
            replace(
                panel,
                seats=tuple(seats),
                replaced=tuple(replaced),
                alternates=self.alternates,
                past_seats=(*panel.past_seats, self.seat),
            )
        )
        taken = replace(
            seat,
            id=self.next.seat,
            agent=self.next.agent,
            owner=self.next.house,
            until_ms=self.until_ms,
            index=s.size,
        )
        s.put(taken)
        s.set_timer(taken.id, "commit", self.until_ms + self.grace_ms)

    def sentence(self) -> str:
        why = "has left" if self.excused else "did not commit in time"
        taken = f"{self.next.agent} takes its place" if self.next else "nobody takes its place"
        return f"Seat {self.seat} {why}; {taken}."


class VoteRevealed(Event, tag="vote.revealed", frozen=True, kw_only=True):
    """`bad` are the items that the seat calls bad, of those that its place had; `salt` enters the seed of the next
    round."""

    seat: str
    verdict: str
    salt: str
    bad: tuple[int, ...] = ()

    def write(self, s: Draft) -> None:
        s.put(
            replace(
                known(s, Seat, self.seat),
                state=SeatState.REVEALED,
                verdict=self.verdict,
                salt=self.salt,
                bad=self.bad,
            )
        )

    def sentence(self) -> str:
        bad = f", items {_listed(self.bad)} bad" if self.bad else ""
        return f"Seat {self.seat} reveals: {self.verdict}{bad}."


class SeatSilent(Event, tag="seat.silent", frozen=True, kw_only=True):
    """A commit that was never revealed."""

    says: ClassVar[str] = "{seat} committed and never revealed."

    seat: str

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Seat, self.seat), state=SeatState.SILENT))


class RoundTallied(Event, tag="round.tallied", frozen=True, kw_only=True):
    """A panel's outcome: a verdict, or none; items counted bad, and items on which it did not agree."""

    claim: str
    round: int
    verdict: str = ""
    bad: tuple[int, ...] = ()
    disputed: tuple[int, ...] = ()

    def write(self, s: Draft) -> None:
        id = round_id(self.claim, self.round)
        panel = known(s, Round, id)
        s.put(replace(panel, phase=Phase.OVER, verdict=self.verdict, bad=self.bad, disputed=self.disputed))
        s.clear_timer(id)

    def sentence(self) -> str:
        bad = f" Counted bad: {_listed(self.bad)}." if self.bad else ""
        disputed = f" No agreement on {_listed(self.disputed)}." if self.disputed else ""
        return f"Round {self.round} comes to {self.verdict or 'no verdict'}.{bad}{disputed}"


_STANDING = {"pass": ClaimState.PASSING, "fail": ClaimState.FAILING, "void": ClaimState.VOIDING}


class VerdictReached(Event, tag="verdict.reached", frozen=True, kw_only=True):
    """The claim's verdict so far; open to challenge until `until_ms`, 0 where it is final at once."""

    claim: str
    round: int
    verdict: str
    until_ms: int = 0

    def write(self, s: Draft) -> None:
        state = _STANDING[self.verdict]
        claim = known(s, Claim, self.claim)
        s.put(replace(claim, state=state, verdict=self.verdict, verdict_round=self.round))
        if self.verdict == "pass":
            landed(s, claim)
        if self.until_ms:
            s.set_timer(self.claim, "challenge", self.until_ms)

    def sentence(self) -> str:
        until = f"open to challenge until {self.until_ms}" if self.until_ms else "final"
        return f"The verdict is {self.verdict}, {until}."


class SeatSettled(Event, tag="seat.settled", frozen=True, kw_only=True):
    """`outcome` is right, wrong, canary-right, canary-wrong, heard, silent, passed or idle (it never voted)."""

    seat: str
    outcome: str

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Seat, self.seat), outcome=self.outcome))
        s.clear_timer(self.seat)

    def sentence(self) -> str:
        return f"Seat {self.seat} was {self.outcome}."
