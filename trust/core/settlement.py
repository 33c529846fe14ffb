"""How a claim ends: price, stake, bonds and fees find their owners in one entry (rules.md 3 and 4).

Liability is the lock: a slash never exceeds the stake or the bond it comes from. All seats of all rounds are settled
with the claim. Whatever rounding leaves burns; what the pool is short of, the seats share.
"""

from __future__ import annotations

from trust.core import ledger, parties, rating, tasks
from trust.core.decision import Decision
from trust.core.events import ClaimEnded, FeeShort, PartyFaulted, SeatSettled, round_id
from trust.core.policy import Policy
from trust.core.records import Claim, Party, Round, Seat, Task

IDLE_STATES = frozenset({"seated", "committed", "excused"})
EARNING = frozenset({"right", "canary-right", "heard"})


def conclude(d: Decision, claim: Claim) -> None:
    """Ends a claim by the last verdict that was reached: accepted, rejected, or voided where there is none."""
    task = d.need(Task, claim.task)
    if claim.canary:
        _end_canary(d, claim, task)
    elif claim.state == "unchecked" or claim.verdict == "pass":
        _accept(d, claim, task)
    elif claim.verdict == "fail":
        _reject(d, claim, task, exact=d.task_policy(task).is_exact(task.task_kind))
    else:
        _void(d, claim, task)


def _accept(d: Decision, claim: Claim, task: Task) -> None:
    policy = d.task_policy(task)
    hold = ledger.share(claim.stake_units, policy.money.evidence_hold_ppm)
    until_ms = d.at_ms + policy.windows.evidence_ms if hold else 0
    d.emit(ClaimEnded(claim=claim.id, state="accepted", hold_units=hold, hold_until_ms=until_ms))
    worker, lock = ledger.free(claim.worker), ledger.stake(claim.id)
    d.pay("claim.price", (ledger.escrow(task.id), worker, task.price_units))
    d.pay("stake.return", (lock, worker, claim.stake_units - hold))
    settle_seats(d, claim, task, policy)
    rating.delivered(d, claim, task, policy)
    tasks.close(d, task, "accepted")


def _reject(d: Decision, claim: Claim, task: Task, exact: bool) -> None:
    policy = d.task_policy(task)
    faults = policy.faults
    slash = ledger.share(claim.stake_units, faults.exact_ppm if exact else faults.judged_ppm)
    to_requester = min(task.price_units, ledger.share(slash, policy.money.requester_ppm))
    d.emit(ClaimEnded(claim=claim.id, state="rejected"))
    lock = ledger.stake(claim.id)
    d.pay(
        "slash.failed-check",
        (lock, ledger.free(task.requester), to_requester),
        (lock, ledger.BURN, slash - to_requester),
    )
    d.pay("stake.return", (lock, ledger.free(claim.worker), claim.stake_units - slash))
    settle_seats(d, claim, task, policy)
    rating.failed(d, claim, task, policy, fraud=exact)
    tasks.bar(d, task, claim)
    if exact:
        _strike(d, claim, policy)
    tasks.reopen(d, task, "rejected")


def _strike(d: Decision, claim: Claim, policy: Policy) -> None:
    """A failed exact check: tombstone at the last strike in memory."""
    party = d.need(Party, claim.worker)
    since_ms = d.at_ms - policy.faults.failure_memory_ms
    times = (*[at for at in party.failures_ms if at > since_ms][-20:], d.at_ms)
    d.emit(PartyFaulted(party=party.id, liveness_ms=party.liveness_ms, failures_ms=times))
    if len(times) >= policy.faults.failure_strikes and not party.left:
        parties.leave(d, d.need(Party, party.id), "tombstoned")


def withheld(d: Decision, claim: Claim) -> None:
    """What was drawn was not opened: as a failed exact check, whatever the kind of work."""
    _reject(d, claim, d.need(Task, claim.task), exact=True)


def _void(d: Decision, claim: Claim, task: Task) -> None:
    """No round reached a verdict: everything back, nobody barred; who kept silent still pays."""
    d.emit(ClaimEnded(claim=claim.id, state="voided"))
    d.pay("stake.return", (ledger.stake(claim.id), ledger.free(claim.worker), claim.stake_units))
    settle_seats(d, claim, task, d.task_policy(task))
    tasks.reopen(d, task, "voided")


def _end_canary(d: Decision, claim: Claim, task: Task) -> None:
    """The work was the operator's own: everything back, and the seats are judged by the answer that stood."""
    d.emit(ClaimEnded(claim=claim.id, state="voided"))
    d.pay("stake.return", (ledger.stake(claim.id), ledger.free(claim.worker), claim.stake_units))
    settle_seats(d, claim, task, d.task_policy(task))
    tasks.close(d, task, "canary")


def void_overdue(d: Decision, claim: Claim) -> None:
    """No draw in time is the service's fault: its bond pays the worker up to the price, and the task closes."""
    task = d.need(Task, claim.task)
    d.emit(ClaimEnded(claim=claim.id, state="voided"))
    worker = ledger.free(claim.worker)
    d.pay("stake.return", (ledger.stake(claim.id), worker, claim.stake_units))
    paid = min(task.price_units, d.balance(ledger.OPERATOR_BOND))
    d.pay("draw.overdue", (ledger.OPERATOR_BOND, worker, paid))
    settle_seats(d, claim, task, d.task_policy(task))
    tasks.close(d, task, "draw-overdue")


# -- seats


def settle_seats(d: Decision, claim: Claim, task: Task, policy: Policy) -> None:
    """Settles every seat of every round against the final verdict."""
    if not claim.round:
        return
    exact = policy.is_exact(task.task_kind)
    final = d.need(Round, round_id(claim.id, claim.verdict_round)) if claim.verdict else None
    bonds: list[ledger.Transfer] = []
    slashes: list[ledger.Transfer] = []
    earned: list[tuple[str, int]] = []
    for number in range(1, claim.round + 1):
        panel = d.need(Round, round_id(claim.id, number))
        for name in (*panel.past_seats, *panel.seats):
            seat = d.need(Seat, name)
            outcome = _outcome(claim, seat, panel, final)
            slash = ledger.share(seat.bond_units, _penalty_ppm(outcome, exact, policy))
            slashes.append((ledger.bond(name), ledger.BURN, slash))
            bonds.append((ledger.bond(name), ledger.free(seat.agent), seat.bond_units - slash))
            if outcome in EARNING:
                earned.append((seat.agent, panel.fee_units))
            d.emit(SeatSettled(seat=name, outcome=outcome))
            rating.judged(d, seat, task, policy, outcome)
    d.pay("bond.slash", *slashes)
    d.pay("bond.return", *bonds)
    _pay_fees(d, claim, earned)


def _outcome(claim: Claim, seat: Seat, panel: Round, final: Round | None) -> str:
    """right, wrong, silent, passed, idle (it never came to a vote), or heard (no verdict to be measured by).

    Where a canary's answer stood: canary-right, canary-wrong.
    """
    if seat.state in ("passed", "silent"):
        return seat.state
    if seat.state in IDLE_STATES:
        return "idle"
    if final is None:
        return "heard"
    if not panel.items:
        measure = "canary-" if claim.canary == claim.verdict else ""
        return measure + ("right" if seat.verdict == claim.verdict else "wrong")
    return "wrong" if _wrong_on_an_item(seat, panel, final) else "right"


def _wrong_on_an_item(seat: Seat, panel: Round, final: Round) -> bool:
    """Whether the final round judged an item that the seat had otherwise; disputed ones are judged by nobody."""
    judged = {index for place in final.items for index in place} - set(final.disputed)
    mine = set(panel.items[seat.place]) & judged
    return mine & set(seat.bad) != mine & set(final.bad)


def _penalty_ppm(outcome: str, exact: bool, policy: Policy) -> int:
    verifiers = policy.verifiers
    if outcome == "passed":
        return verifiers.no_commit_ppm
    if outcome == "silent":
        return verifiers.no_reveal_ppm
    if outcome == "canary-wrong":
        return verifiers.canary_ppm
    return verifiers.wrong_ppm if outcome == "wrong" and exact else 0


def _pay_fees(d: Decision, claim: Claim, earned: list[tuple[str, int]]) -> None:
    due = sum(fee for _, fee in earned)
    held = d.balance(ledger.VERIFICATION)
    if due > held:
        earned = [(agent, fee * held // due) for agent, fee in earned]
        d.emit(FeeShort(claim=claim.id, due_units=due, paid_units=sum(fee for _, fee in earned)))
    d.pay("seat.fee", *((ledger.VERIFICATION, ledger.free(agent), fee) for agent, fee in earned))
