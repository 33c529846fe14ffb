"""A random network in which one worker and four verifiers do what the SDK does: each duty at once, and nothing else.

Everybody else, the operator included, says what it likes. What the diligent lose may follow from a verdict, which a
lying majority can make, never from a duty that they had no chance to do (docs/rules.md 9).
"""

from __future__ import annotations

from random import Random

from tests.core.flows import STAKE
from tests.core.network import Who
from tests.core.steps import Steps
from tests.core.terms import EXACT
from trust.core import payloads as p
from trust.core.commands import Incoming, signed_parts
from trust.core.events import MoneyMoved
from trust.core.records import Claim, Party, Seat, Task
from trust.core.rulebook import Decided

MAX_FAULTS = 1
"""How many liveness faults others' acts may cost somebody who follows the SDK."""


class Diligent(Steps):
    """Random steps of everybody but the diligent, whose keys sign nothing but their own duties."""

    def __init__(self) -> None:
        self._diligent: dict[str, Who] = {}
        self._own = False
        self.done = 0
        super().__init__()
        net = self.net
        self.hand = net.join("diligent worker", 50_000, capabilities=(EXACT,))
        self.judges = [net.join(f"diligent verifier {number}", 20_000) for number in range(4)]
        net.enroll(*self.judges, units=10_000)
        self._diligent = {who.did: who for who in (self.hand, *self.judges)}
        self._seen = len(net.entries)
        self.faults = 0

    def anyone(self, rng: Random) -> Who:
        return rng.choice([who for did, who in self.net.people.items() if did not in self._diligent])

    def attempt(self, incoming: Incoming) -> Decided | None:
        signers = {key for part in signed_parts(incoming) for key in part.signers}
        if not self._own and signers & set(self._diligent):
            return None
        decided = super().attempt(incoming)
        self.done += self._own and decided is not None
        return decided

    def check(self) -> None:
        super().check()
        if self._diligent:
            self._do_duties()
            self._check_losses()

    def wait(self, rng: Random) -> None:
        """A while, in which the diligent are awake: they act after everything that falls due."""
        until_ms = self.net.now_ms + rng.choice([1, 400, 1_500, 10_000])
        while (soonest := self.net.draft.timers(1)) and soonest[0].due_ms < until_ms:
            self.net.tick(max(0, soonest[0].due_ms - self.net.now_ms))
            self._do_duties()
        self.net.tick(max(0, until_ms - self.net.now_ms))

    def ask(self, rng: Random) -> None:
        """The diligent worker claims something."""
        if (task := self._one(rng, Task, "open")) is not None:
            self._own = True
            self.attempt(self.scene.request(task.id, self.hand, stake_units=STAKE))
            self._own = False

    def _do_duties(self) -> None:
        """Does what is open until the rules take nothing more of it: an opening lets the votes begin."""
        self._own, before = True, -1
        while before < self.done:
            before = self.done
            self._do_those_open()
        self._own = False

    def _do_those_open(self) -> None:
        for claim in self.net.all(Claim):
            if claim.worker == self.hand.did and not claim.ended_ms:
                if claim.state == "claimed":
                    self._deliver(claim)
                elif (
                    claim.state == "checking"
                    and claim.round
                    and self.scene.round(claim.id).phase == "opening"
                ):
                    self._open_some(claim, self.scene.round(claim.id))
        for seat in self.net.all(Seat):
            if seat.agent in self._diligent and seat.state in ("seated", "committed"):
                self._vote(seat)

    def _vote(self, seat: Seat) -> None:
        if self.net.get(Claim, seat.claim).ended_ms:
            return
        if (count := self.net.get(Task, self.net.get(Claim, seat.claim).task).items_count) > 0:
            self.scene.batch_task(count)
        vote = self.scene.vote(seat, "pass", [])
        who, phase = self.scene.sitter(seat), self.scene.round(seat.claim).phase
        if seat.state == "seated" and phase == "commit":
            self.say(p.VoteCommit, who, seat=seat.id, commitment=self.scene.commitment(seat, vote))
        elif seat.state == "committed" and phase == "reveal":
            self.say(p.VoteReveal, who, **vote)

    def _check_losses(self) -> None:
        for entry in self.net.entries[self._seen :]:
            for event in entry.events:
                if isinstance(event, MoneyMoved) and any(
                    self._is_diligents(each) for each, _ in event.postings
                ):
                    assert event.why != "slash.equivocation", event
                    self.faults += event.why == "slash.liveness"
        self._seen = len(self.net.entries)
        assert self.faults <= MAX_FAULTS
        for did in self._diligent:
            assert len(self.net.get(Party, did).liveness_ms) <= MAX_FAULTS
        for claim in self.net.all(Claim):
            if claim.worker == self.hand.did:
                assert claim.state not in ("expired", "abandoned"), claim
                assert claim.state != "rejected" or claim.verdict == "fail", claim
        for seat in self.net.all(Seat):
            assert seat.agent not in self._diligent or seat.state not in ("passed", "silent"), seat

    def _is_diligents(self, account: str) -> bool:
        kind, _, rest = account.partition("/")
        if kind == "claim":
            return self.net.get(Claim, rest.partition("/")[0]).worker in self._diligent
        return rest.partition("/")[0] in self._diligent
