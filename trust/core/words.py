"""Events in words, for people: one sentence for each kind. The events themselves stand beside them wherever they go."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from trust.core import events as e
from trust.core.entry import Entry
from trust.core.events import Event
from trust.core.ratewords import percent, why_this_rate

_LONG = re.compile(
    r"(?:agent/)?did:key:z[1-9A-HJ-NP-Za-km-z]{20,}|(?<=\b[a-z]{3}_)[a-z2-7]{26}\b|(?<=seat_)[a-z2-7]{26}\b"
)
_SHOWN = 6


def told(kind: str, entry: Entry) -> list[str]:
    """What an entry did, a sentence an event; `kind` is its command's."""
    return [short(sentence(event)) for event in entry.events] or [f"{kind}: nothing else changed."]


def short(text: str) -> str:
    """DIDs and ids by the end that tells them apart."""
    return _LONG.sub(lambda found: f"..{found[0][-_SHOWN:]}", text)


def sentence(event: Event) -> str:
    """What an event changed."""
    teller = _TOLD.get(type(event))
    if teller is not None:
        return teller(event)
    return _TEMPLATES[type(event)].format_map(msgspec.structs.asdict(event))


_TEMPLATES: dict[type[Event], str] = {
    e.NetworkCreated: "The log of {origin} begins under rules {rules}.",
    e.PartyRegistered: "{party} registers; {owner} stands behind it.",
    e.PartyRotated: "{party} signs with the key {key} from here on.",
    e.PartyLeft: "{party} is {how}: no new claims, seats, posts or enrolments.",
    e.PartyJailed: "{party} is in jail until {until_ms}.",
    e.VerifierEnrolled: "{party} offers to check work of kind {task_kind}.",
    e.VerifierLeft: "{party} no longer checks work of kind {task_kind}.",
    e.PartyFollowed: "What this means for {party} follows.",
    e.RoleGranted: "{party} becomes {role}.",
    e.RoleRevoked: "{party} is {role} no more.",
    e.RelayRegistered: "Relay {name} ({relay}): {threshold} of its coordinators must sign.",
    e.PolicyAnnounced: "Policy {policy} is announced, in force from {effective_ms}.",
    e.PolicyEffective: "Policy {policy} is in force for tasks that are posted from here on.",
    e.RulesAnnounced: "Rules {rules} of release {release} are announced, in force from {effective_ms}.",
    e.RulesEffective: "Rules {rules} are in force.",
    e.KeyAdopted: "{key} is the {use} key from here on.",
    e.ReferenceBooked: "The payment {reference} is booked, once and for all.",
    e.WithdrawalOpened: "{amount_units} units begin to unbond ({withdrawal}), until {matures_ms}.",
    e.WithdrawalMatured: "{withdrawal} has matured and can be paid out.",
    e.WithdrawalEnded: "{withdrawal} is {how}.",
    e.FeeShort: "The verification pool held {paid_units} of the {due_units} units of fees: the seats share them.",
    e.TaskReopened: "{task} is open again.",
    e.TaskClosed: "{task} is closed: {why}.",
    e.TaskBarred: "{owner} may not claim {task} again.",
    e.ClaimRenewed: "The lease goes on until {lease_until_ms}.",
    e.OutputSubmitted: "The output {output} is delivered; whether it is checked is drawn by {draw_by_ms}.",
    e.OutputAccepted: "The requester accepts the output and gives up its right to challenge it.",
    e.HoldReleased: "The evidence window of {claim} is over.",
    e.RoundDue: "Round {round} is to be drawn by {draw_by_ms}.",
    e.OutputOpened: "The worker opens the output: every byte of it can be read.",
    e.PhaseBegan: "Round {round}: the {phase} window is open until {until_ms}.",
    e.VoteCommitted: "{seat} commits to a verdict, still hidden.",
    e.SeatSilent: "{seat} committed and never revealed.",
    e.TasksDue: "The open tasks of {party} close at once, in entries of their own.",
    e.TasksFollowed: "No task of {party} is open any more.",
    e.AllocationLapsed: "{task} ends with its shortlist waiting: what {owner}'s requesters praise counts less.",
    e.PoolDue: "The pool {pool} changed and is sealed after {due_ms}.",
    e.PoolEpoch: "The pool {pool} is to be sealed as of {as_of} entries.",
    e.PoolSealed: "The pool {pool} is sealed: {count} slots, weight {total}.",
    e.PoolWeight: "{agent} weighs {weight} in {pool}.",
    e.StakeSlashed: "Nothing is left locked on {claim}.",
    e.UnbondingSlashed: "{party} loses {units} of the units that are unbonding; its withdrawals share the loss.",
    e.CanariesCommitted: "The operator promises {count} canaries under {root}, to be opened by {open_by_ms}.",
    e.CanariesMissed: "{missing} canaries of {root} were not opened by their date: the operator's fault.",
}


def _posted(event: e.TaskPosted) -> str:
    batch = f" It is a batch of {event.items_count} items." if event.items_count else ""
    return (
        f"{event.requester} posts {event.task} ({event.task_kind}): price {event.price_units}, "
        f"fees {event.fees_units}, a stake of at least {event.stake_units}, under policy {event.policy}, "
        f"until {event.deadline_ms}.{batch}"
    )


_ROUTES = {
    "allocated": "was drawn for it",
    "probation": "was drawn for it from the probation lane",
    "first-come": "was the first to come",
    "assigned": "was named by the requester",
    "own": "is of one owner with the requester",
}


def _claimed(event: e.ClaimOpened) -> str:
    return (
        f"{event.worker} wins {event.task} ({event.claim}), locks a stake of {event.stake_units} and has the lease "
        f"until {event.lease_until_ms}. It {_ROUTES[event.route]}: praise counts {percent(event.delta_ppm)}. "
        f"{why_this_rate(event.rate, event.inputs)}"
    )


def _allocating(event: e.TaskAllocating) -> str:
    among = f"{len(event.candidates)} candidates" if event.candidates else f"everybody in {event.pool}"
    return (
        f"Who may claim {event.task} first is to be drawn by {event.until_ms}: {event.size} of {among}, for "
        f"{event.exclusive_ms} ms."
    )


def _allocated(event: e.TaskAllocated) -> str:
    lane = " (probation)"
    shortlist = ", ".join(f"{one.agent}{lane if one.probation else ''}" for one in event.shortlist)
    return (
        f"The draw gives {shortlist}: one of them may claim {event.task} before {event.exclusive_until_ms}. "
        f"{event.eligible} were eligible, of {event.owners} owners."
    )


def _unallocated(event: e.AllocationFailed) -> str:
    why = {
        "overdue": "no draw was made in time",
        "nobody": "the draw found nobody who may claim it",
        "closed": "it closes before its draw",
    }
    return f"{event.task} is open to all: {why[event.why]}."


def _seated(event: e.RoundOpened) -> str:
    seats = ", ".join(f"{drawn.agent} ({drawn.seat})" for drawn in event.seats)
    batch, sampled = event.batch, ""
    if batch is not None:
        sampled = (
            f" They look at {batch.sample_items} of {batch.items_count} items and accept {batch.accept_count} bad "
            f"({percent(batch.tolerated_bad_ppm)} are tolerated): with {batch.bad_items} bad items in it, the batch is "
            f"caught with probability {percent(batch.detection_ppm)}."
        )
    if contested := {index for sample in event.samples[1:] for index in sample}:
        sampled += f" They judge {len(contested)} contested items once more."
    return (
        f"Round {event.round} draws {seats}, and {len(event.alternates)} alternates. {event.quorum} must agree; "
        f"each locks {event.bond_units} and earns {event.fee_units}.{sampled} "
        f"{event.phase.capitalize()} is open until {event.until_ms}."
    )


def _opened(event: e.ItemsOpened) -> str:
    return f"The worker opens {len(event.items)} items for place {event.place} of round {event.round}."


def _passed(event: e.SeatPassed) -> str:
    why = "has left" if event.excused else "did not commit in time"
    taken = f"{event.next.agent} takes its place" if event.next else "nobody takes its place"
    return f"Seat {event.seat} {why}; {taken}."


def _revealed(event: e.VoteRevealed) -> str:
    bad = f", items {_listed(event.bad)} bad" if event.bad else ""
    return f"Seat {event.seat} reveals: {event.verdict}{bad}."


def _tallied(event: e.RoundTallied) -> str:
    bad = f" Counted bad: {_listed(event.bad)}." if event.bad else ""
    disputed = f" No agreement on {_listed(event.disputed)}." if event.disputed else ""
    return f"Round {event.round} comes to {event.verdict or 'no verdict'}.{bad}{disputed}"


def _reached(event: e.VerdictReached) -> str:
    until = f"open to challenge until {event.until_ms}" if event.until_ms else "final"
    return f"The verdict is {event.verdict}, {until}."


def _challenged(event: e.VerdictChallenged) -> str:
    return (
        f"{event.challenger} challenges the {event.against} ({event.challenge}) and asks for round {event.round}, with "
        f"a bond of {event.bond_units} and {event.prepaid_units} of prepaid fees."
    )


_CHALLENGE_ENDED = {
    "won": "is won: the verdict that it attacked did not stand",
    "lost": "is lost: the verdict that it attacked stands",
    "returned": "is returned: no verdict was reached after it, and the one before it stands",
}


def _challenge_ended(event: e.ChallengeEnded) -> str:
    return f"The challenge {event.challenge} {_CHALLENGE_ENDED[event.how]}."


def _ended(event: e.ClaimEnded) -> str:
    held = f"; {event.hold_units} of the stake stay locked for evidence until {event.hold_until_ms}"
    return f"The claim {event.claim} is {event.state}{held if event.hold_units else ''}."


def _settled(event: e.SeatSettled) -> str:
    return f"Seat {event.seat} was {event.outcome}."


def _moved(event: e.MoneyMoved) -> str:
    postings = ", ".join(f"{account} {units:+d}" for account, units in event.postings)
    return f"Money ({event.why}): {postings}."


def _faulted(event: e.PartyFaulted) -> str:
    return (
        f"{event.party} has {len(event.liveness_ms)} liveness faults and {len(event.failures_ms)} failed exact checks "
        "that still count."
    )


def _observed(event: e.Observed) -> str:
    weights = (("good", event.good_milli), ("bad", event.bad_milli), ("failure", event.failure_milli))
    counted = ", ".join(f"{milli / 1000:.3f} {name}" for name, milli in weights if milli) or "nothing"
    return f"The record of {event.agent} as {event.role} in {event.task_kind}: {counted} ({event.why})."


def _rated(event: e.RaterChanged) -> str:
    return (
        f"{event.requester}'s acceptances agreed with panels by {event.agree_milli} milli-units and disagreed by "
        f"{event.against_milli}."
    )


def _tracked(event: e.TrackChanged) -> str:
    return (
        f"{event.worker} has a streak of {event.streak} in {event.task_kind}, {event.completed} claims done at a mean "
        f"price of {event.mean_price_units}."
    )


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def _tossed(event: e.CoinTossed) -> str:
    if event.checked:
        return "The draw says: this output is checked."
    return f"The draw says: no check; the output is open to challenge until {event.until_ms}."


def _counted(event: e.WorkCounted) -> str:
    return f"{event.agent} {'finished' if event.done else 'did not finish'} a claim."


def _convicted(event: e.Convicted) -> str:
    by = f"{event.reporter} shows" if event.reporter else "The log itself shows"
    return f"{by} what convicts {event.party}: {event.fact}."


def _suspended(event: e.RelaySuspended) -> str:
    signers = " and ".join(event.signers)
    return f"No claims through {event.relay} while {signers} belong to it: they signed a false confirmation."


def _canary(event: e.CanaryOpened) -> str:
    bears = "it is the verdict now" if event.claim else "it comes to bear on no claim"
    return (
        f"{event.task} was a canary for {event.worker}; the answer that was committed to is {event.verdict}, "
        f"and {bears}."
    )


def _due(event: e.PartiesDue) -> str:
    return f"What this means for {', '.join(event.parties)} follows in entries of its own."


_TOLD: dict[type[Event], Callable[[Any], str]] = {
    e.TaskPosted: _posted,
    e.ClaimOpened: _claimed,
    e.TaskAllocating: _allocating,
    e.TaskAllocated: _allocated,
    e.AllocationFailed: _unallocated,
    e.RoundOpened: _seated,
    e.ItemsOpened: _opened,
    e.SeatPassed: _passed,
    e.VoteRevealed: _revealed,
    e.RoundTallied: _tallied,
    e.VerdictReached: _reached,
    e.ClaimEnded: _ended,
    e.SeatSettled: _settled,
    e.MoneyMoved: _moved,
    e.PartyFaulted: _faulted,
    e.Observed: _observed,
    e.RaterChanged: _rated,
    e.TrackChanged: _tracked,
    e.CoinTossed: _tossed,
    e.WorkCounted: _counted,
    e.PartiesDue: _due,
    e.VerdictChallenged: _challenged,
    e.ChallengeEnded: _challenge_ended,
    e.Convicted: _convicted,
    e.RelaySuspended: _suspended,
    e.CanaryOpened: _canary,
}
TOLD_KINDS = frozenset(_TEMPLATES) | frozenset(_TOLD)
"""The kinds of event that have a sentence: all of them, a test says."""
