"""How a claim ends: price, stake, bonds and fees find their owners in one entry (docs/rules.md 3 and 4).

Liability is the lock: a slash never exceeds the stake that it comes from. All seats of all rounds and all
challenges are settled with the claim. Whatever rounding leaves burns. Where the challenges' bonds go stands in
`disputes.py`.

Who pays the seats:
- The pool pays a round that the coin or a disagreement opened, and one that overturned a fail.
- The challenger pays the round of a challenge that was lost or returned, from what was prepaid; what the seats of a
  lost one did not earn goes to the pool.
- The worker's slash pays the round that showed its work to be bad, before it is split; the pool what that is short of.
- Where the pool is short the seats share what there is: settlement never waits.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from trust.core import ledger
from trust.core.events import ClaimEnded, FeeShort, PartyFaulted, SeatSettled, round_id
from trust.core.lifecycle import UNHEARD_STATES, ChallengeState, ClaimState, SeatState
from trust.core.policy import Policy
from trust.core.records import Claim, Party, Round, Seat, Task
from trust.core.rules import bond, disputes, names, parties, rating, squads, tasks
from trust.core.rules.decision import Decision
from trust.core.rules.disputes import Fought

Due = list[tuple[str, int]]
"""Agents, and the fee of each."""

IDLE_STATES = frozenset({SeatState.SEATED, SeatState.COMMITTED, SeatState.EXCUSED})
EARNING = frozenset({"right", "canary-right", "heard"})


def conclude(d: Decision, claim: Claim) -> None:
    """Ends a claim by the verdict that stands: accepted, rejected, or voided where none was ever reached."""
    task = d.need(Task, claim.task)
    verdict = disputes.standing(claim)
    if claim.canary:
        _give_back(d, claim, task, "canary")
    elif verdict == "pass":
        _accept(d, claim, task)
    elif verdict == "fail":
        _reject(d, claim, task, full=d.task_policy(task).is_exact(task.task_kind) and claim.appealable)
    elif verdict == "void":
        _give_back(d, claim, task, "unclear")
    else:
        _void(d, claim, task)


def end_claim(
    d: Decision,
    claim: Claim,
    task: Task,
    state: str,
    slash_units: int = 0,
    *,
    hold_units: int = 0,
    hold_until_ms: int = 0,
) -> None:
    """Ends a claim, of which a failed check takes `slash_units`, and settles with it what its squad stands surety
    for."""
    d.emit(ClaimEnded(claim=claim.id, state=state, hold_units=hold_units, hold_until_ms=hold_until_ms))
    squads.settle_surety(d, claim, task, slash_units)


def _accept(d: Decision, claim: Claim, task: Task) -> None:
    policy = d.task_policy(task)
    hold = ledger.share(claim.stake_units, policy.money.evidence_hold_ppm)
    until_ms = d.at_ms + policy.windows.evidence_ms if hold else 0
    end_claim(d, claim, task, ClaimState.ACCEPTED, hold_units=hold, hold_until_ms=until_ms)
    worker, lock = ledger.free(claim.worker), ledger.stake(claim.id)
    d.pay("claim.price", (ledger.escrow(task.id), worker, task.price_units))
    d.pay("stake.return", (lock, worker, claim.stake_units - hold))
    fought = disputes.end(d, claim, "pass")
    _pay_seats(d, claim, settle_seats(d, claim, task, policy), fought)
    disputes.release(d, claim, policy, fought)
    rating.delivered(d, claim, task, policy)
    rating.disputed(d, task, policy, fought)
    tasks.close(d, task, "accepted")


def _reject(d: Decision, claim: Claim, task: Task, full: bool, withheld: bool = False) -> None:
    """Ends a claim as rejected. `full`: the work was exact and the verdict could be appealed, or the output was
    withheld."""
    policy = d.task_policy(task)
    faults = policy.faults
    slash = ledger.share(claim.stake_units, faults.exact_ppm if full else faults.judged_ppm)
    end_claim(d, claim, task, ClaimState.REJECTED, slash)
    rest = claim.stake_units - slash
    d.pay("stake.return", (ledger.stake(claim.id), ledger.free(claim.worker), rest))
    fought = disputes.end(d, claim, "fail", withheld)
    left = _pay_seats(d, claim, settle_seats(d, claim, task, policy), fought, slash)
    _split(d, claim, task, policy, fought, left)
    disputes.release(d, claim, policy, fought)
    upheld = any(each.exposed for each in fought)
    rating.failed(d, claim, task, policy, fraud=full, upheld=upheld)
    rating.disputed(d, task, policy, fought)
    tasks.bar(d, task, claim)
    if full:
        _strike(d, claim, policy)
    tasks.reopen(d, task, "rejected")


def _split(d: Decision, claim: Claim, task: Task, policy: Policy, fought: list[Fought], slash: int) -> None:
    """Splits a slash: the requester gets back what the check cost it, the first who showed it a few fees; the rest
    burns. Nobody of the worker's own house gets anything: a cheat that reports itself saves nothing by it."""
    reporter = next((each.challenge.challenger for each in fought if each.exposed), "")
    gains = exposed_gains(d, claim, task, policy, slash, reporter)
    gains.append((ledger.BURN, slash - sum(units for _, units in gains)))
    lock = ledger.stake(claim.id)
    d.pay("slash.failed-check", *((lock, target, units) for target, units in gains))


def exposed_gains(
    d: Decision, claim: Claim, task: Task, policy: Policy, slash: int, reporter: str
) -> list[tuple[str, int]]:
    """Returns the accounts that a slash of so many units pays, with the units of each."""
    most = policy.money.reporter_max_fees * policy.verifiers.fee_units
    drawn = claim.caught or claim.unchecked or claim.round
    wanted = [(task.requester, fees_units(claim, task) if drawn else 0), (reporter, most)]
    gains = []
    for who, units in wanted:
        paid = min(units, slash) if d.get(Party, who) and not disputes.kin(d, who, claim.worker) else 0
        gains.append((ledger.free(who), paid))
        slash -= paid
    return gains


def fees_units(claim: Claim, task: Task) -> int:
    """Returns the fees in units that the draw of round 1 takes, whatever the coin says: those of its rate, or all of
    them where the worker was caught in other work."""
    return task.fees_units if claim.caught else ledger.share_up(task.fees_units, claim.rate_ppm)


def _strike(d: Decision, claim: Claim, policy: Policy) -> None:
    """Burns the bond of a name for a failed exact check, and bans the party at the last strike in memory."""
    names.burn(d, claim.worker)
    party = d.need(Party, claim.worker)
    since_ms = d.at_ms - policy.faults.failure_memory_ms
    times = (*[at for at in party.failures_ms if at > since_ms][-20:], d.at_ms)
    d.emit(PartyFaulted(party=party.id, liveness_ms=party.liveness_ms, failures_ms=times))
    if len(times) >= policy.faults.failure_strikes and not party.left:
        parties.leave(d, d.need(Party, party.id), "tombstoned")


def withheld(d: Decision, claim: Claim) -> None:
    """Rejects a claim whose drawn output was not opened: as a failed exact check, whatever the kind of work."""
    parties.catch(d, claim.worker)
    _reject(d, claim, d.need(Task, claim.task), full=True, withheld=True)


def _void(d: Decision, claim: Claim, task: Task) -> None:
    """Ends a claim of which no round reached a verdict: everything goes back, nobody is barred; silent seats still
    pay."""
    end_claim(d, claim, task, ClaimState.VOIDED)
    d.pay("stake.return", (ledger.stake(claim.id), ledger.free(claim.worker), claim.stake_units))
    _pay_seats(d, claim, settle_seats(d, claim, task, d.task_policy(task)), [])
    tasks.reopen(d, task, "voided")


def _give_back(d: Decision, claim: Claim, task: Task, why: str) -> None:
    """Gives price and stake back: the work was the operator's own (canary), or what was asked for cannot be judged
    (unclear).

    The seats are measured by the verdict that stands; the fees of the check stay paid.
    """
    policy = d.task_policy(task)
    end_claim(d, claim, task, ClaimState.VOIDED)
    d.pay("stake.return", (ledger.stake(claim.id), ledger.free(claim.worker), claim.stake_units))
    fought = disputes.end(d, claim, claim.verdict)
    _pay_seats(d, claim, settle_seats(d, claim, task, policy), fought)
    disputes.release(d, claim, policy, fought)
    rating.disputed(d, task, policy, fought)
    if why == "unclear":
        rating.unclear(d, task, policy)
    tasks.close(d, task, why)


def overdue(d: Decision, claim: Claim) -> None:
    """Ends a claim whose draw the service did not make in time: price and stake burn out of the operator's bond.

    That is more than anybody could save by a draw that is not made, and nobody gains by it. Where a verdict stands,
    it goes on standing, challenges are returned, and a fail costs what one without an appeal does. Where there is
    none, stake and escrow go back and the task closes.
    """
    task = d.need(Task, claim.task)
    if disputes.standing(claim):
        conclude(d, replace(claim, appealable=False))
    else:
        _void_overdue(d, claim, task)
    bond.burn(d, "draw.overdue", task.price_units + claim.stake_units)


def _void_overdue(d: Decision, claim: Claim, task: Task) -> None:
    end_claim(d, claim, task, ClaimState.VOIDED)
    d.pay("stake.return", (ledger.stake(claim.id), ledger.free(claim.worker), claim.stake_units))
    _pay_seats(d, claim, settle_seats(d, claim, task, d.task_policy(task)), [])
    tasks.close(d, task, "draw-overdue")


# -- seats


def _seats_of(d: Decision, panel: Round) -> list[Seat]:
    """Returns all seats of a round, those that were replaced first."""
    return [d.need(Seat, name) for name in (*panel.past_seats, *panel.seats)]


def is_deserted(d: Decision, panel: Round) -> bool:
    """Returns whether over half of a round's seats were not heard. That so many of those whom chance drew are away at
    once is less likely than that somebody did not hear them, so nobody pays for it."""
    seats = _seats_of(d, panel)
    return 2 * sum(seat.state in UNHEARD_STATES for seat in seats) > len(seats)


def settle_seats(d: Decision, claim: Claim, task: Task, policy: Policy) -> dict[int, Due]:
    """Settles every seat of every round against the final verdict; returns what those of each round earned."""
    final = d.need(Round, round_id(claim.id, claim.verdict_round)) if claim.verdict else None
    settled: list[tuple[Seat, str]] = []
    earned: dict[int, Due] = {}
    for number in range(1, claim.round + 1):
        panel = d.need(Round, round_id(claim.id, number))
        for seat in _seats_of(d, panel):
            outcome = _outcome(d, claim, seat, panel, final)
            settled.append((seat, outcome))
            if outcome in EARNING:
                earned.setdefault(number, []).append((seat.agent, policy.verifiers.fee_units))
            d.emit(SeatSettled(seat=seat.id, outcome=outcome))
            rating.judged(d, seat, task, policy, outcome)
    doubt_units = _doubt_units(d, claim, earned)
    d.pay("seat.slash", *_slashed(d, _penalties(settled, task, policy, doubt_units), doubt_units))
    return earned


def _doubt_units(d: Decision, claim: Claim, earned: Mapping[int, Due]) -> int:
    """Returns the fees in units of the rounds that a disagreement opened."""
    asked_for = {challenge.round for challenge in disputes.of_claim(d, claim)}
    return sum(
        sum(fee for _, fee in due) for number, due in earned.items() if number > 1 and number not in asked_for
    )


def _penalties(settled: list[tuple[Seat, str]], task: Task, policy: Policy, doubt_units: int) -> Due:
    """Returns what each agent's seat costs it: a share of its liability; on judged work a seat that the final round
    contradicts pays no more of that than its part of the doubt that it caused."""
    exact, liability = policy.is_exact(task.task_kind), policy.liability_units(task.price_units)
    wrong = sum(outcome == "wrong" for _, outcome in settled)
    penalties = []
    for seat, outcome in settled:
        units = ledger.share(liability, _penalty_ppm(outcome, policy))
        if outcome == "wrong" and not exact:
            units = min(units, -(-doubt_units // wrong))
        if units:
            penalties.append((seat.agent, units))
    return penalties


def _slashed(d: Decision, penalties: Due, doubt_units: int) -> list[ledger.Transfer]:
    """Returns the transfers of the verifiers' penalties: the first `doubt_units` units of them go to the pool, for
    the doubt that these verifiers were part of; the rest burns.

    A ring that votes falsely would drain the pool of fees otherwise. Fees are the same either way, so nobody earns by
    another's slash.
    """
    transfers = []
    for agent, penalty in penalties:
        lock = ledger.verifier_stake(agent)
        units = min(penalty, d.balance(lock))
        to_pool = min(units, doubt_units)
        doubt_units -= to_pool
        transfers += [(lock, ledger.VERIFICATION, to_pool), (lock, ledger.BURN, units - to_pool)]
        d.touch(agent)
    return transfers


def _outcome(d: Decision, claim: Claim, seat: Seat, panel: Round, final: Round | None) -> str:
    """Returns "right", "wrong", "silent", "passed", "idle" (it never came to a vote, or not heard in a deserted round),
    or "heard" (no verdict to be measured by).

    A later round that reached no verdict is not measured by the one before it, which it was called to review. Where a
    canary's answer stood: "canary-right", "canary-wrong", or "heard" where nobody could have appealed against it.
    """
    if seat.state in UNHEARD_STATES:
        return "idle" if is_deserted(d, panel) else seat.state
    if seat.state in IDLE_STATES:
        return "idle"
    if final is None or panel.number > final.number:
        return "heard"
    if not panel.items:
        if claim.canary and not claim.measured:
            return "heard"
        measure = "canary-" if claim.canary == claim.verdict else ""
        return measure + ("right" if seat.verdict == claim.verdict else "wrong")
    return "wrong" if _wrong_on_an_item(seat, panel, final) else "right"


def _wrong_on_an_item(seat: Seat, panel: Round, final: Round) -> bool:
    """Returns whether the final round judged an item otherwise than the seat; disputed items are judged by nobody."""
    judged = {index for place in final.items for index in place} - set(final.disputed)
    mine = set(panel.items[seat.place]) & judged
    return mine & set(seat.bad) != mine & set(final.bad)


def _penalty_ppm(outcome: str, policy: Policy) -> int:
    verifiers = policy.verifiers
    if outcome == "passed":
        return verifiers.no_commit_ppm
    if outcome == "silent":
        return verifiers.no_reveal_ppm
    if outcome == "canary-wrong":
        return verifiers.canary_ppm
    return verifiers.wrong_ppm if outcome == "wrong" else 0


# -- fees


def _pay_seats(
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
    """Pays the seats from what a lost challenge prepaid; the rest goes to the pool."""
    lock = ledger.challenge_bond(dispute.challenge.id)
    d.pay("seat.fee", *((lock, ledger.free(agent), fee) for agent, fee in due))
    if dispute.how == ChallengeState.LOST:
        rest = dispute.challenge.prepaid_units - sum(fee for _, fee in due)
        d.pay("challenge.unearned", (lock, ledger.VERIFICATION, rest))


def _from_slash(d: Decision, claim: Claim, due: Due, slash_units: int) -> tuple[int, Due]:
    """Pays the seats alike from the stake as far as the slash goes; returns what was paid and what each still has to
    get."""
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
