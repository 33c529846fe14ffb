"""The checks of outputs in a game: drawn, opened and voted on, each seat in time and at a time of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any

from trust.core import events as e
from trust.core import payloads as p
from trust.core import strict
from trust.core.lifecycle import Phase
from trust.core.records import Claim, Round, Seat
from trust.core.rulebook import Decided
from trust.core.rules import votes
from trust.simulation.chance import Verdict
from trust.simulation.network import ORIGIN, Network

DRAW_DELAY_MS = 1


class Checking:
    """The service that draws, workers that open what is to be checked, and verifiers that vote what `verdict` says."""

    def __init__(self, net: Network, verdict: Callable[[Seat], Verdict]) -> None:
        self.net = net
        self._verdict = verdict
        self._votes: dict[str, p.VoteReveal] = {}
        self._hears: dict[type[e.Event], Callable[[Any], None]] = {
            e.OutputSubmitted: self._draw_soon,
            e.RoundDue: self._draw_soon,
            e.RoundOpened: self._round_opened,
            e.PhaseBegan: lambda event: self._call(event.claim, event.round, event.phase),
        }
        net.listeners.append(self._hear)

    def _hear(self, decided: Decided) -> None:
        for event in decided.events:
            handler = self._hears.get(type(event))
            if handler is not None:
                handler(event)

    def _draw_soon(self, event: e.OutputSubmitted | e.RoundDue) -> None:
        self.net.after(DRAW_DELAY_MS, partial(self.net.draw, event.claim))

    def _round_opened(self, event: e.RoundOpened) -> None:
        if event.phase == Phase.OPENING:
            self.net.after(self.net.policy.windows.open_ms // 6, partial(self._open, event.claim))
        else:
            self._call(event.claim, event.round, "commit")

    def _open(self, claim: str) -> None:
        self.net.say(p.OutputOpen, self.net.get(Claim, claim).worker, claim=claim)

    def _call(self, claim: str, number: int, phase: str) -> None:
        """Every seat of a panel acts."""
        windows = self.net.policy.windows
        window_ms, act = (
            (windows.commit_ms, self._commit) if phase == Phase.COMMIT else (windows.reveal_ms, self._reveal)
        )
        for place, seat in enumerate(self.net.get(Round, e.round_id(claim, number)).seats):
            self.net.after(window_ms // 6 + place, partial(act, seat))

    def _commit(self, id: str) -> None:
        seat = self.net.get(Seat, id)
        salt = strict.base64_of(sha256(id.encode()).digest())
        vote = p.VoteReveal(
            network=ORIGIN,
            actor=seat.agent,
            issued_ms=0,
            expires_ms=0,
            seat=id,
            verdict=self._verdict(seat),
            salt=salt,
        )
        self._votes[id] = vote
        commitment = votes.commitment(ORIGIN, id, seat.agent, vote)
        self.net.say(p.VoteCommit, seat.agent, seat=id, commitment=commitment)

    def _reveal(self, id: str) -> None:
        vote = self._votes.pop(id)
        self.net.say(p.VoteReveal, vote.actor, seat=id, verdict=vote.verdict, salt=vote.salt)
