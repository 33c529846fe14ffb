"""Everything that can happen, by subject, and how it folds into the state: no rule, no policy in here."""

from __future__ import annotations

from trust.core.events.allocations import (
    AllocationFailed,
    AllocationLapsed,
    TaskAllocated,
    TaskAllocating,
    task_draw,
)
from trust.core.events.challenges import ChallengeEnded, VerdictChallenged
from trust.core.events.convictions import (
    CanariesCommitted,
    CanariesMissed,
    CanaryOpened,
    Convicted,
    RelaySuspended,
    StakeSlashed,
    UnbondingSlashed,
    canary_id,
)
from trust.core.events.event import CannotFold, Event
from trust.core.events.money import (
    FeeShort,
    MoneyMoved,
    ReferenceBooked,
    WithdrawalEnded,
    WithdrawalMatured,
    WithdrawalOpened,
)
from trust.core.events.panels import (
    BatchTerms,
    DrawnSeat,
    ItemsOpened,
    OutputOpened,
    PhaseBegan,
    RoundDue,
    RoundOpened,
    RoundTallied,
    SeatPassed,
    SeatSettled,
    SeatSilent,
    VerdictReached,
    VoteCommitted,
    VoteRevealed,
    round_id,
)
from trust.core.events.parties import (
    NETWORK,
    KeyAdopted,
    NetworkCreated,
    PartiesDue,
    PartyFaulted,
    PartyFollowed,
    PartyJailed,
    PartyLeft,
    PartyRegistered,
    PartyRotated,
    PolicyAnnounced,
    PolicyEffective,
    RelayRegistered,
    RoleGranted,
    RoleRevoked,
    RulesAnnounced,
    RulesEffective,
    VerifierEnrolled,
    VerifierLeft,
    service_key,
)
from trust.core.events.scores import (
    Observed,
    PoolDue,
    PoolEpoch,
    PoolSealed,
    PoolWeight,
    RaterChanged,
    TrackChanged,
    WorkCounted,
)
from trust.core.events.tasks import (
    ClaimEnded,
    ClaimOpened,
    ClaimRenewed,
    CoinTossed,
    HoldReleased,
    OutputAccepted,
    OutputSubmitted,
    TaskBarred,
    TaskClosed,
    TaskPosted,
    TaskReopened,
    TasksDue,
    TasksFollowed,
)

Events = (
    NetworkCreated | PartyRegistered | PartyRotated | PartyLeft | PartyJailed | PartyFaulted | VerifierEnrolled
    | VerifierLeft | RoleGranted | RoleRevoked | RelayRegistered | PolicyAnnounced | PolicyEffective | RulesAnnounced
    | RulesEffective | KeyAdopted | MoneyMoved | ReferenceBooked | WithdrawalOpened | WithdrawalMatured
    | WithdrawalEnded | FeeShort | TaskPosted | TaskReopened | TaskClosed | TaskBarred | ClaimOpened | ClaimRenewed
    | OutputSubmitted | OutputAccepted | CoinTossed | ClaimEnded | HoldReleased | RoundDue | RoundOpened
    | OutputOpened | ItemsOpened | PhaseBegan | VoteCommitted | SeatPassed | VoteRevealed | SeatSilent | RoundTallied
    | VerdictReached | SeatSettled | Observed | RaterChanged | WorkCounted | TrackChanged | PoolWeight | PoolDue
    | PoolEpoch | PoolSealed | PartiesDue | PartyFollowed | VerdictChallenged | ChallengeEnded | TasksDue
    | TasksFollowed | Convicted | StakeSlashed | UnbondingSlashed | RelaySuspended | CanariesCommitted | CanaryOpened
    | CanariesMissed | TaskAllocating | TaskAllocated | AllocationFailed | AllocationLapsed
)  # fmt: skip

__all__ = [
    "NETWORK", "AllocationFailed", "AllocationLapsed", "BatchTerms", "CanariesCommitted", "CanariesMissed",
    "CanaryOpened", "CannotFold", "ChallengeEnded", "ClaimEnded", "ClaimOpened", "ClaimRenewed",
    "CoinTossed", "Convicted", "DrawnSeat", "Event", "Events", "FeeShort", "HoldReleased", "ItemsOpened",
    "KeyAdopted", "MoneyMoved", "NetworkCreated", "Observed", "OutputAccepted", "OutputOpened", "OutputSubmitted",
    "PartiesDue", "PartyFaulted", "PartyFollowed", "PartyJailed", "PartyLeft", "PartyRegistered", "PartyRotated",
    "PhaseBegan", "PolicyAnnounced", "PolicyEffective", "PoolDue", "PoolEpoch", "PoolSealed", "PoolWeight",
    "RaterChanged", "ReferenceBooked", "RelayRegistered", "RelaySuspended", "RoleGranted", "RoleRevoked",
    "RoundDue", "RoundOpened", "RoundTallied", "RulesAnnounced", "RulesEffective", "SeatPassed", "SeatSettled",
    "SeatSilent", "StakeSlashed", "TaskAllocated", "TaskAllocating", "TaskBarred", "TaskClosed", "TaskPosted",
    "TaskReopened", "TasksDue", "TasksFollowed", "TrackChanged", "UnbondingSlashed", "VerdictChallenged",
    "VerdictReached", "VerifierEnrolled", "VerifierLeft", "VoteCommitted", "VoteRevealed", "WithdrawalEnded",
    "WithdrawalMatured", "WithdrawalOpened", "WorkCounted", "canary_id", "round_id", "service_key", "task_draw",
]  # fmt: skip
