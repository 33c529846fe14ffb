"""The replay of one case from its entries: each step of a claim must follow from the entries before it.

The events fold as they do in the service (`core/events`), and before each is folded it is held against what caused it
(`verify/steps.py`). Here are the signer of each statement, the VRF's output and the coin, recomputed for this claim,
round and output, and at last the locks: nothing is left on a claim that ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trust.core import events as e
from trust.core import ledger
from trust.core.commands import Spoken
from trust.core.entry import Entry
from trust.core.events import Event
from trust.core.records import Claim, Seat
from trust.core.rules import disputes, panel
from trust.core.sampling.draw import Stream, coin
from trust.log.checkpoint import Checkpoint
from trust.verify.cases import Case, Challenged, Panel, SeatTaken
from trust.verify.failures import NotProven
from trust.verify.history import CaseHistory, DoesNotFollow, Drawn, expect, verified_beta
from trust.verify.steps import CHECKS, NOT_FOLDED, begin_shortlist


class CaseReplay:
    """Replays one claim entry by entry. Raises ValueError or LookupError where a step does not follow."""

    def __init__(self, network: str, claim: str, pool: dict[bytes, bytes]) -> None:
        self.history = CaseHistory(network, claim, pool)

    def begin(self, entries: Iterable[tuple[int, Entry]]) -> None:
        """Looks ahead for the task that the claim is on."""
        events = [(index, event) for index, entry in entries for event in entry.events]
        opened = [
            (index, event.task)
            for index, event in events
            if isinstance(event, e.ClaimOpened) and event.claim == self.history.claim_id
        ]
        claimed_index, task = opened[0] if opened else (0, "")
        self.history.task_id = self.history.whole_id = task
        for index, event in events:
            if isinstance(event, e.PartPosted) and event.task == task:
                self.history.parent_id, self.history.squad_id = event.parent, event.squad
                self.history.whole_id = event.parent if index == claimed_index else task

    def step(self, index: int, entry: Entry, spoken: Spoken | None) -> None:
        """The next entry, and its statement where it has one."""
        if entry.at_ms < self.history.state.at_ms:
            raise DoesNotFollow("time goes back")
        if (index == 0) != (entry.command.genesis is not None):
            raise DoesNotFollow("the genesis is entry 0 and no other")
        self.history.state.size, self.history.state.at_ms = index, entry.at_ms
        self.history.entry, self.history.spoken = entry, spoken
        self.history.stream = None
        self.history.indices.append(index)
        if spoken is not None:
            self._check_signer(spoken)
        tossed = self._begin_draw(index, entry)
        for event in entry.events:
            self._take(event)
        if tossed is not None and tossed != self.history.checked and not self.history.claim.caught:
            raise DoesNotFollow(
                f"the draw's coin says {'check' if tossed else 'no check'}, the entry does not"
            )

    def end(self, checkpoint: Checkpoint) -> Case:
        """Returns the case as it stands after the last entry."""
        if self.history.find(Claim, self.history.claim_id) is None:
            raise NotProven(f"the bundle: no entry opens {self.history.claim_id}")
        if self.history.visited != self.history.pool.keys():
            raise NotProven("the bundle: the pool has nodes that no draw visited")
        claim, task = self.history.claim, self.history.task
        self._check_locks(claim)
        return Case(
            network=self.history.network,
            size=checkpoint.size,
            root=checkpoint.root.hex(),
            entries=tuple(self.history.indices),
            claim=claim.id,
            task=task.id,
            requester=task.requester,
            worker=claim.worker,
            relay=claim.relay,
            relay_signers=self.history.signers,
            price_units=task.price_units,
            stake_units=claim.stake_units,
            route=claim.route,
            delta_ppm=claim.delta_ppm,
            shortlist=self.history.shortlist,
            rate_ppm=claim.rate_ppm,
            output=claim.output,
            checked=self.history.checked,
            panels=tuple(self._panel(number) for number in range(1, claim.round + 1)),
            verdict=claim.verdict,
            state=claim.state,
            slashed_units=self.history.slashed_units,
            postings=tuple(self.history.postings),
            challenges=tuple(
                Challenged(each.id, each.index, each.challenger, each.against, each.round, each.state)
                for each in disputes.of_claim(self.history.state, claim)
            ),
        )

    def _panel(self, number: int) -> Panel:
        round_, drawn = self.history.round(number), self.history.drawn[number]
        seats = tuple(
            SeatTaken(seat.id, seat.agent, seat.state, seat.verdict)
            for seat in (self.history.need(Seat, name) for name in (*round_.past_seats, *round_.seats))
        )
        return Panel(number, drawn.index, drawn.beta, seats, round_.verdict, drawn.passed)

    def _check_locks(self, claim: Claim) -> None:
        expected = claim.hold_units if claim.ended_ms else claim.stake_units
        held = self.history.held.get(ledger.stake(claim.id), 0)
        if held != expected:
            raise NotProven(
                f"the bundle: {held} units of the stake of {claim.id} are locked, {expected} should be"
            )
        held_of = self.history.held
        bonds = {name for name in held_of if name.startswith("challenge/") and held_of[name]}
        if claim.ended_ms and bonds:
            raise NotProven(f"the bundle: the claim ended and {min(bonds)} is not settled")

    def _check_signer(self, spoken: Spoken) -> None:
        actor = spoken.payload.actor
        if self.history.keys.get(actor, actor) not in spoken.signed.signers:
            raise DoesNotFollow(f"no key of {actor} that the bundle knows signed this statement")

    def _take(self, event: Event) -> None:
        check = CHECKS.get(type(event))
        if check is not None and self._is_mine(event):
            check(self.history, event)
            if not isinstance(event, NOT_FOLDED):
                event.fold(self.history.state)

    def _is_mine(self, event: Any) -> bool:
        if isinstance(event, e.TaskAllocating | e.TaskAllocated):
            return event.task == self.history.whole_id
        if isinstance(event, e.TaskPosted | e.PartPosted):
            return event.task in (self.history.task_id, self.history.parent_id)
        if isinstance(event, e.SquadCalled | e.SquadAsked | e.SquadFormed | e.SquadClaimed):
            return event.squad == self.history.squad_id
        if hasattr(event, "claim"):
            return bool(event.claim == self.history.claim_id)
        if hasattr(event, "seat"):
            seat = self.history.find(Seat, event.seat)
            return seat is not None and seat.claim == self.history.claim_id
        return True

    def _begin_draw(self, index: int, entry: Entry) -> bool | None:
        """Proves the randomness of the claim's draw; what its coin says, None where there is none to toss."""
        draw = entry.command.draw
        if draw is not None and draw.of == e.task_draw(self.history.whole_id):
            begin_shortlist(self.history, index, draw)
        if draw is None or draw.of.partition("/")[0] != self.history.claim_id:
            return None
        claim = self.history.claim
        expect("the round that is drawn", f"{claim.id}/{claim.draw_round}", draw.of)
        number = claim.draw_round
        alpha = panel.alpha(self.history.state, claim, number)
        drawer = panel.drawer(self.history.state, claim, self.history.policy, alpha, entry.at_ms)
        beta = verified_beta(draw, drawer, alpha)
        self.history.drawn[number] = Drawn(number, index, beta.hex(), None)
        self.history.stream = Stream(beta, panel.LABEL)
        return coin(self.history.stream, claim.rate_ppm) if number == 1 and not claim.unchecked else None
