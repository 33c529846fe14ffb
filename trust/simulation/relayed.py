"""One world of attacks over the real rulebook: a relay lets the draw decide who does each task.

Honest agents post, the relay asks for a draw of eight places, and the first on the shortlist that can claims. A ring's
tasks are posted to all and claimed by a friend in the same moment, which is the best that the rules leave it. Outputs,
checks, settlement and scores are the rulebook's; the panel as a whole says what the market's check says. Where there
are appeals, a worker whose good work was failed challenges that once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any

from trust.core import events as e
from trust.core import ledger
from trust.core import payloads as p
from trust.core.lifecycle import ClaimState
from trust.core.policy import Policy
from trust.core.records import Allocation, Claim, Party, Seat, Task
from trust.core.refusal import Refused
from trust.core.rulebook import Decided
from trust.simulation.chance import Verdict
from trust.simulation.checking import Checking
from trust.simulation.market import CANDIDATES, Errand, Market
from trust.simulation.network import DAY_MS, VERIFIERS, WORKERS, Key, Network
from trust.simulation.spoils import Climb, Spoils, empty

TASK_KIND = "extract"
DIGEST = "0" * 64
SEATED = 40
"""Verifiers: enough for three panels."""
PURSE_UNITS = {"agent": 10**6, "verifier": 10**4, "operator": 10**7}
PRICE_UNITS = 100
STAKE_UNITS = 500
"""At five times the price the deterrence asks for 19.5 % of exact work to be checked."""
STEP_MS = 1_000


class Relayed:
    """One world under one seed; `play` once. `named`: the relay names the eight candidates that other schemes rank."""

    def __init__(
        self,
        market: Market,
        policy: Policy,
        *,
        named: bool = False,
        appeals: bool = False,
        keep_log: bool = False,
    ) -> None:
        self.market = market
        self.net = Network(
            policy, f"{market.attack.name}/{market.seed}", keep_log, pools=(VERIFIERS, *WORKERS)
        )
        self.spoils, self._climb = empty(market), Climb(market)
        self._named, self._appeals = named, appeals
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._errands: dict[str, Errand] = {}
        self._claims: dict[str, tuple[Errand, int]] = {}
        self._hears: dict[type[e.Event], Callable[[Any], None]] = {
            e.CoinTossed: self._coin_tossed,
            e.VerdictReached: self._verdict_reached,
            e.ClaimEnded: self._claim_ended,
        }
        Checking(self.net, self._verdict)
        self.net.listeners.append(self._hear)
        self._found()

    def play(self) -> Spoils:
        """Plays all days; what is under way at their end stays so."""
        end_ms = self._begin_ms + self.market.scale.days * DAY_MS
        self.net.run(lambda: self.net.now_ms >= end_ms)
        self.spoils.known = self._climb.known
        self.spoils.entries = self.net.state.size
        return self.spoils

    # -- founding

    def _found(self) -> None:
        net = self.net
        net.deposit(ledger.OPERATOR_BOND, PURSE_UNITS["operator"])
        self._coordinator = Key(f"{self.market.attack.name}/coordinator").did
        self._relay = net.register_relay(self._coordinator)
        for number in range(SEATED):
            did = self._join("verifier", number)
            net.after(net.policy.verifiers.min_age_ms, partial(self._enroll, did))
        for number in range(self.market.scale.agents):
            self._enter(number)
        ready_ms = net.policy.verifiers.min_age_ms + 2 * net.policy.verifiers.epoch_ms
        self._begin_ms = net.now_ms + ready_ms
        net.after(ready_ms, partial(self._day, 0))

    def _enroll(self, did: str) -> None:
        self.net.say(p.VerifierEnroll, did, task_kinds=(TASK_KIND,), stake_units=PURSE_UNITS["verifier"] // 2)

    def _join(self, role: str, *numbers: int, capabilities: tuple[str, ...] = ()) -> str:
        did = Key("/".join(map(str, (self.market.attack.name, self.market.seed, role, *numbers)))).did
        self.net.join(did, PURSE_UNITS[role], capabilities)
        return did

    def _enter(self, number: int, again: int = 0) -> None:
        """An agent registers, under a new name if it was there before."""
        did = self._join("agent", number, again, capabilities=(TASK_KIND,))
        self._numbers[did] = number
        if number < len(self._names):
            self._names[number] = did
        else:
            self._names.append(did)

    # -- a day

    def _day(self, day: int) -> None:
        for errand in (*self.market.errands(day), *self.market.washed(day)):
            self.net.after(errand.offset_ms, partial(self._post, errand))
        if day in self.market.joins:
            place = self.market.scale.agents + self.market.joins.index(day)
            self.net.after(0, partial(self._enter, place))
        if day + 1 < self.market.scale.days:
            self.net.after(DAY_MS, partial(self._day, day + 1))

    def _post(self, errand: Errand) -> None:
        requester = self._names[errand.requester]
        washed = errand.friend is not None
        self._errands[errand.name] = errand
        if not washed:
            self.spoils.posted[errand.day] += 1
        if self.net.get(Party, requester).left:
            return
        self.net.say(
            p.TaskPost,
            requester,
            task=errand.name,
            task_kind=TASK_KIND,
            spec_sha256=DIGEST,
            price_units=PRICE_UNITS,
            stake_units=PRICE_UNITS,
            deadline_ms=self.net.now_ms + 2 * self.net.policy.claims.lease_ms,
            **({} if washed else {"relay": self._relay}),
        )
        if errand.friend is not None:
            self._claim(errand, self._names[errand.friend])
        else:
            self.net.after(STEP_MS, partial(self._allocate, errand))

    def _allocate(self, errand: Errand) -> None:
        named = tuple(self._names[agent] for agent in errand.candidates) if self._named else ()
        try:
            self.net.say(
                p.TaskAllocate,
                self._coordinator,
                task=errand.name,
                relay=self._relay,
                candidates=named,
                shortlist=CANDIDATES,
                exclusive_ms=self.net.policy.allocation.max_exclusive_ms,
            )
        except Refused:
            self.spoils.unserved += 1
            return
        self.net.after(STEP_MS, partial(self._allot, errand))

    def _allot(self, errand: Errand) -> None:
        self.net.allot(errand.name)
        self.net.after(STEP_MS, partial(self._offer, errand))

    def _offer(self, errand: Errand) -> None:
        """The relay asks one after the other."""
        shortlist = self.net.get(Allocation, errand.name).shortlist
        if not any(self._claim(errand, place.agent) for place in shortlist):
            self.spoils.unserved += 1

    def _claim(self, errand: Errand, did: str) -> bool:
        """Returns whether this agent has the task now; who came under a new name does not claim under the old."""
        worker = self._numbers[did]
        if self._names[worker] != did:
            return False
        task = self.net.get(Task, errand.name)
        try:
            claimed = self.net.say(
                p.ClaimRequest,
                did,
                self._coordinator,
                task=errand.name,
                task_index=task.index,
                relay=self._relay,
                stake_units=STAKE_UNITS,
            )
        except Refused:
            return False
        claim = next(event.claim for event in claimed.events if isinstance(event, e.ClaimOpened))
        self._claims[claim] = errand, worker
        if errand.friend is None:
            self.spoils.took(self.market, worker, errand)
            self._climb.took(worker, (self.net.now_ms - self._begin_ms) * 100 // DAY_MS)
        self.net.after(task.lease_ms // 2, partial(self._deliver, claim, did))
        return True

    def _deliver(self, claim: str, did: str) -> None:
        """The output, and what the requester says before anybody has looked."""
        if self.net.get(Party, did).left:
            return
        artifact = p.Artifact(name="output", sha256=sha256(claim.encode()).hexdigest(), size_bytes=1)
        self.net.say(p.OutputSubmit, did, claim=claim, artifacts=(artifact,))
        errand, worker = self._claims[claim]
        if self.market.likes(worker, errand):
            self.net.say(p.OutputAccept, self.net.get(Task, errand.name).requester, claim=claim)

    # -- what the log tells

    def _verdict(self, seat: Seat) -> Verdict:
        errand, worker = self._claims[seat.claim]
        return "pass" if self.market.passes(worker, errand, seat.round) else "fail"

    def _hear(self, decided: Decided) -> None:
        for event in decided.events:
            handler = self._hears.get(type(event))
            if handler is not None:
                handler(event)

    def _coin_tossed(self, event: e.CoinTossed) -> None:
        errand, _ = self._claims[event.claim]
        if errand.friend is None:
            self.spoils.checked[errand.day] += event.checked

    def _verdict_reached(self, event: e.VerdictReached) -> None:
        errand, worker = self._claims[event.claim]
        wronged = event.verdict == "fail" and not self.market.spoils(worker, errand)
        if self._appeals and wronged and event.round == 1:
            delay_ms = self.net.policy.windows.challenge_ms // 8
            self.net.after(delay_ms, partial(self._appeal, event.claim))

    def _appeal(self, claim: str) -> None:
        """A challenge, unless the worker has left, cannot pay for it, or there is nobody to seat for it."""
        worker = self.net.get(Claim, claim).worker
        if self.net.get(Party, worker).left:
            return
        try:
            self.net.say(p.VerdictChallenge, worker, claim=claim, reason="")
        except Refused:
            return
        self.spoils.appeals += 1

    def _claim_ended(self, event: e.ClaimEnded) -> None:
        errand, worker = self._claims[event.claim]
        failed = event.state == ClaimState.REJECTED
        if self.market.spoils(worker, errand):
            self.spoils.lost_on_spoiled_units += STAKE_UNITS * failed
            self.spoils.paid_for_spoiled_units += PRICE_UNITS * (event.state == ClaimState.ACCEPTED)
        self.spoils.honest_failed += failed and worker >= self.market.malicious
        caught = failed and worker < self.market.malicious and self.market.attack.returns
        if caught and self._names[worker] == self.net.get(Claim, event.claim).worker:
            self.spoils.registered_anew += 1
            self.net.after(0, partial(self._enter, worker, self.spoils.registered_anew))
