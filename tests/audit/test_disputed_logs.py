"""A log with challenges won, lost, not seated and without a verdict, and with parties that left, passes the audit."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from tests.audit.networks import KIND, World, did, signer
from tests.audit.stored import store_at
from trust.audit.auditing import audit
from trust.core.payloads import AgentRevoke, OutputOpen, VerdictChallenge, VerifierEnroll, VerifierLeave
from trust.core.records import Challenge, Claim, Seat, Task
from trust.verify.story import tell

Verdict = Literal["pass", "fail", ""]
VKEY = str(signer().verifier)
CHECKERS = tuple(f"verifier-{number}" for number in range(9))


class Disputes:
    """A world in which claims are challenged; `ends` are the challenges' states, in order."""

    def __init__(self) -> None:
        self.world = World()
        self.ends: list[str] = []
        self.world.deposit("operator/bond", 100_000)
        self.world.register("alice", deposit=1_000_000)
        for agent in ("bob", "carol", "mallory"):
            self.world.register(agent, deposit=100_000)
        for verifier in CHECKERS:
            self.world.register(verifier, deposit=50_000, verifies=True)
        self.relay = self.world.relay()
        self.world.wait(1_000)

    def judged(self, task: str, worker: str, verdict: Verdict) -> str:
        """A claim with a first verdict, open to challenge."""
        claim = self.world.claim(worker, task, self.world.post("alice", task), self.relay)
        self.world.output(worker, claim)
        self.world.serve()
        self.world.say(OutputOpen, worker, claim=claim)
        self.world.judge(claim, lambda _: verdict)
        return claim

    def challenge(self, claim: str, who: str) -> str:
        """Returns the challenge's id; its round waits for the draw."""
        decided = self.world.say(VerdictChallenge, who, claim=claim, reason="doubt")
        return str(msgspec.json.decode(decided.data)["events"][0]["challenge"])

    def reviewed(self, claim: str, who: str, verdicts: tuple[Verdict, ...]) -> None:
        """The challenge, its panel, and how it ended."""
        id = self.challenge(claim, who)
        self.world.serve()
        of = {seat.agent: seat.place for seat in self._seats(claim)}
        self.world.judge(claim, lambda name: verdicts[min(of[did(name)], len(verdicts) - 1)])
        self.world.wait(20_000)
        self.ends.append(self.world.need(Challenge, id).state)

    def _seats(self, claim: str) -> list[Seat]:
        return [self.world.need(Seat, id) for id in self.world.panel(claim).seats]

    def not_seated(self, claim: str, who: str) -> None:
        """A challenge after which too many verifiers leave."""
        id = self.challenge(claim, who)
        leavers = CHECKERS[:7]
        for name in leavers:
            self.world.say(VerifierLeave, name)
        self.world.serve()
        self.ends.append(self.world.need(Challenge, id).state)
        for name in leavers:
            self.world.say(VerifierEnroll, name, task_kinds=(KIND,), stake_units=1_000)
        self.world.wait(2_000)


@pytest.fixture(scope="module")
def disputed() -> Disputes:
    """Every end of a challenge, a requester with open tasks that leaves, and a worker that does."""
    town = Disputes()
    town.reviewed(town.judged("won", "mallory", "pass"), "carol", ("fail",))
    town.reviewed(town.judged("lost", "bob", "pass"), "alice", ("pass",))
    town.not_seated(town.judged("not-seated", "bob", "pass"), "alice")
    town.reviewed(town.judged("no-verdict", "carol", "fail"), "carol", ("pass", "pass", "fail", "fail", ""))
    for number in range(70):
        town.world.post("alice", f"open-{number}")
    town.world.say(AgentRevoke, "alice", reason="done")
    town.world.say(AgentRevoke, "operator", reason="abuse", party=did("mallory"))
    town.world.wait(5_000)
    return town


@pytest.fixture
def stored(disputed: Disputes, database_url: str) -> str:
    """The log in a database of each kind."""
    store_at(disputed.world, database_url)
    return database_url


def test_every_end_of_a_challenge_is_on_the_log(disputed: Disputes) -> None:
    assert disputed.ends == ["won", "lost", "returned", "returned"]
    tasks = [record for record in disputed.world.state.records.values() if isinstance(record, Task)]
    assert not [task for task in tasks if task.state == "open"]


def test_a_log_with_disputes_passes_the_audit(stored: str, disputed: Disputes) -> None:
    report = audit(stored, VKEY)
    assert report.findings == ()
    assert report.ok
    assert report.replayed == len(disputed.world.entries)
    assert report.statements["verdict.challenge"] == 4
    assert report.sums.total == 0
    assert report.sums.overdrawn == ()


def test_a_disputed_case_is_told_in_words(disputed: Disputes) -> None:
    won = next(
        record
        for record in disputed.world.state.records.values()
        if isinstance(record, Claim) and record.task == "won"
    )
    lines = [line.words for line in tell(won.id, enumerate(disputed.world.entries)).lines]
    assert any("challenges the pass" in words and "asks for round 2" in words for words in lines)
    assert any("is won: the verdict that it attacked did not stand" in words for words in lines)
    assert not any("DOES NOT FOLLOW" in words for words in lines)
