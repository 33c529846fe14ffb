"""Everything that can happen, by subject, and how it folds into the state: no rule, no policy in here."""

from __future__ import annotations

from trust.core.events.allocations import *
from trust.core.events.challenges import *
from trust.core.events.convictions import *
from trust.core.events.event import *
from trust.core.events.money import *
from trust.core.events.panels import *
from trust.core.events.parties import *
from trust.core.events.scores import *
from trust.core.events.tasks import *

Events = (
    NetworkCreated | PartyRegistered | PartyRotated | PartyLeft | PartyJailed | PartyFaulted | PartyCaught
    | VerifierEnrolled | VerifierLeft | VerifierReleased | RoleGranted | RoleRevoked | RelayRegistered
    | PolicyAnnounced | PolicyEffective | RulesAnnounced
    | RulesEffective | KeyAdopted | MoneyMoved | ReferenceBooked | WithdrawalOpened | WithdrawalMatured
    | WithdrawalEnded | FeeShort | TaskPosted | TaskReopened | TaskClosed | TaskBarred | ClaimOpened | ClaimRenewed
    | OutputSubmitted | OutputAccepted | CoinTossed | ClaimEnded | HoldReleased | RoundDue | RoundOpened
    | OutputOpened | ItemsOpened | PhaseBegan | VoteCommitted | SeatPassed | VoteRevealed | SeatSilent | RoundTallied
    | VerdictReached | SeatSettled | Observed | RaterChanged | WorkCounted | TrackChanged | PoolWeight | PoolDue
    | PoolEpoch | PoolSealed | PartiesDue | PartyFollowed | VerdictChallenged | ChallengeEnded | TasksDue
    | TasksFollowed | Convicted | StakeSlashed | UnbondingSlashed | BondSlashed | RelaySuspended | CanariesCommitted
    | CanaryOpened | CanariesMissed | TaskAllocating | TaskAllocated | AllocationFailed | AllocationLapsed
)  # fmt: skip
"""Every event that an entry may hold; a kind that is not named here cannot be decoded."""
