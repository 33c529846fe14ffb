"""Who pays the seats of a claim (rules.md 4, Fees and Challenges).

- The pool pays a round that the coin or a disagreement opened, and one that overturned a fail.
- The challenger pays the round of a challenge that was lost or returned, from what was prepaid; what the seats of a
  lost one did not earn goes to the pool.
- The worker's slash pays the round that showed its work to be bad, before it is split; the pool what that is short of.
- Where the pool is short the seats share what there is: settlement never waits.
"""

from __future__ import annotations

from collections.abc import Mapping

from trust.core import ledger
from trust.core.events import FeeShort
from trust.core.lifecycle import ChallengeState
from trust.core.records import Claim
from trust.core.rules.decision import Decision
from trust.core.rules.disputes import Fought

Due = list[tuple[str, int]]
"""Agents, and the fee of each."""


def pay(
    d: Decision, claim: Claim, earned: Mapping[int, Due], fought: list[Fought], slash_units: int = 0
) -> int:
    """Pays what the seats of each round earned; returns what is left of the slash."""
    disputed = {each.challenge.round: each for each in fought}
    from_pool: Due = []
    for number, due in earned.items():
        dispute = disputed.get(number)
        if dispute is not None and dispute.exposed:
            paid, rest = _from_slash(d, claim, due, slash_units)
            slash_units -= paid
            from_pool += rest
        elif dispute is None or dispute.how == ChallengeState.WON:
            from_pool += due
    for each in fought:
        if each.how != ChallengeState.WON:
            _from_prepaid(d, each, earned.get(each.challenge.round, []))
    _from_pool(d, claim, from_pool)
    return slash_units


def _from_prepaid(d: Decision, dispute: Fought, due: Due) -> None:
    """Pays the seats; the rest of what a lost challenge prepaid goes to the pool."""
    lock = ledger.challenge_bond(dispute.challenge.id)
    d.pay("seat.fee", *((lock, ledger.free(agent), fee) for agent, fee in due))
    if dispute.how == ChallengeState.LOST:
        rest = dispute.challenge.prepaid_units - sum(fee for _, fee in due)
        d.pay("challenge.unearned", (lock, ledger.VERIFICATION, rest))


def _from_slash(d: Decision, claim: Claim, due: Due, slash_units: int) -> tuple[int, Due]:
    """Pays from the stake as far as the slash goes, to each alike; what was paid, and what each still has to get."""
    total = sum(fee for _, fee in due)
    budget = min(total, slash_units)
    parts = [(agent, fee * budget // total if total else 0) for agent, fee in due]
    lock = ledger.stake(claim.id)
    d.pay("slash.seat-fee", *((lock, ledger.free(agent), part) for agent, part in parts))
    rest = [(agent, fee - part) for (agent, fee), (_, part) in zip(due, parts, strict=True)]
    return sum(part for _, part in parts), rest


def _from_pool(d: Decision, claim: Claim, due: Due) -> None:
    total = sum(fee for _, fee in due)
    held = d.balance(ledger.VERIFICATION)
    if total > held:
        due = [(agent, fee * held // total) for agent, fee in due]
        d.emit(FeeShort(claim=claim.id, due_units=total, paid_units=sum(fee for _, fee in due)))
    d.pay("seat.fee", *((ledger.VERIFICATION, ledger.free(agent), fee) for agent, fee in due))
