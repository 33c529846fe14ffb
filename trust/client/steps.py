"""Each step of a claim, held against what caused it: what an event must follow from before it is folded.

- A task, claim, output, opening, commitment or reveal follows from the statement of whoever may make it.
- The check rate follows from its inputs; the panel from the draw under the draw key that was in force (rules.md 6).
- A reveal follows from its commitment, a tally and a verdict from the votes, the claim's end from the verdict.
- What a stake or a bond loses was on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from trust.client import shortlists
from trust.client.told import DoesNotFollow, Drawn, Told, same, signed_for
from trust.core import disputes, ledger
from trust.core import events as e
from trust.core import payloads as p
from trust.core.canaries import parse as parse_canary
from trust.core.checks import panel, votes
from trust.core.checks.draw import Stream
from trust.core.checks.rate import check_rate
from trust.core.checks.retracing import Traced, retrace
from trust.core.checks.sumtree import root_of
from trust.core.commands import enclosed
from trust.core.entry import Seal
from trust.core.events import Event, round_id
from trust.core.policy import parse as parse_policy
from trust.core.records import Challenge, Claim, Network, Round, Seat, Task
from trust.core.strict import b64
from trust.log.merkle import HASH_BYTES, verify_inclusion


def _nothing(t: Told, _: Event) -> None:
    """What folding finds out by itself."""


def _created(t: Told, event: e.NetworkCreated) -> None:
    same("the network", t.network, event.origin)
    founded = None if t.entry is None else t.entry.command.genesis
    if founded is None:
        raise DoesNotFollow("a network is created by the genesis alone")
    told = (event.draw_key, event.terms, event.operator)
    same("the genesis", (founded.draw_key, founded.policy, founded.operator), told)


def _rotated(t: Told, event: e.PartyRotated) -> None:
    t.said(p.AgentRotate, event.party, new_key=event.key)
    t.keys[event.party] = event.key


def _policy_announced(t: Told, event: e.PolicyAnnounced) -> None:
    said = t.said(p.PolicyAdopt, t.need(Network, e.NETWORK).operator)
    same("the policy", parse_policy(said.toml), event.terms)


def _relay_registered(t: Told, event: e.RelayRegistered) -> None:
    said = None if t.spoken is None else t.spoken.payload
    if not isinstance(said, p.RelayRegister | p.RelayUpdate):
        raise DoesNotFollow("a relay is what relay.register or relay.update says")
    told = (event.name, event.coordinators, event.threshold)
    same("the relay", (said.name, said.coordinators, said.threshold), told)


def _key_adopted(t: Told, event: e.KeyAdopted) -> None:
    t.said(p.KeyAdopt, t.need(Network, e.NETWORK).operator, use=event.use, key=event.key)


def _pool_sealed(t: Told, event: e.PoolSealed) -> None:
    said = None if t.entry is None else t.entry.command.seal
    same("the seal", said, Seal(event.pool, *(getattr(event, name) for name in Seal.__struct_fields__[1:])))
    t.sealed[f"{event.pool}/{event.epoch}"] = event


def _moved(t: Told, event: e.MoneyMoved) -> None:
    if sum(change for _, change in event.postings):
        raise DoesNotFollow(f"the postings of {event.why} do not sum to zero")
    if not any(_is_of_case(t, account) for account, _ in event.postings):
        return
    t.postings.append((t.state.size, event.why, event.postings))
    for account, change in event.postings:
        t.held[account] = t.held.get(account, 0) + change
        if account.startswith(("claim/", "seat/", "challenge/")) and t.held[account] < 0:
            raise DoesNotFollow(f"{account} loses more than was on it")
        if account == ledger.stake(t.claim_id) and event.why.startswith("slash."):
            t.slashed_units -= change


def _is_of_case(t: Told, account: str) -> bool:
    kind, _, rest = account.partition("/")
    id = rest.partition("/")[0]
    if kind == "seat":
        # A bond is locked in the entry that makes its seat, after it.
        seat = t.find(Seat, id)
        return seat is not None and seat.claim == t.claim_id
    if kind == "challenge":
        challenge = t.find(Challenge, id)
        return challenge is not None and challenge.claim == t.claim_id
    return (kind, id) in (("claim", t.claim_id), ("task", t.task_id))


def _posted(t: Told, event: e.TaskPosted) -> None:
    if t.find(Task, event.task) is not None:
        raise DoesNotFollow(f"{event.task} is posted a second time")
    names = ("task", "task_kind", "price_units", "deadline_ms", "spec_sha256")
    t.said(p.TaskPost, event.requester, **{name: getattr(event, name) for name in names})


def _opened(t: Told, event: e.ClaimOpened) -> None:
    if t.find(Claim, event.claim) is not None:
        raise DoesNotFollow(f"{event.claim} is opened a second time")
    task, network = t.task, t.need(Network, e.NETWORK)
    told = {name: getattr(event, name) for name in ("task", "relay", "stake_units")}
    t.said(p.ClaimRequest, event.worker, task_index=task.index, **told)
    same("the draw key", network.draw_key, event.draw_key)
    same("the check rate", check_rate(event.inputs), event.rate)
    terms = event.inputs.price_units, event.inputs.stake_units
    same("price and stake of the check rate", (task.price_units, event.stake_units), terms)
    t.signers = signed_for(t, event.relay)
    shortlists.check_way(t, event)


def _renewed(t: Told, event: e.ClaimRenewed) -> None:
    t.said(p.ClaimRenew, t.claim.worker, claim=event.claim)


def _submitted(t: Told, event: e.OutputSubmitted) -> None:
    same("the state before an output", "claimed", t.claim.state)
    said = t.said(p.OutputSubmit, t.claim.worker, claim=event.claim)
    same("the root of the items", said.items_root or "", event.items_root)
    same("the output", None if t.spoken is None else t.spoken.id, event.output)


def _accepted(t: Told, event: e.OutputAccepted) -> None:
    t.said(p.OutputAccept, t.task.requester, claim=event.claim)


def _ended(t: Told, event: e.ClaimEnded) -> None:
    claim = t.claim
    rightly = {
        "accepted": not claim.canary and disputes.standing(claim) == "pass",
        "rejected": (not claim.canary and claim.verdict == "fail") or _was_withheld(t, claim),
        "voided": not disputes.standing(claim) or bool(claim.canary),
        "expired": claim.state == "claimed" and claim.lease_until_ms <= t.state.at_ms,
    }
    if event.state == "abandoned":
        t.said(p.ClaimAbandon, claim.worker, claim=claim.id)
    elif claim.ended_ms or not rightly.get(event.state, False):
        raise DoesNotFollow(f"a claim that was {claim.state}, verdict {claim.verdict!r}, is {event.state}")


def _was_withheld(t: Told, claim: Claim) -> bool:
    """Whether the panel was given up in this very entry because the worker did not open in time."""
    events = () if t.entry is None else t.entry.events
    tallied = any(isinstance(event, e.RoundTallied) and event.claim == claim.id for event in events)
    found = t.round(claim.round) if claim.round else None
    if not tallied or found is None or found.until_ms > t.state.at_ms:
        return False
    shut = any(found.to_open) if found.items else not claim.opened
    return shut and claim.verdict_round < found.number


def _tossed(t: Told, event: e.CoinTossed) -> None:
    if t.stream is None or t.checked is not None:
        raise DoesNotFollow("a coin is tossed once, by the draw of round 1")
    t.checked = event.checked


def _round_opened(t: Told, event: e.RoundOpened) -> None:
    drawn, stream, policy = t.drawn.get(event.round), t.stream, t.policy
    if drawn is None or stream is None or drawn.index != t.state.size:
        raise DoesNotFollow(f"round {event.round} is opened by its own draw alone")
    size = policy.checks.panels[event.round - 1]
    same("the size of the panel", size, len(event.seats))
    same("the quorum", panel.quorum(policy, event.round, size), event.quorum)
    same(
        "bond and fee",
        (policy.bond_units, policy.verifiers.fee_units),
        (event.bond_units, event.fee_units),
    )
    if len({seat.owner for seat in event.seats}) < size:
        raise DoesNotFollow("one owner has two seats")
    if t.pool:
        traced = _trace(t, event, stream)
        t.drawn[event.round] = Drawn(drawn.round, drawn.index, drawn.beta, traced)


def _trace(t: Told, event: e.RoundOpened, stream: Stream) -> Traced:
    sealed = t.sealed.get(t.claim.pool)
    if sealed is None:
        raise DoesNotFollow(f"the bundle does not have the seal of {t.claim.pool}")
    seated, alternates = ([one.agent for one in part] for part in (event.seats, event.alternates))
    before = t.find(Round, round_id(t.claim_id, event.round - 1))
    told = (event.items, event.samples, event.batch)
    return retrace(
        root_of(sealed),
        dict(sealed.heavy),
        t.node,
        stream,
        seated,
        alternates,
        lambda after: panel.drawn_items(t.task, t.policy, after, len(seated), before) == told,
    )


def _output_opened(t: Told, event: e.OutputOpened) -> None:
    t.said(p.OutputOpen, t.claim.worker, claim=event.claim)


def _items_opened(t: Told, event: e.ItemsOpened) -> None:
    seat = t.round(event.round).seats[event.place]
    said = t.said(p.ItemsOpen, t.claim.worker, seat=seat)
    root = bytes.fromhex(t.claim.items_root)
    for item in said.items:
        path = [b64(step, HASH_BYTES) for step in item.path]
        verify_inclusion(b64(item.leaf, HASH_BYTES), item.index, t.task.items_count, path, root)
    told = tuple((item.index, b64(item.leaf).hex()) for item in said.items)
    same("the opened items", told, event.items)


def _committed(t: Told, event: e.VoteCommitted) -> None:
    seat = t.need(Seat, event.seat)
    if seat.commitment:
        raise DoesNotFollow(f"{seat.id} commits a second time")
    t.said(p.VoteCommit, seat.agent, seat=seat.id, commitment=event.commitment)


def _revealed(t: Told, event: e.VoteRevealed) -> None:
    seat = t.need(Seat, event.seat)
    same("the state before a reveal", "committed", seat.state)
    said = t.said(p.VoteReveal, seat.agent, seat=seat.id, verdict=event.verdict)
    made = votes.commitment(t.network, seat.id, seat.agent, said)
    same("the commitment of what is revealed", seat.commitment, made)
    bad = tuple(sorted(item.index for item in said.items if not item.good))
    same("the items called bad", bad, event.bad)


def _passed(t: Told, event: e.SeatPassed) -> None:
    if event.next is None:
        return
    seat = t.need(Seat, event.seat)
    waiting = t.round(seat.round).alternates
    places = [at for at, one in enumerate(waiting) if one.agent == event.next.agent]
    if not places or waiting[places[0] + 1 :] != event.alternates:
        raise DoesNotFollow(f"{event.next.agent} is not the next alternate")


def _tallied(t: Told, event: e.RoundTallied) -> None:
    found = t.round(event.round)
    if found.phase == "opening":
        same("the outcome of a panel that never voted", "", event.verdict)
        return
    seats = [t.need(Seat, name) for name in found.seats]
    counted = [seat for seat in seats if seat.state == "revealed"]
    told = (event.verdict, event.bad, event.disputed)
    same("what the votes come to", votes.outcome(found, counted, t.policy), told)


def _challenged(t: Told, event: e.VerdictChallenged) -> None:
    claim, policy = t.claim, t.policy
    if claim.state not in ("unchecked", "passing", "failing"):
        raise DoesNotFollow(f"a claim that is {claim.state} cannot be challenged")
    t.said(p.VerdictChallenge, event.challenger, claim=claim.id)
    same("the statement", None if t.spoken is None else t.spoken.id, event.statement)
    same("the verdict that is attacked", disputes.standing(claim), event.against)
    same("the round that is asked for", claim.round + 1, event.round)
    bond = policy.challenge_bond_units(t.task.price_units, event.round)
    terms = bond, policy.panel_fees_units(event.round)
    same("bond and prepaid fees", terms, (event.bond_units, event.prepaid_units))


def _challenge_ended(t: Told, event: e.ChallengeEnded) -> None:
    challenge, claim = t.need(Challenge, event.challenge), t.claim
    if not claim.ended_ms or challenge.state != "open":
        raise DoesNotFollow(f"{challenge.id} ends once, with its claim")
    final = claim.verdict if claim.canary else "fail" if claim.state == "rejected" else "pass"
    withheld = claim.state == "rejected" and claim.verdict_round < claim.round and _was_withheld(t, claim)
    same("how the challenge ends", disputes.how_ended(challenge, claim, final, withheld), event.how)


def _verdict(t: Told, event: e.VerdictReached) -> None:
    said = None if t.spoken is None else t.spoken.payload
    if isinstance(said, p.CanaryOpen):
        same("the verdict of a canary", t.claim.canary, event.verdict)
        return
    same("the verdict of the tally", t.round(event.round).verdict, event.verdict)


def _canary(t: Told, event: e.CanaryOpened) -> None:
    said = t.said(p.CanaryOpen, t.need(Network, e.NETWORK).operator)
    shown = parse_canary(said.preimage, t.network)
    told = (event.number, event.task, event.worker, event.verdict)
    same("the answer", (shown.number, shown.task, shown.worker, shown.verdict), told)
    same("the work of a canary", (t.claim.task, t.claim.worker), (event.task, event.worker))
    t.state.put(msgspec.structs.replace(t.claim, canary=event.verdict, draw_round=0))


def _stake_slashed(t: Told, event: e.StakeSlashed) -> None:
    shown = [each.payload for each in enclosed(t.spoken)] if t.spoken else []
    outputs = [said for said in shown if isinstance(said, p.OutputSubmit) and said.claim == event.claim]
    if len(outputs) != 2 or t.statement_of(p.EvidenceSubmit).type != "equivocation":
        raise DoesNotFollow("only two outputs for one claim take a stake while it is judged")


NOT_FOLDED = (e.PartyRotated, e.PoolSealed, e.MoneyMoved, e.CanaryOpened)
"""What stands on records that the bundle does not have."""

CHECKS: dict[type[Event], Callable[[Told, Any], None]] = {
    e.NetworkCreated: _created,
    e.PartyRotated: _rotated,
    e.PolicyAnnounced: _policy_announced,
    e.RelayRegistered: _relay_registered,
    e.KeyAdopted: _key_adopted,
    e.PoolSealed: _pool_sealed,
    e.MoneyMoved: _moved,
    e.TaskPosted: _posted,
    e.TaskAllocating: shortlists.asked,
    e.TaskAllocated: shortlists.allocated,
    e.ClaimOpened: _opened,
    e.ClaimRenewed: _renewed,
    e.OutputSubmitted: _submitted,
    e.OutputAccepted: _accepted,
    e.ClaimEnded: _ended,
    e.HoldReleased: _nothing,
    e.CoinTossed: _tossed,
    e.RoundDue: _nothing,
    e.RoundOpened: _round_opened,
    e.OutputOpened: _output_opened,
    e.ItemsOpened: _items_opened,
    e.PhaseBegan: _nothing,
    e.VoteCommitted: _committed,
    e.SeatPassed: _passed,
    e.VoteRevealed: _revealed,
    e.SeatSilent: _nothing,
    e.RoundTallied: _tallied,
    e.VerdictReached: _verdict,
    e.SeatSettled: _nothing,
    e.VerdictChallenged: _challenged,
    e.ChallengeEnded: _challenge_ended,
    e.CanaryOpened: _canary,
    e.StakeSlashed: _stake_slashed,
}
