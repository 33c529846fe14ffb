"""The challenges of a claim: which round each opened, who turned out to be right, where their bonds go.

Specified in docs/rules.md 4.

- A challenge is won when the claim's final verdict is not the one that it attacked; an unchecked output counts as pass.
- It is returned when no verdict was reached after it: the verdict that it attacked stands, and nobody was wrong.
- Of a lost bond a share burns and the rest goes to the worker whose pass was attacked; all of it burns where the worker
  is of the challenger's own house, so that nobody disputes with himself for nothing, and where a fail or a void was
  attacked, so that no requester lives on the appeals of those that its specification trapped.
"""

from __future__ import annotations

import msgspec

from trust.core import ledger
from trust.core.events import ChallengeEnded
from trust.core.lifecycle import ChallengeState
from trust.core.policy import Policy
from trust.core.records import Challenge, Claim
from trust.core.rules.decision import Decision
from trust.core.state import View


class Fought(msgspec.Struct, frozen=True):
    """A challenge, how it ended (won, lost or returned), and the verdict that the claim ended by."""

    challenge: Challenge
    how: str
    final: str

    @property
    def exposed(self) -> bool:
        """Returns whether a challenge showed that work was bad which stood as good."""
        won = self.how == ChallengeState.WON
        return won and self.challenge.against == "pass" and self.final == "fail"


def of_claim(view: View, claim: Claim) -> list[Challenge]:
    """Every challenge of a claim, the first one first."""
    challenges: list[Challenge] = []
    id = claim.challenge
    while id and (challenge := view.get(Challenge, id)) is not None:
        challenges.insert(0, challenge)
        id = challenge.before
    return challenges


def standing(claim: Claim) -> str:
    """The verdict that stands: the last one that was reached; an output that was not checked stands as passed."""
    return claim.verdict or ("pass" if claim.unchecked else "")


def end(d: Decision, claim: Claim, final: str, withheld: bool = False) -> list[Fought]:
    """Emits how each challenge of a claim ended; `withheld` is a fail without a vote."""
    fought = [Fought(each, how_ended(each, claim, final, withheld), final) for each in of_claim(d, claim)]
    for each in fought:
        d.emit(ChallengeEnded(challenge=each.challenge.id, claim=claim.id, how=each.how))
    return fought


def how_ended(challenge: Challenge, claim: Claim, final: str, withheld: bool = False) -> str:
    """Returns "won", "lost", or "returned" where no verdict came after the challenge and nothing was withheld."""
    if not withheld and claim.verdict_round < challenge.round:
        return ChallengeState.RETURNED
    return ChallengeState.LOST if final == challenge.against else ChallengeState.WON


def release(d: Decision, claim: Claim, policy: Policy, fought: list[Fought]) -> None:
    """Empties the challenges' bonds; the seats have been paid from what was prepaid by then."""
    for each in fought:
        challenge = each.challenge
        lock = ledger.challenge_bond(challenge.id)
        if each.how == ChallengeState.LOST:
            d.pay("challenge.lost", *_lost(d, claim, policy, challenge))
        else:
            d.pay("challenge.return", (lock, ledger.free(challenge.challenger), d.balance(lock)))


def _lost(d: Decision, claim: Claim, policy: Policy, challenge: Challenge) -> list[ledger.Transfer]:
    lock, bond = ledger.challenge_bond(challenge.id), challenge.bond_units
    is_paid = challenge.against == "pass" and not kin(d, claim.worker, challenge.challenger)
    burns = ledger.share_up(bond, policy.money.challenge_burn_ppm) if is_paid else bond
    return [(lock, ledger.BURN, burns), (lock, ledger.free(claim.worker), bond - burns)]


def kin(d: Decision, one: str, other: str) -> bool:
    """Returns whether two parties are one, have one owner, or one is the other's owner."""
    return not {one, d.owner(one)}.isdisjoint({other, d.owner(other)})
