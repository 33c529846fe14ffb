"""A verifier that works by itself: takes the seats that its owner is drawn for, and votes as it judges.

Killed at any moment it goes on where it was: which seats wait the service knows, and a vote is on disk before its
commitment is sent, so a seat has one vote whatever happens.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any

from trust.client import AsyncTrustClient, Case, Verifier
from trust.client.outbox import is_decided
from trust.client.verifier import Judge, Judgement
from trust.core.lifecycle import Phase
from trust.log.ed25519 import PrivateKey
from trust.programs.checking import NoVerdict, verdict_of
from trust.programs.command import Limits, run
from trust.programs.running import Tell, again
from trust.verify.failures import NotProven

TRIES = 3
"""How often a seat is tried whose judgement or vote is refused; what has no answer is tried again for ever."""

Facts = dict[str, Any]


class VerifyProgram:
    """One verifier. `judge` is asked for at most `at_once` seats at the same time; seats of other `kinds` are left
    alone."""

    look_s = 1.0

    def __init__(
        self,
        client: AsyncTrustClient,
        seed: PrivateKey,
        judge: Judge,
        votes: Path,
        tell: Tell,
        *,
        kinds: Sequence[str] = (),
        at_once: int = 1,
        actor: str = "",
    ) -> None:
        self.verifier = Verifier(client, seed, votes, judge, actor)
        self.stirred = asyncio.Event()
        self._now_ms = client.now_ms
        self._kinds = frozenset(kinds)
        self._tell = tell
        self._slots = asyncio.Semaphore(at_once)
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._failed: Counter[str] = Counter()

    async def run(self) -> None:
        """Votes until it is cancelled."""
        try:
            await again(self.look, self.stirred, self.look_s, self._tell, pause_s=self.look_s / 2)
        finally:
            acting = list(self._under_way.values())
            for each in acting:
                each.cancel()
            await asyncio.gather(*acting, return_exceptions=True)

    async def look(self) -> None:
        """Starts whatever can be done now on a seat, beside what is under way."""
        for duty in await self.verifier.duties():
            seat = duty["seat"]
            mine = not self._kinds or duty["task"]["task_kind"] in self._kinds
            if mine and seat not in self._under_way and self._failed[seat] < TRIES:
                self._under_way[seat] = asyncio.create_task(self._act(duty))

    async def _act(self, duty: Facts) -> None:
        """Judges and commits when there is a slot; what is to be revealed waits for none."""
        seat = duty["seat"]
        try:
            async with self._slots if duty["phase"] == Phase.COMMIT else nullcontext():
                act = await self.verifier.act(duty) if self._is_in_time(duty) else None
        except Exception as error:
            self._failed[seat] += 1
            self._tell("failed", seat=seat, claim=duty["claim"], at="judge", why=repr(error))
            return
        finally:
            del self._under_way[seat]
        if act is None:
            return
        if act.error is not None:
            self._failed[seat] += is_decided(act.error) or isinstance(act.error, NoVerdict | NotProven)
            self._tell("failed", seat=seat, claim=duty["claim"], at=act.did, why=str(act.error))
            return
        self._tell(act.did, seat=seat, claim=duty["claim"], entry=act.accepted and act.accepted.index)

    def _is_in_time(self, duty: Facts) -> bool:
        """Returns whether a seat whose turn has come can still be voted on: work for a late one makes the next late."""
        return bool(self._now_ms() < duty["until_ms"])


def by_command(command: Sequence[str], limits: Limits) -> Judge:
    """Returns what judges a case by running a command; it raises `NoVerdict`, so that there is no vote, where that
    reaches none."""

    def judge(case: Case) -> Judgement:
        facts, blobs = case_of(case)
        verdict = verdict_of(run(command, facts, blobs, limits))
        if verdict.verdict == "void":
            return None
        if not case.items:
            return verdict.verdict == "pass"
        if unknown := set(verdict.bad) - set(case.items):
            raise NoVerdict(f"the command calls items bad that the seat does not judge: {sorted(unknown)}")
        bad = set(verdict.bad) or (set(case.items) if verdict.verdict == "fail" else set())
        return {index: index not in bad for index in case.items}

    return judge


def case_of(case: Case) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Returns `case.json` of a seat, and the blobs that it names by digest."""
    blobs: dict[str, bytes] = {}

    def put(data: bytes) -> str:
        digest = sha256(data).hexdigest()
        blobs[digest] = data
        return digest

    facts = {
        "seat": case.seat,
        "claim": case.claim,
        "task": case.task.task,
        "task_kind": case.task.task_kind,
        "spec_sha256": put(case.spec),
        "worker": case.output.actor,
        "artifacts": [{"name": name, "sha256": put(data)} for name, data in case.artifacts.items()],
        "items": [{"index": index, "sha256": put(data)} for index, data in case.items.items()],
        "inputs": [
            {
                "claim": source,
                "artifacts": [{"name": name, "sha256": put(data)} for name, data in named.items()],
            }
            for source, named in case.inputs.items()
        ],
    }
    return facts, blobs
