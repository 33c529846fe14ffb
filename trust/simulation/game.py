"""One world under one seed, played over the real rulebook.

Workers deliver one task after the other, half a challenge window apart; verifiers open, commit and reveal in time.
Nobody acts but on what the log tells. A worker that is shut out leaves its place empty, unless in this world it
registers anew after each slash. Nobody takes up a task that was rejected: its deadline has passed by then.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from trust.core import events as e
from trust.core import ledger
from trust.core import payloads as p
from trust.core.lifecycle import ClaimState
from trust.core.policy import Policy
from trust.core.records import Claim, Party, Round, Seat, Task
from trust.core.rulebook import Decided
from trust.simulation.chance import Chance, Verdict, Work
from trust.simulation.checking import Checking
from trust.simulation.network import DAY_MS, Key, Network
from trust.simulation.tally import Tally
from trust.simulation.worlds import PPM, Size, World

TASK_KIND = "code-review"
DIGEST = "0" * 64
REQUESTERS_DIVISOR = 20
PURSE_UNITS = {"requester": 10**9, "worker": 20_000, "verifier": 10_000}
SPARE_UNITS = 2_000
"""What a verifier keeps free, for challenges."""
OPERATOR_UNITS = 1_000_000
TASKS_IN_WINDOW = 2
STAKE_RATIO = 2
"""Stakes are twice the price."""


class Game:
    """One game; `play` once. Proof of work is left out: it costs cheats next to nothing, and a game much time."""

    def __init__(self, world: World, policy: Policy, size: Size, seed: int, keep_log: bool = False) -> None:
        self.world, self.size = world, size
        self.chance = Chance(world, seed, size.workers, size.verifiers)
        self.tally = Tally(honest_workers=size.workers - self.chance.cheats)
        self._name = f"{world.name}/{seed}"
        self._works: dict[str, Work] = {}
        self._claims: dict[str, Work] = {}
        self._trusted: set[Work] = set()
        self._verifiers: dict[str, int] = {}
        self._waiting = 0
        self._hears = self._handlers()
        self.net = Network(
            replace(policy, registration=replace(policy.registration, pow_bits=0)), self._name, keep_log
        )
        self._pace_ms = policy.windows.challenge_ms // TASKS_IN_WINDOW
        Checking(self.net, self._verdict)
        self.net.listeners.append(self._hear)
        self._found()

    def play(self) -> Tally:
        """Plays until every worker is done and every claim has ended."""
        self.net.run(lambda: not self._waiting)
        self.tally.ring_units = sum(
            ledger.balance(self.net.state, ledger.free(did))
            + ledger.balance(self.net.state, ledger.verifier_stake(did))
            + ledger.balance(self.net.state, ledger.name_bond(did))
            - PURSE_UNITS["verifier"]
            for did, number in self._verifiers.items()
            if self.chance.colludes(number)
        )
        self.tally.entries = self.net.state.size
        return self.tally

    # -- founding

    def _found(self) -> None:
        net = self.net
        net.deposit(ledger.OPERATOR_BOND, OPERATOR_UNITS)
        self._coordinator = Key(f"{self._name}/coordinator").did
        self._relay = net.register_relay(self._coordinator)
        requesters = max(2, self.size.workers // REQUESTERS_DIVISOR)
        self._requesters = [self._join("requester", number) for number in range(requesters)]
        self._workers = [self._join("worker", number) for number in range(self.size.workers)]
        for number in range(self.size.verifiers):
            did = self._join("verifier", number)
            self._verifiers[did] = number
            net.after(net.policy.verifiers.min_age_ms, partial(self._enroll, did))
        verifiers = net.policy.verifiers
        ready_ms = max(verifiers.min_age_ms, DAY_MS // 24) + 2 * verifiers.epoch_ms
        for worker in range(self.size.workers):
            self._waiting += 1
            offset_ms = self.chance.below(self._pace_ms, "begin", worker)
            net.after(ready_ms + offset_ms, partial(self._take, worker, 0))

    def _enroll(self, did: str) -> None:
        stake = PURSE_UNITS["verifier"] - SPARE_UNITS
        self.net.say(p.VerifierEnroll, did, task_kinds=(TASK_KIND,), stake_units=stake)

    def _join(self, role: str, *numbers: int) -> str:
        did = Key("/".join(map(str, (self._name, role, *numbers)))).did
        self.net.join(did, PURSE_UNITS[role])
        return did

    # -- workers

    def _take(self, worker: int, number: int) -> None:
        """A worker's next task, from its post to its claim."""
        self._waiting -= 1
        work = self.chance.work(worker, number)
        stake = STAKE_RATIO * work.price_units
        did = self._workers[worker]
        if self.net.get(Party, did).left or ledger.balance(self.net.state, ledger.free(did)) < stake:
            return
        self._claim(work, did, stake)
        if number + 1 < self.size.tasks:
            self._waiting += 1
            self.net.after(self._pace_ms, partial(self._take, worker, number + 1))

    def _claim(self, work: Work, did: str, stake: int) -> None:
        net, task = self.net, f"t{work.worker}-{work.number}"
        self._works[task] = work
        lease_ms = net.policy.claims.lease_ms
        requester = self._requesters[self.chance.below(len(self._requesters), "requester", task)]
        posted = net.say(
            p.TaskPost,
            requester,
            task=task,
            task_kind=TASK_KIND,
            spec_sha256=DIGEST,
            price_units=work.price_units,
            stake_units=stake,
            deadline_ms=net.now_ms + 2 * lease_ms,
        )
        claimed = net.say(
            p.ClaimRequest,
            did,
            self._coordinator,
            task=task,
            task_index=posted.index,
            relay=self._relay,
            stake_units=stake,
        )
        opened = _first(claimed, e.ClaimOpened)
        claim = opened.claim
        self._claims[claim] = work
        if opened.rate_ppm < PPM:
            self._trusted.add(work)
        self._waiting += 1
        net.after(lease_ms // 2, partial(self._submit, claim, did))

    def _submit(self, claim: str, did: str) -> None:
        if not self.net.get(Party, did).left:
            artifact = p.Artifact(name="output", sha256=sha256(claim.encode()).hexdigest(), size_bytes=1)
            self.net.say(p.OutputSubmit, did, claim=claim, artifacts=(artifact,))

    # -- challenges

    def _doubt(self, claim: str, stands: str, number: int) -> None:
        """Whoever knows better than the verdict of this round, or than no check at all, challenges it."""
        work, net = self._claims[claim], self.net
        record = net.get(Claim, claim)
        if stands == "fail" and not work.bad:
            challenger = record.worker
        elif stands == "pass" and work.bad and self.chance.looks(work):
            challenger = net.get(Task, record.task).requester
        else:
            return
        policy = net.policy
        cost = policy.challenge_bond_units(work.price_units, number + 1) + policy.panel_fees_units(number + 1)
        has_left = bool(net.get(Party, challenger).left)
        if not has_left and ledger.balance(net.state, ledger.free(challenger)) >= cost:
            net.say(p.VerdictChallenge, challenger, claim=claim, reason="")
            self.tally.challenges += 1

    # -- verifiers

    def _verdict(self, seat: Seat) -> Verdict:
        panel = self.net.get(Round, e.round_id(seat.claim, seat.round))
        sitting = [self._verifiers[self.net.get(Seat, name).agent] for name in panel.seats]
        ring_holds = sum(map(self.chance.colludes, sitting)) >= panel.quorum
        return self.chance.verdict(self._verifiers[seat.agent], self._claims[seat.claim], ring_holds)

    # -- what the log tells

    def _hear(self, decided: Decided) -> None:
        for event in decided.events:
            handler = self._hears.get(type(event))
            if handler is not None:
                handler(event)

    def _handlers(self) -> dict[type[e.Event], Callable[[Any], None]]:
        return {
            e.VoteRevealed: self._counted,
            e.CoinTossed: self._coin_tossed,
            e.VerdictReached: self._verdict_reached,
            e.ClaimEnded: self._claim_ended,
            e.MoneyMoved: self._money_moved,
            e.SeatSettled: self._seat_settled,
            e.FeeShort: self._fee_short,
            e.PartyLeft: self._party_left,
        }

    def _counted(self, event: e.VoteRevealed) -> None:
        self.tally.voted(self._claims[self.net.get(Seat, event.seat).claim])

    def _coin_tossed(self, event: e.CoinTossed) -> None:
        if not event.checked:
            self._doubt_soon(event.claim, "pass", 0)

    def _verdict_reached(self, event: e.VerdictReached) -> None:
        if event.until_ms:
            self._doubt_soon(event.claim, event.verdict, event.round)

    def _doubt_soon(self, claim: str, stands: str, number: int) -> None:
        delay_ms = self.net.policy.windows.challenge_ms // 8
        self.net.after(delay_ms, lambda: self._doubt(claim, stands, number))

    def _claim_ended(self, event: e.ClaimEnded) -> None:
        self._waiting -= 1
        self._ended = work = self._claims[event.claim]
        claim = self.net.get(Claim, event.claim)
        if not claim.output:
            return
        self.tally.ended(work, event.state, work in self._trusted)
        if event.state == ClaimState.REJECTED and work.by_cheat and self.world.returns:
            self._register_anew(work, claim.worker)

    def _register_anew(self, work: Work, slashed: str) -> None:
        if self._workers[work.worker] == slashed:
            self.tally.registered_anew += 1
            again = self.tally.registered_anew
            self.net.after(0, partial(self._replace, work.worker, again))

    def _replace(self, worker: int, again: int) -> None:
        self._workers[worker] = self._join("worker", worker, again)

    def _money_moved(self, event: e.MoneyMoved) -> None:
        """Counts what a work brought or cost its worker; the bond of a name burns right after the claim that was caught
        has ended."""
        if event.why == "claim.price":
            (task,) = (account for account, change in event.postings if change < 0)
            work = self._works[task.removeprefix("task/").removesuffix("/escrow")]
            self.tally.paid(work, work.price_units, work in self._trusted)
        elif event.why.startswith("slash."):
            for account, change in event.postings:
                if change < 0 and account.startswith("claim/"):
                    work = self._claims[account.removeprefix("claim/").removesuffix("/stake")]
                    self.tally.paid(work, change, work in self._trusted)
                elif change < 0 and event.why == "slash.name":
                    self.tally.paid(self._ended, change, self._ended in self._trusted)

    def _seat_settled(self, event: e.SeatSettled) -> None:
        self.tally.seats_paid += event.outcome in ("right", "heard")

    def _fee_short(self, event: e.FeeShort) -> None:
        self.tally.seats_short += event.due_units // self.net.policy.verifiers.fee_units

    def _party_left(self, event: e.PartyLeft) -> None:
        if event.party in self._workers:
            honest = self._workers.index(event.party) >= self.chance.cheats
            self.tally.honest_shut_out += honest
            self.tally.cheats_shut_out += not honest


def _first(decided: Decided, kind: type[Any]) -> Any:
    """The first event of this kind."""
    return next(event for event in decided.events if isinstance(event, kind))
