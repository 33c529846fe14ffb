"""Challenges: who may doubt what, until when, and at what price (docs/rules.md 3 and 4).

1. Any party that has not left and has the money may challenge a verdict while its window is open, or an output that
   was not checked. A requester that accepted the output gave this up.
2. A verdict is challenged once: the first in the log wins. The next verdict may be challenged again, by anybody.
3. The bond and the fees of the next panel lock at once. The challenge opens the next round; nothing of it enters that
   round's draw.
4. What the sealed pool cannot seat is refused. Found out by seating a panel for trial: whether there are enough who
   may sit does not depend on the order in which a draw comes upon them.
"""

from __future__ import annotations

from trust.core import ledger
from trust.core.events import VerdictChallenged
from trust.core.lifecycle import ClaimState
from trust.core.payloads import VerdictChallenge
from trust.core.policy import Policy
from trust.core.records import Challenge, Claim, Task
from trust.core.refusal import Refused
from trust.core.rules import disputes, panel, reads
from trust.core.rules.acts import act
from trust.core.rules.decision import Decision
from trust.core.rules.reads import Keys, Peek
from trust.core.sampling.draw import Stream


def _challenged(view: Peek, statement: VerdictChallenge) -> Keys:
    return reads.challenged(view, statement.claim)


@act(VerdictChallenge, reads=_challenged)
def challenge(d: Decision, statement: VerdictChallenge) -> None:
    """Challenges the verdict that stands, and asks for the next round."""
    claim = d.find(Claim, statement.claim)
    task = d.need(Task, claim.task)
    _check_open(d, claim)
    if claim.accepted_by_requester and task.requester == statement.actor:
        raise Refused("right-given-up", f"{statement.actor} accepted the output of {claim.id}")
    policy = d.task_policy(task)
    _lock(d, claim, task, policy)
    claim = d.need(Claim, claim.id)
    panel.next_round(d, claim, policy)
    trial = Stream(d.spoken.id.encode(), b"trial")
    if not panel.can_be_seated(d, d.need(Claim, claim.id), task, policy, trial):
        size = policy.checks.panels[claim.round]
        raise Refused("no-panel", f"the pool of {claim.id} cannot seat {size} who had no part in it")


def _check_open(d: Decision, claim: Claim) -> None:
    if claim.ended_ms:
        raise Refused("too-late", f"{claim.id} is {claim.state} since {claim.ended_ms}")
    if claim.state == ClaimState.CLAIMED:
        raise Refused("no-output", f"{claim.id} has no output yet")
    if claim.state not in (ClaimState.SUBMITTED, ClaimState.CHECKING):
        return
    before = d.get(Challenge, claim.challenge) if claim.challenge else None
    if before is not None and claim.verdict_round < before.round:
        raise Refused(
            "challenged-already",
            f"{claim.id} was challenged by {before.challenger} at entry {before.index}",
            challenge=before.id,
            index=before.index,
        )
    if claim.draw_round:
        raise Refused("draw-pending", f"round {claim.draw_round} of {claim.id} is not drawn yet")
    raise Refused("panel-at-work", f"the panel of round {claim.round} has not come to a verdict yet")


def _lock(d: Decision, claim: Claim, task: Task, policy: Policy) -> None:
    number = claim.round + 1
    challenger, id = d.spoken.payload.actor, d.new_id("chl_")
    bond = policy.challenge_bond_units(task.price_units, number)
    prepaid = policy.panel_fees_units(number)
    held = d.balance(ledger.free(challenger))
    if held < bond + prepaid:
        raise Refused(
            "insufficient-funds", f"the bond is {bond} units, the panel costs {prepaid}, {held} are free"
        )
    d.emit(
        VerdictChallenged(
            challenge=id,
            claim=claim.id,
            challenger=challenger,
            against=disputes.standing(claim),
            round=number,
            bond_units=bond,
            prepaid_units=prepaid,
        )
    )
    lock = d.opened(ledger.challenge_bond(id))
    d.pay("challenge.bond", (ledger.free(challenger), lock, bond + prepaid))
