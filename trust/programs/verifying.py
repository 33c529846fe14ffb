"""`trust verify`: takes the seats that its owner is drawn for, and votes what the owner's command finds.

Killed at any moment it goes on where it was: which seats wait the service knows, and a vote is on disk before its
commitment is sent, so a seat has one vote whatever happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from trust.client import AsyncTrustClient, Case, Verifier
from trust.client.verifier import Judgement
from trust.errors import TrustError
from trust.log.ed25519 import PrivateKey
from trust.programs.checking import NoVerdict, verdict_of
from trust.programs.command import Limits, run
from trust.programs.running import Tell

LOOK_S = 1.0
UNTOLD = Limits()
TRIES = 3


class VerifyProgram:
    """One verifier. At most `at_once` cases are judged at the same time; seats of other `kinds` are left alone."""

    def __init__(
        self,
        client: AsyncTrustClient,
        seed: PrivateKey,
        command: Sequence[str],
        votes: Path,
        tell: Tell,
        *,
        kinds: Sequence[str] = (),
        at_once: int = 1,
        limits: Limits = UNTOLD,
        actor: str = "",
    ) -> None:
        self.verifier = Verifier(client, seed, votes, self._judge, actor)
        self.votes = 0
        self._command = command
        self._kinds = frozenset(kinds)
        self._limits = limits
        self._tell = tell
        self._slots = asyncio.Semaphore(at_once)
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._failed: dict[str, int] = {}

    async def run(self) -> None:
        """Votes until it is cancelled."""
        try:
            while True:
                try:
                    await self.look()
                except TrustError as error:
                    self._tell("waits", why=str(error))
                await asyncio.sleep(LOOK_S)
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
            if mine and seat not in self._under_way and self._failed.get(seat, 0) < TRIES:
                self._under_way[seat] = asyncio.create_task(self._act(duty))

    async def _act(self, duty: Mapping[str, Any]) -> None:
        seat = duty["seat"]
        try:
            async with self._slots:
                act = await self.verifier.act(dict(duty))
        finally:
            del self._under_way[seat]
        if act is None:
            return
        if act.error is not None:
            self._failed[seat] = self._failed.get(seat, 0) + 1
            self._tell("failed", seat=seat, claim=duty["claim"], at=act.did, why=str(act.error))
            return
        self.votes += act.did == "reveal"
        self._tell(act.did, seat=seat, claim=duty["claim"], entry=act.accepted and act.accepted.index)

    def _judge(self, case: Case) -> Judgement:
        """Runs the command on a case; raises `NoVerdict`, so that there is no vote, where it reaches none."""
        facts, blobs = case_of(case)
        verdict = verdict_of(run(self._command, facts, blobs, self._limits))
        if verdict.verdict == "void":
            return None
        if not case.items:
            return verdict.verdict == "pass"
        if unknown := set(verdict.bad) - set(case.items):
            raise NoVerdict(f"the command calls items bad that the seat does not judge: {sorted(unknown)}")
        bad = set(verdict.bad) or (set(case.items) if verdict.verdict == "fail" else set())
        return {index: index not in bad for index in case.items}


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
