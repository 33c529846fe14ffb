"""Entries in words, for people: one sentence for each event. The events themselves stand beside them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from trust.core import events as e
from trust.core.entry import Entry
from trust.core.events import Event

_DID = re.compile(r"(?:agent/)?did:key:z[1-9A-HJ-NP-Za-km-z]{20,}")
_ID = re.compile(r"\b([a-z]{3,4}_)([a-z2-7]{26})\b")

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
    e.TaskPosted: "{requester} posts {task} ({task_kind}) for {price_units} units, and {fees_units} for checks.",
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
    e.SeatSettled: "{seat} is settled: {outcome}.",
    e.PoolDue: "The pool {pool} changed and is sealed after {due_ms}.",
    e.PoolEpoch: "The pool {pool} is to be sealed as of {as_of} entries.",
    e.PoolSealed: "The pool {pool} is sealed: {count} slots, weight {total}.",
    e.PoolWeight: "{agent} weighs {weight} in {pool}.",
    e.RaterChanged: "{requester} agreed with panels by {agree_milli} and disagreed by {against_milli} (milli).",
}


def told(kind: str, entry: Entry) -> list[str]:
    """What an entry did, a sentence an event; `kind` is its command's."""
    said = [_sentence(event) for event in entry.events]
    return [_short(sentence) for sentence in said if sentence] or [f"{kind}: nothing else changed."]


def _sentence(event: Event) -> str:
    teller = _TOLD.get(type(event))
    if teller is not None:
        return teller(event)
    template = _TEMPLATES.get(type(event))
    return "" if template is None else template.format_map(msgspec.structs.asdict(event))


def _short(text: str) -> str:
    """DIDs and ids by the end that tells them apart."""
    text = _DID.sub(lambda found: f"agent ..{found[0][-6:]}", text)
    return _ID.sub(lambda found: f"{found[1]}..{found[2][-6:]}", text)


def _percent(ppm: int) -> str:
    return f"{ppm // 10_000}.{ppm % 10_000 // 100:02d} %"


def _opened(event: e.ClaimOpened) -> str:
    return (
        f"{event.worker} wins {event.task} ({event.claim}): {event.stake_units} units of stake are locked, the lease is"
        f" until {event.lease_until_ms}, and its output is checked with probability {_percent(event.rate.p_ppm)}."
    )


def _tossed(event: e.CoinTossed) -> str:
    if event.checked:
        return "The draw says: this output is checked."
    return f"The draw says: no check; the output is open to challenge until {event.until_ms}."


def _ended(event: e.ClaimEnded) -> str:
    held = f"; {event.hold_units} units stay locked until {event.hold_until_ms}" if event.hold_units else ""
    return f"{event.claim} is {event.state}{held}."


def _panel(event: e.RoundOpened) -> str:
    agents = ", ".join(seat.agent for seat in event.seats)
    batch = event.batch
    sampled = f" They judge {batch.sample_items} of {batch.items_count} items together." if batch else ""
    return (
        f"Round {event.round} seats {agents}; {event.quorum} of them must agree. Each locks {event.bond_units} units."
        f"{sampled} The {event.phase} window is open until {event.until_ms}."
    )


def _due(event: e.PartiesDue) -> str:
    return f"What this means for {', '.join(event.parties)} follows in entries of its own."


def _items(event: e.ItemsOpened) -> str:
    return f"The worker opens {len(event.items)} items for place {event.place} of round {event.round}."


def _passed(event: e.SeatPassed) -> str:
    taken = f"; {event.next.agent} takes its place" if event.next else "; there is no alternate"
    return f"{event.seat} did not commit in time{taken}."


def _revealed(event: e.VoteRevealed) -> str:
    bad = f", calling {len(event.bad)} items bad" if event.bad else ""
    return f"{event.seat} reveals: {event.verdict}{bad}."


def _tallied(event: e.RoundTallied) -> str:
    counted = (
        f" {len(event.bad)} items are bad, {len(event.disputed)} disputed."
        if event.bad or event.disputed
        else ""
    )
    return f"Round {event.round} ends with {event.verdict or 'no verdict'}.{counted}"


def _verdict(event: e.VerdictReached) -> str:
    until = f", open to challenge until {event.until_ms}" if event.until_ms else ", final"
    return f"The verdict is {event.verdict}{until}."


def _moved(event: e.MoneyMoved) -> str:
    parts = ", ".join(f"{account} {units:+d}" for account, units in event.postings)
    return f"Money ({event.why}): {parts}."


def _observed(event: e.Observed) -> str:
    weights = {"good": event.good_milli, "bad": event.bad_milli, "failure": event.failure_milli}
    told = ", ".join(f"{name} {milli // 1000}.{milli % 1000:03d}" for name, milli in weights.items() if milli)
    return f"{event.agent} as {event.role} of {event.task_kind}: {told or 'no weight'} ({event.why})."


def _counted(event: e.WorkCounted) -> str:
    return f"{event.agent} {'finished' if event.done else 'did not finish'} a claim."


def _faulted(event: e.PartyFaulted) -> str:
    return (
        f"{event.party} has {len(event.liveness_ms)} liveness faults and {len(event.failures_ms)} failed exact checks"
        " that still count."
    )


def _track(event: e.TrackChanged) -> str:
    return f"{event.worker} has a streak of {event.streak} in {event.task_kind}."


_TOLD: dict[type[Event], Callable[[Any], str]] = {
    e.ClaimOpened: _opened,
    e.CoinTossed: _tossed,
    e.ClaimEnded: _ended,
    e.RoundOpened: _panel,
    e.PartiesDue: _due,
    e.ItemsOpened: _items,
    e.SeatPassed: _passed,
    e.VoteRevealed: _revealed,
    e.RoundTallied: _tallied,
    e.VerdictReached: _verdict,
    e.MoneyMoved: _moved,
    e.Observed: _observed,
    e.WorkCounted: _counted,
    e.PartyFaulted: _faulted,
    e.TrackChanged: _track,
}
TOLD_KINDS = frozenset(_TEMPLATES) | frozenset(_TOLD)
"""The kinds of event that have a sentence: all of them, a test says."""
