"""The lives of claims, tasks, rounds, seats and what else has states: which act finds a thing in which state, and in
which it leaves it (docs/rules.md 3).

An act is an event's kind. A record that has a life names it (`Record.life`), and a draft refuses to write one that an
event would move otherwise than its table says (`IllegalMove`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

NOT_YET = ""
"""The state of a thing before the act that makes it."""


class ClaimState:
    """The states of a claim; passing, failing and voiding: a verdict stands and can still be challenged.

    It ends as accepted, rejected, abandoned, expired or voided.
    """

    CLAIMED: Final = "claimed"
    SUBMITTED: Final = "submitted"
    UNCHECKED: Final = "unchecked"
    CHECKING: Final = "checking"
    PASSING: Final = "passing"
    FAILING: Final = "failing"
    VOIDING: Final = "voiding"
    ACCEPTED: Final = "accepted"
    REJECTED: Final = "rejected"
    ABANDONED: Final = "abandoned"
    EXPIRED: Final = "expired"
    VOIDED: Final = "voided"


class TaskState:
    OPEN: Final = "open"
    ALLOCATING: Final = "allocating"
    CLAIMED: Final = "claimed"
    SPLIT: Final = "split"
    CLOSED: Final = "closed"


class SquadState:
    """The states of a squad: calling while its members are not drawn; dissolved or expired without a claim; accepted
    where every part of its task was."""

    CALLING: Final = "calling"
    FORMED: Final = "formed"
    CLAIMED: Final = "claimed"
    DISSOLVED: Final = "dissolved"
    EXPIRED: Final = "expired"
    ACCEPTED: Final = "accepted"
    UNFINISHED: Final = "unfinished"


class AllocationState:
    AWAITED: Final = "awaited"
    DRAWN: Final = "drawn"
    FAILED: Final = "failed"
    LAPSED: Final = "lapsed"


class Phase:
    """The states of a round."""

    OPENING: Final = "opening"
    COMMIT: Final = "commit"
    REVEAL: Final = "reveal"
    OVER: Final = "over"


class SeatState:
    """The states of a seat: passed without a commit, excused where its agent had left, silent without a reveal."""

    SEATED: Final = "seated"
    COMMITTED: Final = "committed"
    REVEALED: Final = "revealed"
    PASSED: Final = "passed"
    EXCUSED: Final = "excused"
    SILENT: Final = "silent"


UNHEARD_STATES: Final = frozenset({SeatState.PASSED, SeatState.SILENT})


class ChallengeState:
    OPEN: Final = "open"
    WON: Final = "won"
    LOST: Final = "lost"
    RETURNED: Final = "returned"


class WithdrawalState:
    UNBONDING: Final = "unbonding"
    PAYABLE: Final = "payable"
    PAID: Final = "paid"
    RETURNED: Final = "returned"


class IllegalMove(ValueError):
    """An event that moves a thing as its life does not allow."""


States = frozenset[str]


class Life(NamedTuple):
    """One life: the field of the record that holds the state, and per act and state found the states it may leave."""

    field: str
    moves: Mapping[str, Mapping[str, States]]

    def makes(self, act: str, after: str) -> bool:
        """Returns whether `act` makes a new thing in the state `after`."""
        return after in self.moves.get(act, {}).get(NOT_YET, ())

    def is_over(self, state: str) -> bool:
        """Returns whether no act leads from this state to another."""
        return all(transitions.get(state, frozenset()) <= {state} for transitions in self.moves.values())

    def check(self, act: str, before: str, after: str) -> None:
        """Raises IllegalMove where `act` may not find the state `before`, or may not leave `after`."""
        transitions = self.moves.get(act)
        if transitions is None or before not in transitions:
            raise IllegalMove(f"{act} finds {before or 'nothing'}")
        if after not in transitions[before]:
            raise IllegalMove(f"{act} moves {before or 'nothing'} to {after}")


def _life(field: str, *moves: tuple[str, str, str]) -> Life:
    """A life from rows (act, states found, states left); no state left means that the act leaves what it found."""
    table: dict[str, dict[str, States]] = {}
    for act, befores, afters in moves:
        for before in befores.split() or [NOT_YET]:
            table.setdefault(act, {})[before] = frozenset(afters.split() or [before])
    return Life(field, table)


CLAIM = _life(
    "state",
    ("claim.opened", "", "claimed"),
    ("claim.renewed", "claimed", ""),
    ("output.submitted", "claimed", "submitted"),
    ("output.accepted", "submitted unchecked checking", ""),
    ("coin.tossed", "submitted", "unchecked checking"),
    ("round.due", "unchecked checking passing failing voiding", "checking"),
    ("round.opened", "checking", "checking"),
    ("output.opened", "checking", ""),
    ("verdict.reached", "checking passing failing voiding", "passing failing voiding"),
    ("verdict.challenged", "unchecked passing failing voiding", ""),
    ("canary.opened", "checking passing failing voiding", ""),
    ("stake.slashed", "submitted unchecked checking passing failing voiding accepted rejected voided", ""),
    ("claim.ended", "claimed", "abandoned expired"),
    ("claim.ended", "submitted", "voided"),
    ("claim.ended", "unchecked", "accepted"),
    ("claim.ended", "checking", "accepted rejected voided"),
    ("claim.ended", "passing", "accepted voided"),
    ("claim.ended", "failing", "rejected voided"),
    ("claim.ended", "voiding", "voided"),
    ("hold.released", "accepted", ""),
)
TASK = _life(
    "state",
    ("task.posted", "", "open"),
    ("task.posted", "open allocating claimed split", ""),  # the neighbours of a task are told of it
    ("part.posted", "", "open"),
    ("part.posted", "open allocating claimed split", ""),
    ("squad.claimed", "open", "split"),
    ("task.allocating", "open", "allocating"),
    ("task.allocated", "allocating", "open"),
    ("allocation.failed", "allocating", "open"),
    ("claim.opened", "open", "claimed"),
    ("task.reopened", "claimed", "open"),
    ("task.closed", "open", "open closed"),
    ("task.closed", "allocating", "allocating"),
    ("task.closed", "claimed", "claimed closed"),
    ("task.closed", "split", "split closed"),
    ("claim.ended", "claimed", ""),
)
ALLOCATION = _life(
    "state",
    ("task.allocating", "", "awaited"),
    ("task.allocated", "awaited", "drawn"),
    ("allocation.failed", "awaited", "failed"),
    ("claim.opened", "drawn", ""),
    ("allocation.lapsed", "drawn", "lapsed"),
)
ROUND = _life(
    "phase",
    ("round.opened", "", "opening commit"),
    ("items.opened", "opening", ""),
    ("phase.began", "opening", "commit"),
    ("phase.began", "commit", "reveal"),
    ("seat.passed", "commit", ""),
    ("round.tallied", "opening commit reveal", "over"),
)
SEAT = _life(
    "state",
    ("round.opened", "", "seated"),
    ("phase.began", "seated committed passed excused", ""),
    ("vote.committed", "seated", "committed"),
    ("seat.passed", "", "seated"),
    ("seat.passed", "seated", "passed excused"),
    ("vote.revealed", "committed", "revealed"),
    ("seat.silent", "committed", "silent"),
    ("seat.settled", "seated committed revealed passed excused silent", ""),
)
CHALLENGE = _life(
    "state",
    ("verdict.challenged", "", "open"),
    ("challenge.ended", "open", "won lost returned"),
)
WITHDRAWAL = _life(
    "state",
    ("withdrawal.opened", "", "unbonding"),
    ("withdrawal.matured", "unbonding", "payable"),
    ("withdrawal.ended", "payable", "paid returned"),
)
SQUAD = _life(
    "state",
    ("squad.called", "", "calling"),
    ("squad.asked", "calling", ""),
    ("squad.formed", "", "formed"),
    ("squad.formed", "calling", "formed"),
    ("squad.claimed", "formed", "claimed"),
    ("part.posted", "claimed", ""),
    ("surety.given", "claimed", ""),
    ("surety.ended", "claimed", ""),
    ("squad.ended", "calling", "dissolved expired"),
    ("squad.ended", "formed", "dissolved expired"),
    ("squad.ended", "claimed", "accepted unfinished"),
)
LIVES: dict[str, Life] = {
    "claim": CLAIM,
    "task": TASK,
    "allocation": ALLOCATION,
    "round": ROUND,
    "seat": SEAT,
    "challenge": CHALLENGE,
    "withdrawal": WITHDRAWAL,
    "squad": SQUAD,
}
"""Every life by the name of the thing."""
