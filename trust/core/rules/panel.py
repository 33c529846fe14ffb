"""The draw and the panel: whether an output is checked, and by whom (docs/rules.md 3, 5 and 6).

1. The seed's input is the claim, the round, the output's digest and the salts that the round before revealed: those who
   sat there were bound to them before anybody could see a draw. Neither a position in the log nor the words of a
   challenge are part of it, so nobody tries challenges until a panel suits him.
2. The coin is tossed first, then the seats are picked, then as many alternates, then the items of a batch: all by one
   stream of integers over the VRF's output.
3. A pick counts when the agent may sit: enrolled, not in jail, and neither a party to the claim nor owned by one, nor
   seated on it before. Nobody is passed over for money: a verifier staked when it enrolled.
4. A panel that cannot be seated ends the claim by the last verdict that was reached.
5. Where the task's policy names witnesses, a draw carries the checkpoint that they cosigned (`draws.py`).
6. A later round on a batch judges a fresh draw, and once more what the round before counted bad or did not agree on.
   The batch fails when either sample has more bad items than its accept count: the fresh one, or an earlier one with
   its contested items as they are judged now. Each accept count is that of a plain uniform sample. One over both
   together would count items that came in because somebody doubted them, which wrongs the worker where bad items are
   tolerated; and it would let the good items of a panel that lied make room for the bad ones of the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trust.core import ledger, scoring
from trust.core.entry import Draw
from trust.core.events import (
    BatchTerms,
    CoinTossed,
    DrawnSeat,
    PhaseBegan,
    RoundDue,
    RoundOpened,
    house_id,
    round_id,
)
from trust.core.lifecycle import Phase
from trust.core.policy import Policy
from trust.core.records import (
    Alternate,
    Claim,
    House,
    Node,
    Party,
    Relay,
    Round,
    SealedPool,
    Seat,
    Squad,
    Task,
    Timer,
)
from trust.core.refusal import Refused
from trust.core.rules import disputes, settlement
from trust.core.rules.decision import Decision, has_left
from trust.core.rules.draws import SPARED, check_checkpoint, proven, salts_digest, seed_input, whose_turn
from trust.core.sampling import items
from trust.core.sampling.draw import Picker, Stream, coin
from trust.core.sampling.sumtree import Slot as PoolSlot
from trust.core.sampling.sumtree import root_of
from trust.core.state import View

LABEL = b"panel"


def alpha(view: View, claim: Claim, number: int) -> bytes:
    """The VRF's input for a claim's round."""
    return seed_input(
        scoring.network_of(view).origin,
        claim.id,
        number,
        claim.output,
        before(view.get, claim.id, number, claim.unchecked),
    )


def before(get: Callable[[type[Any], str], Any], claim: str, number: int, spared: bool) -> str:
    """Returns what the seed of a claim's round holds beside the output (docs/protocol.md 7.1); `get` gives a record by
    its type and id, or None, and `spared` says whether the coin had spared the output."""
    if number == 1:
        return SPARED if spared else ""
    seats = (get(Seat, seat) for seat in get(Round, round_id(claim, number - 1)).seats)
    return salts_digest(seat.salt for seat in seats if seat.salt)


def drawer(view: View, claim: Claim, policy: Policy, seed: bytes, at_ms: int) -> str:
    """Returns the key whose turn it is at `at_ms` to make the draw that a claim awaits, over the input `seed`."""
    timer = view.get(Timer, claim.id)
    assert timer is not None
    asked_ms = timer.due_ms - policy.draw_ms
    return whose_turn(claim.draw_key, policy.beacons.keys, seed, (at_ms - asked_ms) // policy.windows.draw_ms)


def draw(d: Decision, command: Draw) -> None:
    """Takes a draw entry: checks its proof, tosses the coin in round 1, and seats the panel."""
    claim_id, _, number = command.of.partition("/")
    claim = d.get(Claim, claim_id)
    if claim is None or not claim.draw_round or str(claim.draw_round) != number:
        raise Refused("no-draw-due", f"no draw is awaited for {command.of}")
    task = d.need(Task, claim.task)
    policy = d.task_policy(task)
    seed = alpha(d, claim, claim.draw_round)
    beta = proven(command, drawer(d, claim, policy, seed, d.at_ms), seed)
    check_checkpoint(d, claim.output_index, policy, command.checkpoint)
    stream = Stream(beta, LABEL)
    if claim.draw_round == 1 and not claim.unchecked:
        looked, caught = coin(stream, claim.rate_ppm), is_caught(d, claim)
        if looked or caught:
            d.emit(CoinTossed(claim=claim.id, checked=True, caught=caught))
        else:
            until_ms = d.at_ms + policy.windows.challenge_ms
            d.emit(CoinTossed(claim=claim.id, checked=False, until_ms=until_ms))
        fees = settlement.fees_units(d.need(Claim, claim.id), task)
        d.pay("check.fees", (ledger.escrow(task.id), ledger.VERIFICATION, fees))
        if not (looked or caught):
            return
        if not _seat_panel(d, claim, task, policy, stream):
            d.pay("check.refund", (ledger.VERIFICATION, ledger.escrow(task.id), fees))
            settlement.conclude(d, d.need(Claim, claim.id))
    elif not _seat_panel(d, claim, task, policy, stream):
        settlement.conclude(d, d.need(Claim, claim.id))


def is_caught(d: Decision, claim: Claim) -> bool:
    """Returns whether the worker was caught in other work since it made this claim, which must be checked for that."""
    return d.need(Party, claim.worker).caught_ms >= claim.opened_ms


def look_at(d: Decision, claim: Claim) -> None:
    """Has an output checked although the coin spared it; the rest of the task's fees pays for it."""
    task = d.need(Task, claim.task)
    before = settlement.fees_units(claim, task)
    draw_by_ms = d.at_ms + d.task_policy(task).draw_ms
    d.emit(RoundDue(claim=claim.id, round=1, draw_by_ms=draw_by_ms, caught=True))
    d.pay("check.fees", (ledger.escrow(task.id), ledger.VERIFICATION, task.fees_units - before))


class _Bench:
    """Picks verifiers for one round, in order, and knows who may not sit."""

    def __init__(self, d: Decision, claim: Claim, task: Task, stream: Stream) -> None:
        self._d = d
        self._claim = claim
        self._task_kind = task.task_kind
        self._barred = _parties_to(d, claim, task)
        self._picker = self._picker_of(claim, stream)

    def _picker_of(self, claim: Claim, stream: Stream) -> Picker | None:
        sealed = self._d.get(SealedPool, claim.pool) if claim.pool else None
        if sealed is None:
            return None
        return Picker(root_of(sealed), self._node, stream, dict(sealed.heavy))

    def _node(self, digest: bytes) -> bytes:
        return self._d.need(Node, digest.hex()).data

    def next(self) -> Party | None:
        """Returns the next verifier, and excludes its owner's other agents; None when the pool has no more."""
        slot = None if self._picker is None else self._picker.pick(self._accept)
        if slot is None:
            return None
        party = self._d.need(Party, slot.id)
        self._barred.add(party.owner)
        return party

    def _accept(self, slot: PoolSlot) -> bool:
        party = self._d.get(Party, slot.id)
        if party is None or not may_sit(self._d, party, self._claim, self._task_kind):
            return False
        return self._barred.isdisjoint((party.owner, party.id))


def may_sit(d: Decision, party: Party, claim: Claim, task_kind: str) -> bool:
    """Returns whether a verifier may take a seat on a claim now."""
    free = not has_left(party, claim.index) and party.jailed_until_ms <= d.at_ms
    enrolled = (*party.enrolled, *(party.vacated if party.expelled else ()))
    return free and any(kind == task_kind for kind, _ in enrolled)


def judges(d: Decision, sealed: SealedPool | None, task: Task, worker: str, relay: Relay) -> int:
    """Returns how many owners of a sealed pool may judge this worker's claim on a task: all but the parties."""
    if sealed is None:
        return 0
    parties = {d.owner(did) for did in (worker, task.requester, *relay.coordinators)}
    parties.update(relay.coordinators)
    parties.update(_squad(d, task))
    houses = (d.get(House, house_id(task.task_kind, owner)) for owner in parties)
    return sealed.owners - sum(house is not None and house.enrolled > 0 for house in houses)


def _squad(d: Decision, task: Task) -> set[str]:
    """Returns the owners of those who took the parts of a task together: none of them judges a part."""
    return {d.owner(each.worker) for each in d.need(Squad, task.squad).members} if task.squad else set()


def _parties_to(d: Decision, claim: Claim, task: Task) -> set[str]:
    """Returns the owners (and ids) that may not judge this claim."""
    relay = d.need(Relay, claim.relay)
    barred = {d.owner(did) for did in (claim.worker, task.requester, *relay.coordinators)}
    barred.update(relay.coordinators)
    barred.update(_squad(d, task))
    barred.update(d.owner(each.challenger) for each in disputes.of_claim(d, claim))
    for number in range(1, claim.round + 1):
        panel = d.need(Round, round_id(claim.id, number))
        barred.update(d.need(Seat, seat).owner for seat in (*panel.seats, *panel.past_seats))
    return barred


def quorum(policy: Policy, number: int, seats: int) -> int:
    """Returns how many of `seats` must agree in round `number`: all, then two thirds rounded up, in the last over
    half."""
    if number == 1:
        return seats
    return seats // 2 + 1 if is_last(policy, number) else -(-2 * seats // 3)


def is_last(policy: Policy, number: int) -> bool:
    """Returns whether round `number` is the last, whose verdict is final at once."""
    return number >= len(policy.checks.panels)


def can_be_seated(d: Decision, claim: Claim, task: Task, policy: Policy, stream: Stream) -> bool:
    """Returns whether the pool could seat the round that is due, if this were the stream of its draw."""
    size = policy.checks.panels[claim.draw_round - 1]
    return len(_take(_Bench(d, claim, task, stream).next, size)) == size


def _seat_panel(d: Decision, claim: Claim, task: Task, policy: Policy, stream: Stream) -> bool:
    """Opens the round that is due; False where the pool has too few who may sit."""
    number = claim.draw_round
    size = policy.checks.panels[number - 1]
    bench = _Bench(d, claim, task, stream)
    seated = _take(bench.next, size)
    if len(seated) < size:
        return False
    alternates = _take(bench.next, size)
    before = d.need(Round, round_id(claim.id, number - 1)) if number > 1 and task.items_count else None
    places, samples, batch = drawn_items(task, policy, stream, size, before)
    seats = tuple(DrawnSeat(d.new_id("seat_"), party.id, _other_owner(party)) for party in seated)
    opening = bool(batch) or not claim.opened
    window_ms = policy.windows.open_ms if opening else policy.windows.commit_ms
    d.emit(
        RoundOpened(
            claim=claim.id,
            round=number,
            phase=Phase.OPENING if opening else Phase.COMMIT,
            until_ms=d.at_ms + window_ms,
            grace_ms=policy.windows.grace_ms,
            quorum=quorum(policy, number, size),
            seats=seats,
            alternates=tuple(Alternate(party.id, _other_owner(party)) for party in alternates),
            items=places,
            to_open=tuple(len(place) for place in places),
            samples=samples,
            batch=batch,
        )
    )
    return True


def _other_owner(party: Party) -> str:
    return "" if party.owner == party.id else party.owner


def _take(pick: Callable[[], Party | None], count: int) -> list[Party]:
    taken: list[Party] = []
    while len(taken) < count and (party := pick()) is not None:
        taken.append(party)
    return taken


Items = tuple[int, ...]


def drawn_items(
    task: Task, policy: Policy, stream: Stream, seats: int, before: Round | None
) -> tuple[tuple[Items, ...], tuple[Items, ...], BatchTerms | None]:
    """Returns the items of each place, the samples that the verdict is about, and what one sample can detect.

    A place judges its share of a fresh draw, and everything that the round before counted bad or did not agree on.
    """
    if not task.items_count:
        return (), (), None
    count, batch = task.items_count, policy.batch
    size = items.sample_size(count, batch.sample_items)
    drawn = items.draw_items(stream, count, size)
    shares, samples = items.share(drawn, seats, batch.overlap_ppm), [drawn]
    if before is not None:
        contested = {*before.bad, *before.disputed}
        shares = tuple(tuple(sorted({*place, *contested})) for place in shares)
        samples += [tuple(i for i in sample if i in contested) for sample in before.samples]
    accept = items.accept_count(count, size, task.tolerated_bad_ppm, batch.significance_ppm)
    bad = ledger.share(count, batch.detect_bad_ppm)
    terms = BatchTerms(
        items_count=count,
        sample_items=size,
        tolerated_bad_ppm=task.tolerated_bad_ppm,
        accept_count=accept,
        bad_items=bad,
        detection_ppm=items.detection_ppm(count, size, accept, bad),
    )
    return shares, tuple(samples), terms


def begin_phase(d: Decision, panel: Round, phase: str, policy: Policy) -> None:
    """Opens the commit or the reveal window of a panel."""
    window_ms = policy.windows.commit_ms if phase == Phase.COMMIT else policy.windows.reveal_ms
    d.emit(
        PhaseBegan(
            claim=panel.claim,
            round=panel.number,
            phase=phase,
            until_ms=d.at_ms + window_ms,
            grace_ms=policy.windows.grace_ms,
        )
    )


def next_round(d: Decision, claim: Claim, policy: Policy) -> bool:
    """Asks for the draw of the next round; False where the policy has no further one."""
    if is_last(policy, claim.round):
        return False
    draw_by_ms = d.at_ms + policy.draw_ms
    d.emit(RoundDue(claim=claim.id, round=claim.round + 1, draw_by_ms=draw_by_ms))
    return True
