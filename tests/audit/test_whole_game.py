"""A running service in whose log the whole game was played, audited over HTTP on both databases: no difference.

Challenges won, lost and returned; canaries good and bad; evidence of every type; parties that leave with work open; an
allocation. What the service answers about all of it is held against the replay too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.house import KIND, House, house
from tests.api.test_convictions import false_word, lied, note, shown
from tests.audit.test_answers import proxied
from tests.services.statements import ORIGIN, Party
from trust.audit.auditing import audit
from trust.audit.report import Report
from trust.client.canaries import Canaries
from trust.core.commands import Spoken
from trust.core.payloads import (
    AgentRegister,
    AgentRevoke,
    CanaryCommit,
    CanaryOpen,
    ClaimAbandon,
    EvidenceSubmit,
    OutputOpen,
    TaskAllocate,
    VerdictChallenge,
)
from trust.verify.evidence import said_of

OPEN_BY_MS = 600_000


class Game:
    """What is done to the service; `ends` are how its claims and challenges ended."""

    def __init__(self, home: House) -> None:
        self.home = home
        self.ends: dict[str, str] = {}

    def play(self) -> None:
        """Everything, what stops claims last."""
        self.allocate()
        self.canary("good", "pass", "canary-right")
        self.canary("bad", "fail", "canary-wrong")
        self.dispute("won", self.home.workers[1], "fail")
        self.dispute("lost", self.home.requester, "pass")
        self.dispute("returned", self.home.requester, "pass", "pass", "fail", "fail", "")
        self.convict()
        self.leave()

    def judged(self, task: str) -> str:
        """A claim whose first panel said pass."""
        home = self.home
        claim = home.delivered(task)
        home.wait(lambda: home.get(f"/v1/claims/{claim}")["rounds"])
        home.done("/v1/outputs", home.say(OutputOpen, home.workers[0], claim=claim))
        home.vote(claim, "pass")
        return claim

    def ended(self, claim: str) -> dict[str, Any]:
        """The claim as soon as it is over."""
        home = self.home
        found: dict[str, Any] = home.wait(
            lambda: now if (now := home.get(f"/v1/claims/{claim}"))["ended_ms"] else None, 15
        )
        return found

    def dispute(self, task: str, challenger: Party, *verdicts: str) -> None:
        """A pass that somebody challenges, and what the next panel says."""
        home, claim = self.home, self.judged(task)
        said = home.say(VerdictChallenge, challenger, claim=claim, reason="doubt")
        home.done("/v1/challenges", said)
        home.wait(lambda: len(home.get(f"/v1/claims/{claim}")["rounds"]) == 2)
        home.vote(claim, *verdicts)
        self.ends[task] = self.ended(claim)["challenges"][0]["state"]

    def canary(self, task: str, answer: Any, outcome: str) -> None:
        """Work of the operator's own, with this answer; the panel says pass."""
        home = self.home
        secrets = Canaries.made(ORIGIN, _now_ms() + OPEN_BY_MS, [(task, home.workers[0].did, answer)])
        home.done("/v1/admin", home.say(CanaryCommit, home.operator, **secrets.commitment()))
        committed_ms = home.now_ms
        home.wait(lambda: _now_ms() > committed_ms + 300)
        claim = self.judged(task)
        by = home.operator, home.requester, home.workers[0]
        home.done("/v1/admin", home.say(CanaryOpen, *by, **secrets.opening(0)))
        found = self.ended(claim)
        assert {seat["outcome"] for seat in found["rounds"][0]["seats"]} == {outcome}
        self.ends[task] = found["state"]

    def allocate(self) -> None:
        """A task whose worker is drawn, and claims it, and abandons it."""
        home, hands = self.home, [self.hand(f"hand {number}") for number in range(2)]
        index = home.done("/v1/tasks", home.task_post("drawn", relay=home.relay))["receipt"]["index"]
        home.wait(lambda: home.post_to("/v1/tasks", self.allocation(hands)).status_code == 201)
        [place] = home.wait(lambda: home.get("/v1/tasks/drawn")["allocation"]["shortlist"])
        worker = next(hand for hand in hands if hand.did == place["agent"])
        claim = home.done("/v1/claims", home.claim("drawn", index, worker))["result"]["claim"]
        home.done("/v1/claims", home.say(ClaimAbandon, worker, claim=claim))
        self.ends["drawn"] = self.ended(claim)["state"]

    def hand(self, name: str) -> Party:
        """Somebody who offers the work that is allocated."""
        home, hand = self.home, Party(name)
        work = home.register(hand).payload
        assert isinstance(work, AgentRegister)
        home.done("/v1/agents", home.say(AgentRegister, hand, pow=work.pow, capabilities=(KIND,)))
        home.done("/v1/stakes", home.deposit(hand.did, 10_000))
        return hand

    def allocation(self, hands: list[Party]) -> Spoken:
        """Asks for a draw among these; refused until the pool that they are in is sealed."""
        home, among = self.home, tuple(hand.did for hand in hands)
        terms: dict[str, Any] = {"candidates": among, "shortlist": 1, "exclusive_ms": 5_000}
        return home.say(TaskAllocate, home.coordinator, task="drawn", relay=home.relay, **terms)

    def convict(self) -> None:
        """Evidence of every type."""
        home = self.home
        claim, first, second, _ = lied(home, "two-outputs")
        home.done("/v1/evidence", shown(home, "equivocation", first, second))
        both = [("two-faced", home.workers[1].did, answer) for answer in ("pass", "fail")]
        secrets = Canaries.made(ORIGIN, _now_ms() + OPEN_BY_MS, both)  # type: ignore[arg-type]
        home.done("/v1/admin", home.say(CanaryCommit, home.operator, **secrets.commitment()))
        openings = [home.say(CanaryOpen, home.operator, **secrets.opening(number)) for number in (0, 1)]
        home.done("/v1/admin", openings[0])
        home.done("/v1/evidence", shown(home, "canary", *openings))
        notes = tuple(note(home, size=7, root=bytes([number]) * 32) for number in (1, 2))
        home.done("/v1/evidence", shown(home, "log-fork", notes=notes))
        lie = said_of(false_word(home, claim))
        home.done("/v1/evidence", home.say(EvidenceSubmit, home.requester, **lie))

    def leave(self) -> None:
        """A requester leaves with a task open, a verifier by itself, a worker because the operator says so."""
        home = self.home
        home.done("/v1/tasks", home.task_post("left-open"))
        home.done("/v1/agents", home.say(AgentRevoke, home.requester, reason="done"))
        home.done("/v1/agents", home.say(AgentRevoke, home.verifiers[0], reason="done"))
        said = home.say(AgentRevoke, home.operator, reason="abuse", party=home.workers[1].did)
        home.done("/v1/agents", said)
        home.wait(lambda: home.get("/v1/tasks/left-open")["state"] == "closed")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def audited(home: House) -> Report:
    """The audit of the service as it runs, with every answer that it gives."""
    return audit(proxied(home), home.vkey, sample=None)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])])
def game(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Game]:
    """The game, played on each kind of database."""
    database_url = request.getfixturevalue(f"{request.param}_url")
    with house(tmp_path, database_url, challenge_ms=1_500, evidence_ms=60_000, unbonding_ms=400_000) as home:
        home.settle_in(verifiers=9)
        yield Game(home)


def test_the_audit_of_a_service_with_the_whole_game_in_its_log_finds_no_difference(game: Game) -> None:
    game.play()
    assert game.ends == {
        "drawn": "abandoned",
        "good": "voided",
        "bad": "voided",
        "won": "won",
        "lost": "lost",
        "returned": "returned",
    }
    report = audited(game.home)
    assert report.findings == ()
    assert [line.ok for line in report.steps] == [True] * len(report.steps)
    assert report.statements["evidence.submit"] == 4
    assert report.statements["verdict.challenge"] == 3
    assert report.statements["agent.revoke"] == 3
    assert report.statements["task.allocate"] == 1
    assert (report.sums.total, report.sums.overdrawn) == (0, ())
