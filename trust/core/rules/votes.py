"""Openings, commitments, reveals and the tally (docs/rules.md 3 and 5).

A seat commits to its verdict before anyone reveals; silence costs what a wrong vote costs. The verdict of a single
output needs the round's quorum, counted over seats; the verdict of a batch is the panel's, from its items.
"""

from __future__ import annotations

import hashlib
from functools import partial

from trust.core import strict
from trust.core.events import (
    DrawnSeat,
    ItemsOpened,
    OutputOpened,
    RoundTallied,
    SeatPassed,
    SeatSilent,
    VerdictReached,
    VoteCommitted,
    VoteRevealed,
    round_id,
)
from trust.core.lifecycle import Phase, SeatState
from trust.core.payloads import ItemsOpen, JudgedItem, OpenedItem, OutputOpen, VoteCommit, VoteReveal
from trust.core.policy import Policy
from trust.core.records import Alternate, Claim, Opening, Party, Round, Seat, Task
from trust.core.refusal import Refused
from trust.core.rules import panel, parties, reads, settlement
from trust.core.rules.acts import act, due
from trust.core.rules.decision import Decision
from trust.core.rules.reads import Keys, Peek
from trust.core.sampling import items
from trust.log.merkle import ProofError, verify_inclusion

HASH_BYTES = 32
SALT_BYTES = 32
NO_ITEMS = "0" * 64
VERDICTS = ("pass", "fail", "void")


def items_digest(judged: tuple[JudgedItem, ...]) -> str:
    """Returns SHA-256 over (index as u64 big-endian, 32-byte leaf, one byte good) by index; 64 zeros for no items."""
    if not judged:
        return NO_ITEMS
    digest = hashlib.sha256()
    for item in sorted(judged, key=lambda each: each.index):
        digest.update(item.index.to_bytes(8) + strict.b64(item.leaf, HASH_BYTES) + bytes([item.good]))
    return digest.hexdigest()


def commitment(network: str, seat: str, verifier: str, statement: VoteReveal) -> str:
    """Returns the commitment of a vote: over the network, the seat, the verifier, the verdict, a salt and the items."""
    salt = strict.b64(statement.salt, SALT_BYTES).hex()
    lines = ("trust/vote/v1", network, seat, verifier, statement.verdict, salt, items_digest(statement.items))
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _seat(view: Peek, statement: VoteCommit | VoteReveal | ItemsOpen) -> Keys:
    """A seat and the claim that it judges."""
    yield Seat, statement.seat
    if (seat := view.peek(Seat, statement.seat)) is not None:
        yield from reads.claim(view, seat.claim)


def _items(view: Peek, statement: VoteReveal | ItemsOpen) -> Keys:
    yield from _seat(view, statement)
    if (seat := view.peek(Seat, statement.seat)) is not None:
        for item in statement.items:
            yield Opening, f"{round_id(seat.claim, seat.round)}/{seat.place}/{item.index}"


# -- openings


def _opening(d: Decision, claim: Claim, number: int, shown_ms: int | None) -> Round:
    round_ = d.get(Round, round_id(claim.id, number)) if number else None
    if round_ is None:
        raise Refused("nothing-drawn", f"nothing of {claim.id} was drawn to be opened")
    if round_.phase != Phase.OPENING or _is_over(d, round_.until_ms, shown_ms):
        raise Refused("too-late", f"the opening of round {number} is over")
    return round_


def _is_over(d: Decision, until_ms: int, shown_ms: int | None) -> bool:
    """Returns whether a window that ends at `until_ms` was over: now, or when a relay was shown the statement."""
    return (d.at_ms if shown_ms is None else shown_ms) >= until_ms


@act(OutputOpen, reads=reads.of_claim, is_attestable=True)
def open_output(d: Decision, statement: OutputOpen, shown_ms: int | None = None) -> None:
    """Books that the worker opens its whole output; the service held every blob when it let this pass."""
    claim = d.find(Claim, statement.claim)
    round_ = _opening(d, claim, claim.round, shown_ms)
    if round_.items:
        raise Refused("items-needed", f"{claim.id} is a batch: open the drawn items of each seat")
    d.emit(OutputOpened(claim=claim.id))
    task = d.need(Task, claim.task)
    panel.begin_phase(d, round_, Phase.COMMIT, d.task_policy(task))


@act(ItemsOpen, reads=_items, is_attestable=True)
def open_items(d: Decision, statement: ItemsOpen, shown_ms: int | None = None) -> None:
    """Books opened items of one seat's place, each with its path to the root that the output named."""
    seat = d.find(Seat, statement.seat)
    claim = d.need(Claim, seat.claim)
    round_ = _opening(d, claim, seat.round, shown_ms)
    task = d.need(Task, claim.task)
    opened = tuple(_checked(d, round_, seat, item, claim, task.items_count) for item in statement.items)
    if len({index for index, _ in opened}) < len(opened):
        raise Refused("item-opened", "an item is opened twice")
    d.emit(ItemsOpened(claim=claim.id, round=seat.round, place=seat.place, items=opened))
    if not any(d.need(Round, round_.id).to_open):
        panel.begin_phase(d, d.need(Round, round_.id), Phase.COMMIT, d.task_policy(task))


def _checked(
    d: Decision, round_: Round, seat: Seat, item: OpenedItem, claim: Claim, count: int
) -> tuple[int, str]:
    if not round_.items or item.index not in round_.items[seat.place]:
        raise Refused("item-not-drawn", f"item {item.index} was not drawn for {seat.id}")
    if d.get(Opening, f"{round_.id}/{seat.place}/{item.index}") is not None:
        raise Refused("item-opened", f"item {item.index} is open already")
    leaf = strict.b64(item.leaf, HASH_BYTES)
    path = [strict.b64(step, HASH_BYTES) for step in item.path]
    try:
        verify_inclusion(leaf, item.index, count, path, bytes.fromhex(claim.items_root))
    except ProofError as error:
        raise Refused("bad-path", f"item {item.index} does not lead to the output's root: {error}") from error
    return item.index, leaf.hex()


@due("opening")
def withheld(d: Decision, id: str) -> None:
    """Ends a claim whose drawn output was not opened in time, as a failed exact check."""
    round_ = d.need(Round, id)
    d.emit(RoundTallied(claim=round_.claim, round=round_.number))
    settlement.withheld(d, d.need(Claim, round_.claim))


# -- commits


def _seated(d: Decision, id: str) -> tuple[Seat, Round]:
    seat = d.find(Seat, id)
    return seat, d.need(Round, round_id(seat.claim, seat.round))


def _policy(d: Decision, round_: Round) -> Policy:
    return d.task_policy(d.need(Task, d.need(Claim, round_.claim).task))


@act(VoteCommit, reads=_seat, is_attestable=True)
def commit(d: Decision, statement: VoteCommit, shown_ms: int | None = None) -> None:
    seat, round_ = _seated(d, statement.seat)
    if seat.commitment:
        raise Refused("already-committed", f"{seat.id} has its commitment, for good")
    if round_.phase == Phase.OPENING:
        raise Refused("not-opened", f"the worker has not opened {seat.claim} yet")
    over = _is_over(d, seat.until_ms, shown_ms)
    if seat.state != SeatState.SEATED or round_.phase != Phase.COMMIT or over:
        raise Refused("too-late", f"the commit window of {seat.id} is over")
    d.emit(VoteCommitted(seat=seat.id, commitment=statement.commitment))
    _reveal_when_ready(d, round_.id)


@due("commit")
def pass_on(d: Decision, id: str) -> None:
    """Passes a seat without a commit to the next alternate who may sit, at most `replacements` times a place.

    A verifier that left since it was seated is excused (docs/rules.md 7).
    """
    seat = d.need(Seat, id)
    round_ = d.need(Round, round_id(seat.claim, seat.round))
    task = d.need(Task, d.need(Claim, seat.claim).task)
    policy = d.task_policy(task)
    excused = bool(d.need(Party, seat.agent).left)
    chosen, left = None, round_.alternates
    if round_.replaced[seat.place] < policy.verifiers.replacements:
        chosen, left = _next_alternate(d, round_, d.need(Claim, seat.claim), task.task_kind)
    if chosen is None:
        d.emit(SeatPassed(seat=id, excused=excused, alternates=left))
    else:
        drawn = DrawnSeat(d.new_id("seat_"), chosen.agent, chosen.owner)
        until_ms = d.at_ms + policy.windows.commit_ms
        terms = {"until_ms": until_ms, "grace_ms": policy.windows.grace_ms}
        d.emit(SeatPassed(seat=id, excused=excused, next=drawn, alternates=left, **terms))
    _reveal_when_ready(d, round_.id)


def _next_alternate(
    d: Decision, round_: Round, claim: Claim, task_kind: str
) -> tuple[Alternate | None, tuple[Alternate, ...]]:
    for position, candidate in enumerate(round_.alternates):
        if panel.may_sit(d, d.need(Party, candidate.agent), claim, task_kind):
            return candidate, round_.alternates[position + 1 :]
    return None, ()


def _reveal_when_ready(d: Decision, id: str) -> None:
    round_ = d.need(Round, id)
    states = [d.need(Seat, seat).state for seat in round_.seats]
    if SeatState.SEATED in states:
        return
    if SeatState.COMMITTED in states:
        panel.begin_phase(d, round_, Phase.REVEAL, _policy(d, round_))
    else:
        tally(d, round_)


# -- reveals


@act(VoteReveal, reads=_items, is_attestable=True)
def reveal(d: Decision, statement: VoteReveal, shown_ms: int | None = None) -> None:
    seat, round_ = _seated(d, statement.seat)
    if seat.state == SeatState.REVEALED:
        raise Refused("already-revealed", f"{seat.id} has revealed its vote")
    if not seat.commitment:
        raise Refused("no-commitment", f"{seat.id} committed to nothing")
    if round_.phase == Phase.COMMIT:
        raise Refused("commits-open", "reveals open when the last commit window is over")
    if round_.phase != Phase.REVEAL or _is_over(d, round_.until_ms, shown_ms):
        raise Refused("too-late", f"the reveal window of {seat.id} is over")
    if commitment(d.network.origin, seat.id, seat.agent, statement) != seat.commitment:
        raise Refused("commitment-mismatch", "this is not the vote that the seat committed to")
    bad = _judged(d, round_, seat, statement)
    d.emit(VoteRevealed(seat=seat.id, verdict=statement.verdict, salt=statement.salt, bad=bad))
    if all(d.need(Seat, name).state != SeatState.COMMITTED for name in round_.seats):
        tally(d, d.need(Round, round_.id))


def _judged(d: Decision, round_: Round, seat: Seat, statement: VoteReveal) -> tuple[int, ...]:
    """Returns the items called bad; Refused unless exactly the place's items are judged, as they were opened."""
    mine = round_.items[seat.place] if round_.items and statement.verdict != "void" else ()
    if sorted(item.index for item in statement.items) != sorted(mine):
        raise Refused(
            "items-mismatch", f"{seat.id} judges exactly the items of its place, and none where it says void"
        )
    for item in statement.items:
        opened = d.need(Opening, f"{round_.id}/{seat.place}/{item.index}")
        if strict.b64(item.leaf, HASH_BYTES).hex() != opened.leaf:
            raise Refused("items-mismatch", f"item {item.index} was opened with another leaf")
    bad = tuple(sorted(item.index for item in statement.items if not item.good))
    if mine and bool(bad) != (statement.verdict == "fail"):
        raise Refused("items-mismatch", "a seat says fail exactly when it calls an item bad")
    return bad


@due("reveal")
def reveals_over(d: Decision, id: str) -> None:
    """Ends the reveals: seats that committed and kept silent pay what a wrong vote pays, and go to jail, where others
    were heard."""
    round_ = d.need(Round, id)
    silent = [name for name in round_.seats if d.need(Seat, name).state == SeatState.COMMITTED]
    for name in silent:
        d.emit(SeatSilent(seat=name))
    if not settlement.is_deserted(d, round_):
        for name in silent:
            parties.jail(d, d.need(Seat, name).agent, _policy(d, round_).verifiers.no_reveal_jail_ms)
    tally(d, round_)


# -- the tally


def tally(d: Decision, round_: Round) -> None:
    """Counts a panel that has acted, and moves the claim on: a verdict, the next round, or its end."""
    policy = _policy(d, round_)
    last = panel.is_last(policy, round_.number)
    votes = [seat for name in round_.seats if (seat := d.need(Seat, name)).state == SeatState.REVEALED]
    verdict, bad, disputed = outcome(round_, votes, policy)
    d.emit(RoundTallied(claim=round_.claim, round=round_.number, verdict=verdict, bad=bad, disputed=disputed))
    if verdict:
        until_ms = 0 if last else d.at_ms + policy.windows.challenge_ms
        d.emit(VerdictReached(claim=round_.claim, round=round_.number, verdict=verdict, until_ms=until_ms))
        claim = d.need(Claim, round_.claim)
        if verdict == "fail" and policy.is_exact(d.need(Task, claim.task).task_kind):
            parties.catch(d, claim.worker)
    elif panel.next_round(d, d.need(Claim, round_.claim), policy):
        return
    if last:
        settlement.conclude(d, d.need(Claim, round_.claim))


def outcome(round_: Round, votes: list[Seat], policy: Policy) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """Returns the outcome of a panel's revealed votes: a verdict or "", the items counted bad, those still disputed."""
    verdict = next((word for word in VERDICTS if _agreed(round_, votes, word)), "")
    if round_.items and verdict != "void":
        judged = [seat for seat in votes if seat.verdict != "void"]
        return _tally_items(round_, judged, policy, panel.is_last(policy, round_.number))
    return verdict, (), ()


def _agreed(round_: Round, votes: list[Seat], verdict: str) -> bool:
    return sum(seat.verdict == verdict for seat in votes) >= round_.quorum


def _tally_items(
    round_: Round, votes: list[Seat], policy: Policy, last: bool
) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """Returns the panel's verdict on a batch, the items it counted bad, and those it did not agree on.

    An item that nobody who revealed had is disputed too, and keeps the verdict away while another round can look at
    it.
    """
    held: dict[int, set[int]] = {}
    good: dict[tuple[int, int], bool] = {}
    for seat in votes:
        for index in round_.items[seat.place]:
            held.setdefault(index, set()).add(seat.place)
            good[seat.place, index] = index not in seat.bad
    needed = partial(panel.quorum, policy, round_.number)
    result = items.tally(held, good, round_.accept_count, needed, round_.samples, last=last)
    unseen = {index for place in round_.items for index in place} - held.keys()
    undecided = len(votes) < round_.quorum or (bool(unseen) and not last)
    verdict = "" if undecided else result.verdict or ""
    return verdict, result.bad, tuple(sorted({*result.disputed, *unseen}))
