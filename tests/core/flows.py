"""One claim's way through a small network: post, claim, output, draw, openings, votes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any

import msgspec

from tests.core.network import DIGEST, ORIGIN, Net, Who, created
from tests.core.terms import EXACT, policy_of
from trust.core import payloads as p
from trust.core import strict
from trust.core.commands import Spoken
from trust.core.events import MoneyMoved
from trust.core.policy import Policy
from trust.core.records import Allocation, Challenge, Claim, Party, Round, Seat, Task, Timer
from trust.core.rulebook import Decided
from trust.core.rules import votes
from trust.log import merkle

STAKE = 150
PRICE = 100
ARTIFACT = p.Artifact(name="findings.json", sha256="1" * 64, size_bytes=3)


class Batch:
    """Items of a batch output, and the tree over them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._rows = [[merkle.leaf_hash(f"item {index}".encode()) for index in range(count)]]
        while len(self._rows[-1]) > 1:
            self._rows.append(merkle.parents(self._rows[-1]))
        self.root = merkle.root(count, self._node).hex()

    def _node(self, level: int, index: int) -> bytes:
        return self._rows[level][index]

    def leaf(self, index: int) -> str:
        return strict.base64_of(self._rows[0][index])

    def opened(self, index: int) -> p.OpenedItem:
        """An item with its path to the root."""
        path = merkle.inclusion_proof(index, self.count, self._node)
        return p.OpenedItem(index=index, leaf=self.leaf(index), path=tuple(map(strict.base64_of, path)))


@lru_cache(maxsize=8)
def batch_of(count: int) -> Batch:
    return Batch(count)


class Scene:
    """A requester, two workers, a relay of one, and verifiers whose pool is sealed."""

    def __init__(self, net: Net, verifiers: int = 12, kinds: tuple[str, ...] = (EXACT, "essay")) -> None:
        self.net = net.found()
        net.deposit("operator/bond", 5_000)
        self.relay = net.register_relay([net.coordinator], 1)
        self.requester, self.worker, self.rival = (
            net.join(name, capabilities=(EXACT,)) for name in ("requester", "worker", "rival")
        )
        self.verifiers = [net.join(f"verifier {number}", 8_000) for number in range(verifiers)]
        net.enroll(*self.verifiers, kinds=kinds)
        self.batch: Batch | None = None

    def fork(self) -> Scene:
        """Another scene with this one's past."""
        other = object.__new__(Scene)
        other.__dict__.update(self.__dict__)
        other.net = self.net.fork()
        return other

    # -- tasks and claims

    def post(self, task: str = "t1", who: Who | None = None, **terms: Any) -> Decided:
        return self.net.say(p.TaskPost, who or self.requester, **self.terms(task, **terms))

    def terms(self, task: str = "t1", **terms: Any) -> dict[str, Any]:
        """The fields of a `task.post`."""
        return {
            "task": task,
            "task_kind": EXACT,
            "spec_sha256": DIGEST,
            "price_units": PRICE,
            "deadline_ms": self.net.now_ms + 1_000_000,
            **terms,
        }

    def request(self, task: str = "t1", worker: Who | None = None, **fields: Any) -> Spoken:
        """A `claim.request` through the relay."""
        posted = self.net.draft.get(Task, task)
        said = {
            "task": task,
            "task_index": posted.index if posted else 0,
            "relay": self.relay,
            "stake_units": STAKE,
            **fields,
        }
        return self.net.statement(p.ClaimRequest, worker or self.worker, self.net.coordinator, **said)

    def allocation(self, task: str = "t1", **fields: Any) -> Spoken:
        """A `task.allocate` of the relay, among everybody where it names nobody."""
        said = {"relay": self.relay, "candidates": (), "shortlist": 1, "exclusive_ms": 1_000, **fields}
        return self.net.statement(p.TaskAllocate, self.net.coordinator, task=task, **said)

    def allocated(self, task: str = "t1", **fields: Any) -> Allocation:
        """Posts a task for the relay to hand out, has it allocated, and makes the draw."""
        terms = {name: fields.pop(name) for name in ("price_units", "deadline_ms") if name in fields}
        self.post(task, relay=self.relay, **terms)
        self.net.do(self.allocation(task, **fields))
        self.net.do(self.net.shortlist_draw_of(task))
        return self.net.get(Allocation, task)

    def claim(self, task: str = "t1", worker: Who | None = None, **fields: Any) -> str:
        return str(created(self.net.do(self.request(task, worker, **fields)), "claim"))

    def claimed(self, task: str = "t1", **terms: Any) -> str:
        """Posts a task and claims it."""
        self.post(task, **terms)
        return self.claim(task)

    def worker_of(self, claim: str) -> Who:
        return self.net.people[self.net.get(Claim, claim).worker]

    def output(self, claim: str, **fields: Any) -> Spoken:
        if self.batch is not None:
            fields = {"items_root": self.batch.root, "items_count": self.batch.count, **fields}
        said = {"claim": claim, "artifacts": (ARTIFACT,), **fields}
        return self.net.statement(p.OutputSubmit, self.worker_of(claim), **said)

    def submitted(self, task: str = "t1", **terms: Any) -> str:
        """Posts, claims and delivers."""
        claim = self.claimed(task, **terms)
        self.net.do(self.output(claim))
        return claim

    def drawn(self, task: str = "t1", **terms: Any) -> str:
        """Posts, claims, delivers, and draws the first panel."""
        claim = self.submitted(task, **terms)
        self.net.draw(claim)
        return claim

    def opened(self, task: str = "t1", **terms: Any) -> str:
        """The same, up to the commit window of the first panel."""
        claim = self.drawn(task, **terms)
        self.open(claim)
        return claim

    def batch_task(self, count: int, **items: Any) -> dict[str, Any]:
        """Terms for a task of `count` items; outputs from here on are batches of as many."""
        self.batch = batch_of(count)
        return {"items": p.Items(count=count, **items)}

    # -- openings

    def open(self, claim: str) -> None:
        """Opens the output, or every drawn item of every place."""
        worker = self.worker_of(claim)
        if not self.round(claim).items:
            self.net.say(p.OutputOpen, worker, claim=claim)
            return
        for seat in self.seats(claim):
            indices = self.items_of(seat)
            for start in range(0, len(indices), 16):
                self.net.say(
                    p.ItemsOpen, worker, seat=seat.id, items=self.opening(indices[start : start + 16])
                )

    def opening(self, indices: Sequence[int]) -> tuple[p.OpenedItem, ...]:
        assert self.batch is not None
        return tuple(map(self.batch.opened, indices))

    def items_of(self, seat: Seat) -> tuple[int, ...]:
        items = self.net.get(Round, f"{seat.claim}/{seat.round}").items
        return items[seat.place] if items else ()

    # -- votes

    def round(self, claim: str) -> Round:
        return self.net.get(Round, f"{claim}/{self.net.get(Claim, claim).round}")

    def seats(self, claim: str) -> list[Seat]:
        """The current seat of each place of the current panel."""
        return [self.net.get(Seat, seat) for seat in self.round(claim).seats]

    def sitter(self, seat: Seat) -> Who:
        return self.net.people[seat.agent]

    def vote(self, seat: Seat, verdict: str = "pass", bad: Sequence[int] = ()) -> dict[str, Any]:
        """The fields of a `vote.reveal`; on a batch the verdict follows from the items called bad, but for a void."""
        mine = self.items_of(seat) if verdict != "void" else ()
        fields: dict[str, Any] = {"seat": seat.id, "verdict": verdict, "salt": salt_of(seat)}
        if mine:
            assert self.batch is not None
            fields["items"] = tuple(
                p.JudgedItem(index=index, leaf=self.batch.leaf(index), good=index not in bad)
                for index in mine
            )
            fields["verdict"] = "fail" if set(bad) & set(mine) else "pass"
        return fields

    def commitment(self, seat: Seat, vote: Mapping[str, Any]) -> str:
        said = p.VoteReveal(network=ORIGIN, actor=seat.agent, issued_ms=0, expires_ms=0, **vote)
        return votes.commitment(ORIGIN, seat.id, seat.agent, said)

    def commit(self, seat: Seat, vote: Mapping[str, Any]) -> Decided:
        commitment = self.commitment(seat, vote)
        return self.net.say(p.VoteCommit, self.sitter(seat), seat=seat.id, commitment=commitment)

    def reveal(self, seat: Seat, vote: Mapping[str, Any]) -> Decided:
        return self.net.say(p.VoteReveal, self.sitter(seat), **vote)

    def judge(self, claim: str, *verdicts: str, bad: Sequence[Sequence[int]] = ()) -> Decided:
        """Every seat commits and reveals; the last verdict counts for the seats after it too. `bad` is by place."""
        seats = self.seats(claim)
        cast = []
        for place, seat in enumerate(seats):
            verdict = verdicts[min(place, len(verdicts) - 1)] if verdicts else "pass"
            cast.append((seat, self.vote(seat, verdict, bad[place] if bad else ())))
        for seat, vote in cast:
            self.commit(seat, vote)
        return [self.reveal(seat, vote) for seat, vote in cast][-1]

    def judged(self, task: str = "t1", verdict: str = "pass", **terms: Any) -> str:
        """A claim with its first panel's verdict; the challenge window is open."""
        claim = self.opened(task, **terms)
        self.judge(claim, verdict)
        return claim

    def ended(self, task: str = "t1", verdict: str = "pass", **terms: Any) -> str:
        """A claim that is accepted or rejected."""
        claim = self.judged(task, verdict, **terms)
        self.net.tick(self.net.policy.windows.challenge_ms)
        return claim

    # -- challenges

    def challenge(self, claim: str, who: Who, **fields: Any) -> Decided:
        """Somebody doubts the verdict, or the output that was not checked."""
        return self.net.say(p.VerdictChallenge, who, **{"claim": claim, "reason": "doubt", **fields})

    def challenged(self, claim: str, who: Who) -> Challenge:
        """The same; returns the challenge, whose round is drawn."""
        id = str(created(self.challenge(claim, who), "challenge"))
        self.net.draw(claim)
        return self.net.get(Challenge, id)

    def window_over(self, claim: str) -> list[Decided]:
        """Waits for what the claim waits for."""
        return self.net.tick_to(self.net.get(Timer, claim).due_ms)

    # -- reading

    def state(self, claim: str) -> str:
        return self.net.get(Claim, claim).state

    def task_state(self, task: str = "t1") -> str:
        return self.net.get(Task, task).state

    def party(self, who: Who) -> Party:
        return self.net.get(Party, who.did)


def salt_of(seat: Seat) -> str:
    return strict.base64_of(sha256(seat.id.encode()).digest())


@lru_cache(maxsize=16)
def _scene(policy: Policy | None, verifiers: int, kinds: tuple[str, ...]) -> Scene:
    return Scene(Net(policy), verifiers, kinds)


def scene(
    policy: Policy | None = None, verifiers: int = 12, kinds: tuple[str, ...] = (EXACT, "essay")
) -> Scene:
    """A scene of one's own; founded once for all tests that ask for the same."""
    return _scene(policy, verifiers, kinds).fork()


def posted(entries: Iterable[Decided], why: str) -> dict[str, int]:
    """What entries moved for one reason, by account, in units."""
    moved: dict[str, int] = {}
    for entry in entries:
        for event in entry.events:
            if isinstance(event, MoneyMoved) and event.why == why:
                for account, units in event.postings:
                    moved[account] = moved.get(account, 0) + units
    return moved


@lru_cache(maxsize=1)
def _with_unchecked() -> tuple[Scene, str]:
    town = scene(policy_of(trusted_streak=4, margin_ppm=0), verifiers=30)
    for number in range(4):
        town.ended(f"checked-{number}")
    for number in range(30):
        claim = town.drawn(f"lucky-{number}")
        if town.state(claim) == "unchecked":
            return town, claim
        town.open(claim)
        town.judge(claim)
        town.window_over(claim)
    raise AssertionError("the coin never says no")


def unchecked() -> tuple[Scene, str]:
    """A scene of one's own with an output that the coin spared, open to challenge."""
    town, claim = _with_unchecked()
    return town.fork(), claim


def raw(spoken: Spoken, **fields: Any) -> bytes:
    """The payload of a statement as JSON with some fields replaced, whatever they are."""
    said = msgspec.json.decode(spoken.signed.payload)
    return msgspec.json.encode({**said, **fields})
