"""Two mistakes of rules 1, put back for a test: what a search for profit must find by itself.

Both are patches of a few functions of the rulebook, in this process only. Nothing else of those rules comes back.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from trust.core import events as e
from trust.core import rate as rates
from trust.core.policy import Policy
from trust.core.records import Account, Claim, Party, Seat
from trust.core.rules import panel
from trust.core.rules.decision import Decision
from trust.core.state import Draft

PPM = 1_000_000
MOST_SEATS = 2
"""On so many open seats a verifier's money was used up."""


def put_back_the_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has a record is checked by its length alone, whatever its stake, and who was caught is not looked at again:
    the deterrence term is gone."""
    strict = rates.check_rate

    def lenient(inputs: rates.RateInputs, at_stake: rates.AtStake, policy: Policy) -> rates.Rate:
        found = strict(inputs, at_stake, policy)
        by_record = max(found.floor_ppm, PPM // max(1, inputs.streak))
        return replace(found, p_ppm=PPM if inputs.streak < 10 else by_record)

    def not_looked_at(d: Decision, claim: Claim) -> bool:
        return False

    monkeypatch.setattr(rates, "check_rate", lenient)
    monkeypatch.setattr(panel, "is_caught", not_looked_at)


def put_back_the_freeze(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sits on several open seats already is passed over by the draw: availability decides who judges."""
    may_sit, opened, settled, passed = (
        panel.may_sit,
        e.RoundOpened.fold,
        e.SeatSettled.fold,
        e.SeatPassed.fold,
    )

    def unless_busy(d: Decision, party: Party, claim: Claim, task_kind: str) -> bool:
        return may_sit(d, party, claim, task_kind) and _seats(d, party.id) < MOST_SEATS

    def open_round(event: e.RoundOpened, s: Draft) -> None:
        opened(event, s)
        for drawn in event.seats:
            _count(s, drawn.agent, 1)

    def pass_seat(event: e.SeatPassed, s: Draft) -> None:
        passed(event, s)
        if event.next is not None:
            _count(s, event.next.agent, 1)

    def settle_seat(event: e.SeatSettled, s: Draft) -> None:
        settled(event, s)
        seat = s.get(Seat, event.seat)
        assert seat is not None
        _count(s, seat.agent, -1)

    monkeypatch.setattr(panel, "may_sit", unless_busy)
    monkeypatch.setattr(e.RoundOpened, "fold", open_round)
    monkeypatch.setattr(e.SeatPassed, "fold", pass_seat)
    monkeypatch.setattr(e.SeatSettled, "fold", settle_seat)


def _seats(s: Draft, agent: str) -> int:
    """On how many open seats an agent sits: counted on an account of its own, which no rule knows."""
    counted = s.get(Account, f"seats/{agent}")
    return 0 if counted is None else counted.balance_units


def _count(s: Draft, agent: str, change: int) -> None:
    s.put(Account(id=f"seats/{agent}", balance_units=_seats(s, agent) + change))
