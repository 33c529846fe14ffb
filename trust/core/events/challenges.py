"""Events about challenges."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from trust.core.events.event import Event, known
from trust.core.lifecycle import ChallengeState
from trust.core.records import Challenge, Claim
from trust.core.state import Draft

_CHALLENGE_ENDED = {
    ChallengeState.WON: "is won: the verdict that it attacked did not stand",
    ChallengeState.LOST: "is lost: the verdict that it attacked stands",
    ChallengeState.RETURNED: "is returned: no verdict was reached after it, and the one before it stands",
}


class VerdictChallenged(Event, tag="verdict.challenged", frozen=True, kw_only=True):
    """A verdict (`against` pass or fail), or an output that was not checked (pass), is attacked; `round` is the round
    that it opens."""

    creates: ClassVar[tuple[str, ...]] = ("challenge", "against", "round", "bond_units", "prepaid_units")

    challenge: str
    claim: str
    challenger: str
    against: str
    round: int
    bond_units: int
    prepaid_units: int

    def write(self, s: Draft) -> None:
        claim = known(s, Claim, self.claim)
        s.put(
            Challenge(
                id=self.challenge,
                claim=self.claim,
                challenger=self.challenger,
                index=s.size,
                against=self.against,
                round=self.round,
                bond_units=self.bond_units,
                prepaid_units=self.prepaid_units,
                before=claim.challenge,
            )
        )
        s.put(replace(claim, challenge=self.challenge))

    def sentence(self) -> str:
        return (
            f"{self.challenger} challenges the {self.against} ({self.challenge}) and asks for round {self.round}, with "
            f"a bond of {self.bond_units} and {self.prepaid_units} of prepaid fees."
        )


class ChallengeEnded(Event, tag="challenge.ended", frozen=True, kw_only=True):
    """`how` is won, lost, or returned where no verdict was reached after it."""

    challenge: str
    claim: str
    how: str

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Challenge, self.challenge), state=self.how))

    def sentence(self) -> str:
        return f"The challenge {self.challenge} {_CHALLENGE_ENDED[self.how]}."
