"""The records of those who took part in a claim: the check rate before it, observations and tracks after it.

The rate's inputs are read at the claim's entry and logged there (docs/rules.md 5). Observations carry final weights
(docs/reputation.md 1), so that folding them needs no policy.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from trust.core import ledger, rate, reputation, scoring
from trust.core.events import Observed, RaterChanged, TrackChanged, WorkCounted
from trust.core.lifecycle import UNHEARD_STATES, ChallengeState
from trust.core.policy import Policy
from trust.core.records import Claim, Party, Rater, Seat, Task, Track
from trust.core.refusal import Refused
from trust.core.rules.decision import Decision
from trust.core.rules.disputes import Fought
from trust.core.sampling import items

AGREED_ON_PASS_MILLI = 250
DISAGREED_MILLI = 1_000
UNCOUNTED_ROUTES = frozenset({"own", "assigned"})
"""The ways to a claim by which checks make no streak: the requester chose whom it would praise."""
LEAST_UNHEARD_PPM = 500_000
"""The accuracy from which on silence lowers a verifier's record no further (docs/reputation.md 1, S1.1)."""


def track_of(d: Decision, worker: Party, task_kind: str) -> Track:
    """A worker's track; each key change since it was written halves the streak and starts the checks anew."""
    track = d.get(Track, f"{worker.id}/{task_kind}") or Track(id=f"{worker.id}/{task_kind}")
    missed = worker.rotations - track.rotations
    if not missed:
        return track
    return replace(track, streak=track.streak >> missed, checks=0, rotations=worker.rotations)


def check_rate(
    d: Decision,
    worker: Party,
    task: Task,
    stake_units: int,
    policy: Policy,
    *,
    on_probation: bool,
    appealable: bool,
) -> tuple[int, rate.RateInputs]:
    """Returns the check rate in ppm and its inputs, from the state at the claim's entry; Refused where no stake
    deters."""
    track = track_of(d, worker, task.task_kind)
    watched_since_ms = d.at_ms - policy.checks.jail_memory_ms
    inputs = rate.RateInputs(
        streak=track.streak,
        priority_ppm=scoring.priority_ppm(d, worker.id, task.task_kind, d.at_ms),
        checks_since_key_change=track.checks if worker.rotations else None,
        watched=max(worker.jailed_ms, worker.caught_ms) > max(0, watched_since_ms),
        appealable=appealable,
    )
    at_stake = rate.AtStake(task.task_kind, task.price_units, stake_units, on_probation)
    try:
        return rate.check_rate(inputs, at_stake, policy).p_ppm, inputs
    except rate.StakeCannotDeter as error:
        raise Refused("stake-cannot-deter", str(error)) from error


# -- the worker


def delivered(d: Decision, claim: Claim, task: Task, policy: Policy) -> None:
    """Observes an accepted claim: checked and passed, or accepted without a check."""
    worker = d.need(Party, claim.worker)
    track = track_of(d, worker, task.task_kind)
    checked = claim.verdict == "pass"
    if checked:
        weight, why = policy.reputation.verdict_milli, "verdict"
        track = _passed(track, claim)
        _rate_requester(d, claim, task, agreed=True)
    elif claim.accepted_by_requester:
        weight, why = policy.reputation.accepted_milli, "accepted"
    else:
        weight, why = _unlooked(track, policy), "completed"
        track = replace(track, unchecked_milli=track.unchecked_milli + weight)
    rater = scoring.rater_ppm(d, task.requester) if why == "accepted" else 1_000_000
    _praise(d, claim, task, policy, weight, why, rater)
    d.emit(WorkCounted(agent=claim.worker, done=True))
    _write_track(d, worker, task, track)


def _unlooked(track: Track, policy: Policy) -> int:
    left = policy.reputation.completed_max_milli - track.unchecked_milli
    return max(0, min(policy.reputation.completed_milli, left))


def _praise(
    d: Decision, claim: Claim, task: Task, policy: Policy, base_milli: int, why: str, rater_ppm: int
) -> None:
    owner = d.owner(task.requester)
    lapses = scoring.lapses_milli(d, owner, task.task_kind)
    delta = reputation.lapsed_ppm(claim.delta_ppm, lapses)
    earlier = scoring.praised_milli(d, claim.worker, task.task_kind, owner, d.at_ms)
    base_milli = ledger.share(base_milli, _detected_ppm(task, policy))
    good = reputation.good_milli(base_milli, delta, earlier, rater_ppm, small=_small(policy))
    _observe(d, task, claim.worker, "worker", why, good_milli=good, counterparty=owner)


def _detected_ppm(task: Task, policy: Policy) -> int:
    """Returns the chance in ppm that a check of this task finds a fault: praise weighs no more than that."""
    if not task.items_count:
        return 1_000_000
    count, batch = task.items_count, policy.batch
    size = items.sample_size(count, batch.sample_items)
    accept = items.accept_count(count, size, task.tolerated_bad_ppm, batch.significance_ppm)
    bad = max(accept + 1, ledger.share(count, batch.detect_bad_ppm))
    return items.detection_ppm(count, size, accept, min(bad, count))


def _small(policy: Policy) -> bool:
    return policy.checks.panels[0] == 1


def failed(d: Decision, claim: Claim, task: Task, policy: Policy, fraud: bool, upheld: bool) -> None:
    """Observes a rejected claim. `fraud`: the check was exact, or the output withheld; `upheld`: a challenge showed
    it."""
    worker = d.need(Party, claim.worker)
    _blame(d, claim, task, policy, fraud, upheld)
    d.emit(WorkCounted(agent=claim.worker, done=True))
    _rate_requester(d, claim, task, agreed=False)
    track = track_of(d, worker, task.task_kind)
    _write_track(d, worker, task, replace(track, streak=0, checks=track.checks + 1))


def _bad_milli(policy: Policy, milli: int) -> int:
    return reputation.bad_milli(milli, small=_small(policy))


def _observe(d: Decision, task: Task, agent: str, role: str, why: str, **points: Any) -> None:
    """Puts what an agent did for a task on its record; `points` are the other fields of the event."""
    d.emit(Observed(agent=agent, role=role, task_kind=task.task_kind, why=why, **points))


def _blame(d: Decision, claim: Claim, task: Task, policy: Policy, fraud: bool, upheld: bool = False) -> None:
    base = policy.reputation.fraud_milli if fraud or upheld else policy.reputation.verdict_milli
    why = "fraud" if fraud else "upheld-challenge" if upheld else "verdict"
    _observe(d, task, claim.worker, "worker", why, failure_milli=_bad_milli(policy, base))


def equivocated(d: Decision, claim: Claim, task: Task, policy: Policy) -> None:
    """Observes two outputs for one claim: a fraud, whatever becomes of the one that is judged."""
    _blame(d, claim, task, policy, fraud=True)


def gave_up(d: Decision, claim: Claim, task: Task, policy: Policy) -> None:
    """Observes an expired lease, or a late abandonment."""
    worker = d.need(Party, claim.worker)
    _observe(
        d,
        task,
        claim.worker,
        "worker",
        "expired",
        counterparty=d.owner(task.requester),
        bad_milli=_bad_milli(policy, policy.reputation.expiry_milli),
    )
    d.emit(WorkCounted(agent=claim.worker, done=False))
    track = track_of(d, worker, task.task_kind)
    _write_track(d, worker, task, replace(track, streak=track.streak // 2))


def _passed(track: Track, claim: Claim) -> Track:
    """Returns the track after a passed check; one of work that the requester gave to a worker of its choice counts
    for nothing."""
    if claim.route in UNCOUNTED_ROUTES:
        return track
    return replace(track, streak=track.streak + 1, checks=track.checks + 1)


def _write_track(d: Decision, worker: Party, task: Task, track: Track) -> None:
    if track != d.get(Track, track.id):
        d.emit(
            TrackChanged(
                worker=worker.id,
                task_kind=task.task_kind,
                streak=track.streak,
                rotations=track.rotations,
                checks=track.checks,
                unchecked_milli=track.unchecked_milli,
            )
        )
    if task.task_kind in worker.capabilities:
        d.observed(worker.id, task.task_kind)


# -- the requester and the verifiers


def disputed(d: Decision, task: Task, policy: Policy, fought: list[Fought]) -> None:
    """Observes each unfounded challenge of the requester against it."""
    for each in fought:
        if each.how == ChallengeState.LOST and each.challenge.challenger == task.requester:
            _blame_requester(d, task, policy, policy.reputation.unfounded_milli, "unfounded-challenge")


def unclear(d: Decision, task: Task, policy: Policy) -> None:
    """Observes that a panel found the specification impossible to meet, to read or to judge."""
    _blame_requester(d, task, policy, policy.reputation.unclear_milli, "unclear")


def _blame_requester(d: Decision, task: Task, policy: Policy, milli: int, why: str) -> None:
    _observe(d, task, task.requester, "requester", why, bad_milli=_bad_milli(policy, milli))


def _rate_requester(d: Decision, claim: Claim, task: Task, agreed: bool) -> None:
    """Observes how a panel's verdict bears on a requester that had accepted the output unseen."""
    if not claim.accepted_by_requester:
        return
    rater = d.get(Rater, task.requester) or Rater(id=task.requester, agree_milli=0, against_milli=0)
    agree = rater.agree_milli + (AGREED_ON_PASS_MILLI if agreed else 0)
    against = rater.against_milli + (0 if agreed else DISAGREED_MILLI)
    d.emit(RaterChanged(requester=task.requester, agree_milli=agree, against_milli=against))


def judged(d: Decision, seat: Seat, task: Task, policy: Policy, outcome: str) -> None:
    """Records an observation of a settled seat's verifier; none where there was no verdict to be measured by."""
    weights = policy.reputation
    good = {"right": weights.verifier_milli, "canary-right": weights.canary_milli}.get(outcome, 0)
    bad = {
        "wrong": weights.verifier_milli,
        "canary-wrong": weights.canary_milli,
        "passed": weights.no_commit_milli,
        "silent": weights.no_reveal_milli,
    }.get(outcome, 0)
    if (
        outcome in UNHEARD_STATES
        and scoring.accuracy_ppm(d, seat.agent, task.task_kind, d.at_ms) <= LEAST_UNHEARD_PPM
    ):
        return
    if not good and not bad:
        return
    d.touch(seat.agent)
    _observe(
        d,
        task,
        seat.agent,
        "verifier",
        outcome,
        good_milli=good // 2 if _small(policy) else good,
        bad_milli=_bad_milli(policy, bad),
    )
