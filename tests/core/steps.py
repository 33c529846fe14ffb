"""Random steps through a network, over any store of state: what parties might say, right or wrong, at any time.

Each step takes its choices from a `random.Random`, so a seed, or Hypothesis, decides all of a run. A refusal must
leave everything as it was; after each step the invariants of docs/rules.md 9 are checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, TypeVar

import msgspec

from tests.core import hiring, proving, squads
from tests.core.flows import PRICE, STAKE, Scene, salt_of
from tests.core.invariants import Checker, check_log
from tests.core.network import DAY_MS, DIGEST, Net, Store, Who, nonce
from tests.core.terms import EXACT, JUDGED, policy_of, policy_text
from trust.client.canaries import Canaries
from trust.core import payloads as p
from trust.core.commands import Incoming, Spoken
from trust.core.policy import Policy
from trust.core.records import Claim, Opening, Round, Seat, Task, Withdrawal
from trust.core.refusal import Refused
from trust.core.rulebook import Decided

T = TypeVar("T")
TASKS = tuple(f"t{number}" for number in range(6))
PEOPLE = 28
TERMS: dict[str, object] = {
    "name_bond_units": 50,
    "probation_ppm": 300_000,
    "panels": [2, 3, 5],
    "trusted_streak": 1,
    "margin_ppm": 0,
    "sample_items": 6,
    "failure_strikes": 2,
    "min_stake_units": 10,
    "surety_ppm": 400_000,
}
POLICY = policy_of(**TERMS)


class Steps:
    """A network that takes one random step after the other; `accepted` and `refused` count how they ended."""

    def __init__(self, store: Store | None = None, policy: Policy = POLICY, verifiers: int = 14) -> None:
        self.scene = Scene(Net(policy, store), verifiers)
        self.net = self.scene.net
        self.checker = Checker()
        self.accepted: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self.said: list[Spoken] = []
        self.promised: list[Canaries] = []
        self._votes: dict[str, dict[str, Any]] = {}
        self._joined = 0
        self.check()

    def check(self) -> None:
        self.checker.check(self.net.records(), self.net.entries, self.net.draft.at_ms)

    def finish(self) -> None:
        """Lets everything come to its end; then nothing may be open, and the log must replay."""
        for _ in range(60):
            soonest = self.net.draft.timers(1)
            if not soonest:
                break
            self.net.tick(max(1, soonest[0].due_ms - self.net.now_ms))
            self.check()
        assert not [claim for claim in self.net.all(Claim) if not claim.ended_ms]
        assert not [task for task in self.net.all(Task) if task.state != "closed"]
        self.net.flush()
        check_log(self.net.entries, self.net.records())

    # -- trying

    def attempt(self, incoming: Incoming) -> Decided | None:
        """The entry, or None where the rules refuse it; then nothing has changed."""
        self.net.now_ms += 1
        self.net.settle()
        writes, size = dict(self.net.draft.writes), self.net.draft.size
        name = incoming.payload.__struct_config__.tag if isinstance(incoming, Spoken) else "draw"
        try:
            decided = self.net.decide(incoming)
        except Refused as refused:
            assert (self.net.draft.writes, self.net.draft.size) == (writes, size)
            self.refused[refused.code] = self.refused.get(refused.code, 0) + 1
            return None
        self.accepted[str(name)] = self.accepted.get(str(name), 0) + 1
        if isinstance(incoming, Spoken):
            self.said.append(incoming)
        return decided

    def say(self, kind: type[p.Payload], who: Who, *others: Who, **fields: Any) -> Decided | None:
        return self.attempt(self.net.statement(kind, who, *others, **fields))

    def anyone(self, rng: Random) -> Who:
        return rng.choice(list(self.net.people.values()))

    def _mostly(self, rng: Random, who: Who) -> Who:
        """This party, but now and then anyone."""
        return who if rng.randrange(8) else self.anyone(rng)

    def _one(self, rng: Random, kind: type[T], *states: str) -> T | None:
        found = [each for each in self.net.all(kind) if not states or each.state in states]  # type: ignore[attr-defined,type-var]
        return rng.choice(found) if found else None

    # -- parties

    def join(self, rng: Random) -> None:
        if len(self.net.people) >= PEOPLE:
            return
        self._joined += 1
        who = Who(f"newcomer {self._joined}")
        owner = rng.choice([None, self.anyone(rng)])
        others = () if owner is None else (owner,)
        work = nonce(who.did, self.net.policy.registration.pow_bits)
        handle = rng.choice([None, "bob"])
        offered = tuple(rng.sample([EXACT, JUDGED, "other"], rng.randint(0, 3)))
        named = {"handle": handle, "owner": owner.did if owner else None}
        fields: dict[str, Any] = {"pow": work, "capabilities": offered, **named}
        if self.say(p.AgentRegister, who, *others, **fields):
            self.net.people[who.did] = who

    def rotate(self, rng: Random) -> None:
        who = self.anyone(rng)
        new = Who(f"key {len(self.net.entries)}")
        if rng.randrange(4) and self.say(p.AgentRotate, who, new, new_key=new.did):
            who.seed = new.seed

    def revoke(self, rng: Random) -> None:
        who = self.anyone(rng)
        if rng.randrange(4):
            return
        if rng.randrange(3):
            self.say(p.AgentRevoke, who, reason="done")
        else:
            self.say(p.AgentRevoke, self.net.operator, reason="abuse", party=who.did)

    def enroll(self, rng: Random) -> None:
        if rng.randrange(3) == 0:
            self.say(p.VerifierLeave, self.anyone(rng))
            return
        kinds = tuple(rng.sample([EXACT, JUDGED, "other"], rng.randint(0, 2)))
        units = rng.choice([0, 500, 1_000, 2_000])
        self.say(p.VerifierEnroll, self.anyone(rng), task_kinds=kinds, stake_units=units)

    def grant(self, rng: Random) -> None:
        kind = rng.choice([p.RoleGrant, p.RoleRevoke])
        party = self.anyone(rng).did
        self.say(kind, self._mostly(rng, self.net.operator), party=party, role="treasurer")

    def adopt(self, rng: Random) -> None:
        """Another policy, or another draw key."""
        if rng.randrange(2):
            key = Who(f"draw {rng.randrange(5)}")
            if self.say(p.KeyAdopt, self.net.operator, use="draw", key=key.did):
                self.net.draw_keys[key.did] = key
        else:
            toml = policy_text(**TERMS, fee_units=rng.randrange(20))
            effective_ms = self.net.now_ms + rng.choice([4_000, 6_000, 90_000])
            self.say(p.PolicyAdopt, self.net.operator, toml=toml, effective_ms=effective_ms)

    # -- money

    def deposit(self, rng: Random) -> None:
        account = rng.choice([self.anyone(rng).did, "operator/bond", "burn"])
        amount = rng.choice([1, 500, 5_000, 2**53 - 1])
        treasurer = self._mostly(rng, self.net.operator)
        fields = {"account": account, "amount_units": amount, "reference": f"r{rng.randrange(10**6)}"}
        self.say(p.StakeDeposit, treasurer, **fields)

    def withdraw(self, rng: Random) -> None:
        who = rng.choice([self.anyone(rng), self.net.operator])
        account = rng.choice([None, who.did, "operator/bond"])
        fields = {"amount_units": rng.choice([1, 300, 10**6]), "account": account}
        self.say(
            p.StakeWithdraw, who, **fields, reference=rng.choice([None, None, f"w{rng.randrange(10**6)}"])
        )

    def pay_out(self, rng: Random) -> None:
        withdrawal = self._one(rng, Withdrawal)
        if withdrawal is None:
            return
        if rng.randrange(2):
            reference = f"p{rng.randrange(10**6)}"
            owner = self.net.people[withdrawal.party]
            others = () if owner is self.net.operator else (owner,)
            reference = withdrawal.reference or reference
            said: dict[str, Any] = {"withdrawal": withdrawal.id, "reference": reference}
            agreed = () if withdrawal.reference else others
            self.attempt(self.net.statement(p.StakePayout, self.net.operator, *agreed, **said))
        else:
            self.say(p.StakeWithdraw, self.net.people[withdrawal.party], cancel=withdrawal.id)

    # -- tasks and claims

    def post(self, rng: Random) -> None:
        terms: dict[str, Any] = {
            "task": rng.choice(TASKS) + rng.choice(["", f"-{rng.randrange(100)}"]),
            "task_kind": rng.choice([EXACT, JUDGED]),
            "spec_sha256": DIGEST,
            "price_units": rng.choice([0, 1, PRICE, PRICE, 3_000]),
            "deadline_ms": self.net.now_ms + rng.choice([2_000, 50_000, DAY_MS, DAY_MS]),
            "lease_ms": rng.choice([None, None, 500, 60_000]),
            "stake_units": rng.choice([None, None, None, 50]),
        }
        if rng.randrange(3) == 0:
            parts = rng.choice([1, 2, 3])
            terms["items"] = p.Items(
                count=rng.choice([1, 5, 40]), tolerated_bad_ppm=rng.choice([0, 100_000]), parts=parts
            )
        elif rng.randrange(3) == 0:
            terms["parts"] = squads.PARTS
        if rng.randrange(12) == 0:
            terms["assignee"] = self.anyone(rng).did
        elif rng.randrange(2):
            terms["relay"] = self.scene.relay
        who = rng.choice([self.scene.requester, self.anyone(rng)])
        self.say(p.TaskPost, who, **terms)

    def cancel(self, rng: Random) -> None:
        if (task := self._one(rng, Task)) is not None:
            self.say(p.TaskCancel, self._mostly(rng, self.net.people[task.requester]), task=task.id)

    def allocate(self, rng: Random) -> None:
        hiring.allocate(self, rng)

    def claim_drawn(self, rng: Random) -> None:
        hiring.claim_drawn(self, rng)

    def form(self, rng: Random) -> None:
        squads.form(self, rng)

    def call(self, rng: Random) -> None:
        squads.call(self, rng)

    def claim_squad(self, rng: Random) -> None:
        squads.claim(self, rng)

    def request(self, rng: Random) -> None:
        if (task := self._one(rng, Task)) is not None:
            worker = rng.choice([self.scene.worker] * 4 + [self.scene.rival, self.anyone(rng)])
            stake = rng.choice([STAKE, STAKE, STAKE, 3_000])
            self.attempt(self.scene.request(task.id, worker, stake_units=stake))

    def hold(self, rng: Random) -> None:
        """Renews or abandons a claim."""
        if (claim := self._one(rng, Claim, *rng.choice([(), ("claimed",)]))) is not None:
            kind = rng.choice([p.ClaimRenew, p.ClaimAbandon])
            self.say(kind, self._mostly(rng, self.net.people[claim.worker]), claim=claim.id)

    def submit(self, rng: Random) -> None:
        if (claim := self._one(rng, Claim)) is not None:
            self._deliver(claim)

    def _deliver(self, claim: Claim) -> None:
        count = self.net.get(Task, claim.task).items_count
        self.scene.batch = None
        if count:
            self.scene.batch_task(count)
        self.attempt(self.scene.output(claim.id))

    def accept(self, rng: Random) -> None:
        if (claim := self._one(rng, Claim)) is not None:
            requester = self.net.people[self.net.get(Task, claim.task).requester]
            self.say(p.OutputAccept, self._mostly(rng, requester), claim=claim.id)

    # -- checks

    def draw(self, rng: Random) -> None:
        awaited = [claim for claim in self.net.all(Claim) if claim.draw_round]
        if awaited:
            self.attempt(self.net.draw_of(rng.choice(awaited).id))

    def open(self, rng: Random) -> None:
        found = self._one(rng, Claim, "checking")
        if found is not None and found.round:
            self._open_some(found, self.scene.round(found.id))

    def _open_some(self, claim: Claim, panel: Round) -> None:
        """Says one opening: of the output, or of the items of one place that are not open yet."""
        worker = self.net.people[claim.worker]
        if not panel.items:
            self.say(p.OutputOpen, worker, claim=claim.id)
            return
        self.scene.batch_task(self.net.get(Task, claim.task).items_count)
        for place, seat in enumerate(panel.seats):
            shut = [
                index
                for index in panel.items[place]
                if self.net.draft.get(Opening, f"{panel.id}/{place}/{index}") is None
            ]
            if shut:
                self.say(p.ItemsOpen, worker, seat=seat, items=self.scene.opening(shut[:16]))
                return

    def commit(self, rng: Random) -> None:
        if (seat := self._one(rng, Seat, "seated")) is not None:
            self._commit(rng, seat)

    def _commit(self, rng: Random, seat: Seat) -> None:
        count = self.net.get(Task, self.net.get(Claim, seat.claim).task).items_count
        if count:
            self.scene.batch_task(count)
        bad = [index for index in self.scene.items_of(seat) if rng.randrange(4) == 0]
        vote = self.scene.vote(seat, rng.choice(["pass", "pass", "pass", "fail", "fail", "void"]), bad)
        commitment = self.scene.commitment(seat, vote)
        if self.say(p.VoteCommit, self.scene.sitter(seat), seat=seat.id, commitment=commitment):
            self._votes[seat.id] = vote

    def reveal(self, rng: Random) -> None:
        if (seat := self._one(rng, Seat, "committed", "seated")) is not None:
            self._reveal(rng, seat)

    def _reveal(self, rng: Random, seat: Seat) -> None:
        vote = self._votes.get(seat.id) or {"seat": seat.id, "verdict": "pass", "salt": salt_of(seat)}
        if rng.randrange(10) == 0:
            vote = {**vote, "verdict": "fail" if vote["verdict"] == "pass" else "pass"}
        self.say(p.VoteReveal, self._mostly(rng, self.scene.sitter(seat)), **vote)

    def challenge(self, rng: Random) -> None:
        """Somebody doubts a verdict or an unchecked output; now and then something else."""
        states = rng.choice(
            [("passing", "failing", "voiding", "unchecked")] * 4 + [("checking", "submitted"), ()]
        )
        claim = self._one(rng, Claim, *states)
        if claim is None:
            return
        parties = [claim.worker, self.net.get(Task, claim.task).requester, self.scene.rival.did]
        who = self._mostly(rng, self.net.people[rng.choice(parties)])
        self.say(p.VerdictChallenge, who, claim=claim.id, reason=f"doubt {rng.randrange(1_000)}")

    def advance(self, rng: Random) -> None:
        """The next step of an open claim's honest way."""
        open_claims = [claim for claim in self.net.all(Claim) if not claim.ended_ms]
        if not open_claims:
            self.post(rng)
            self.request(rng)
            return
        claim = rng.choice(open_claims)
        if claim.state == "claimed":
            self._deliver(claim)
        elif claim.draw_round:
            self.attempt(self.net.draw_of(claim.id))
        elif claim.state == "checking":
            self._advance_panel(rng, claim, self.scene.round(claim.id))
        else:
            self.wait(rng)

    def _advance_panel(self, rng: Random, claim: Claim, panel: Round) -> None:
        if panel.phase == "opening":
            self._open_some(claim, panel)
            return
        for seat in self.scene.seats(claim.id):
            if panel.phase == "commit" and seat.state == "seated":
                self._commit(rng, seat)
            elif panel.phase == "reveal" and seat.state == "committed":
                self._reveal(rng, seat)

    # -- time, and the rest of the world

    def wait(self, rng: Random) -> None:
        """A while, or exactly until something falls due, or a millisecond less."""
        timers = self.net.draft.timers(3)
        until = [timer.due_ms - self.net.now_ms - rng.choice([0, 1, 2]) for timer in timers]
        self.net.tick(max(0, rng.choice([*until, 1, 400, 1_500, 10_000])))

    def repeat(self, rng: Random) -> None:
        """Says again what was said before; it never counts twice."""
        if self.said:
            assert self.attempt(rng.choice(self.said[-40:])) is None

    def forge(self, rng: Random) -> None:
        """Says what somebody said, signed by somebody else."""
        said = self.said[-20:]
        if said:
            chosen: Spoken = rng.choice(said)
            thief = self.anyone(rng)
            fields = msgspec.structs.asdict(chosen.payload)
            fields.update(issued_ms=self.net.now_ms, expires_ms=self.net.now_ms + 10_000)
            spoken = self.net.statement(type(chosen.payload), thief, signers=[thief], **fields)
            if thief.did != chosen.payload.actor:
                assert self.attempt(spoken) is None

    def flush(self, rng: Random) -> None:
        """Ends the batch."""
        self.net.flush()

    # -- evidence

    def promise(self, rng: Random) -> None:
        proving.promise(self, rng)

    def open_canary(self, rng: Random) -> None:
        proving.open_canary(self, rng)

    def show(self, rng: Random) -> None:
        proving.show(self, rng)


ACTIONS: Sequence[str] = (
    "join", "rotate", "revoke", "enroll", "grant", "adopt", "deposit", "withdraw", "pay_out", "post", "post", "cancel",
    "request", "request", "hold", "hold", "submit", "accept", "draw", "open", "commit", "reveal", "challenge",
    "challenge", "challenge", "wait", "repeat", "forge", "flush", "promise", *["open_canary"] * 6, "show",
    "form", "form", "call", "call", "claim_squad", "allocate", "allocate", "claim_drawn", "claim_drawn",
    *["advance"] * 14,
)  # fmt: skip


def run(steps: Steps, rng: Random, count: int) -> None:
    """`count` random steps, checked after each, and then the end of everything."""
    for _ in range(count):
        getattr(steps, rng.choice(ACTIONS))(rng)
        steps.check()
    steps.finish()
