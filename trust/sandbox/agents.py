"""The agents of the demo: one requester, reviewers who work and check each other, and two who do not play fair.

An honest reviewer claims through the relay, believes the relay only after the log has named the same winner, agrees on
the scope with the requester alone, works, delivers, and opens what a panel is to see. As a verifier it does the work
again and compares bytes. The liar differs in one method, the silent verifier in another.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trust.client import AsyncTrustClient, Case, Requester, Verifier, Worker
from trust.core.payloads import Items, TaskPost
from trust.errors import TrustError
from trust.relay.link import RelayLink
from trust.sandbox import cast, review
from trust.sandbox.board import Board
from trust.sandbox.cast import Job
from trust.sandbox.peers import Channel, Message, PeerError, calling
from trust.verify.receipts import verify_confirmation

LOOK_S = 2.0

Facts = dict[str, Any]
Tell = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The surroundings that every agent of the demo knows: the service, the log's events, the relay's coordinators."""

    client: AsyncTrustClient
    board: Board
    relay: str
    relay_url: str
    coordinators: tuple[str, ...]
    threshold: int
    tell: Tell


def judge(case: Case) -> bool | Mapping[int, bool]:
    """Does the work of a case again, and compares bytes: the whole report, or item by item."""
    sources = review.sources_of(case.spec)
    if case.task.items is None:
        return list(case.artifacts.values()) == [review.report(source) for source in sources]
    return {index: item == review.report(sources[index]) for index, item in case.items.items()}


class Reviewer:
    """An honest agent: works on the jobs that are its own, and checks whatever it is drawn for."""

    def __init__(self, name: str, seed: bytes, around: Surroundings, votes: Path) -> None:
        self.name = name
        self.around = around
        self.worker = Worker(around.client, seed)
        self.verifier = Verifier(around.client, seed, votes, judge)
        self.did = self.worker.did
        self.jobs: dict[str, Job] = {}
        self.refused: dict[str, TrustError] = {}
        self.agreed: dict[str, Message] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def join(self) -> None:
        """Connects to the relay, and starts to look for seats."""
        around = self.around
        self.link = await RelayLink.open(
            around.relay_url, self.worker.me, self._hear, coordinators=around.coordinators
        )
        await self.link.subscribe([cast.TASK_KIND])
        self._start(self._check())

    async def leave(self) -> None:
        """Stops whatever this agent is doing."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.link.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        running = asyncio.create_task(work, name=self.name)
        self._running.add(running)
        running.add_done_callback(_said_why)

    async def _hear(self, message: Facts) -> None:
        """Takes a message that the relay sends unasked: an offer of a job that this agent goes for starts the work."""
        if message["type"] == "offer" and message["task"] in self.jobs:
            self._start(self._consider(self.jobs[message["task"]], message))

    async def _consider(self, job: Job, offered: Facts) -> None:
        """Goes for the jobs that are its own, as of the entry that made this one open."""
        board = self.around.board
        await board.reached(offered["opened_index"])
        if self.name in (job.again if board.failed_before(job.task) else job.first):
            await self._work(offered)

    # -- as a worker

    async def _work(self, task: Facts) -> None:
        """One task from claim to end; a lost race is remembered and ends it."""
        name = task["task"]
        try:
            request = await self.worker.request(name, self.around.relay, cast.STAKE_UNITS)
            won = await self.link.claim(request)
        except TrustError as error:
            self.refused[name] = error
            await self.around.board.stir()
            return
        around = self.around
        await self.worker.confirmed(won["confirmation"].encode(), around.coordinators, around.threshold)
        self.agreed[name] = await self._agree(won, task["spec_sha256"])
        report, items = await self._produce(await around.client.get_blob(task["spec_sha256"]))
        claim = won["claim"]
        await self.worker.submit(claim, {"report.json": report}, items)
        await self.link.notify(task["requester"], {"task": name, "claim": claim, "output": "delivered"})
        await self._attend(claim, items)

    async def _agree(self, won: Facts, spec_sha256: str) -> Message:
        """Calls the requester directly; returns the scope that it signed."""
        async with calling(won["contact"], self.worker.me, won["requester"]) as channel:
            await channel.say({"type": "won", "task": won["task"], "confirmation": won["confirmation"]})
            scope = await channel.hear()
            if scope.facts.get("claim") != won["claim"] or scope.facts.get("spec_sha256") != spec_sha256:
                raise PeerError(f"a scope for another claim or specification than that of {won['task']}")
            await channel.say({"type": "agreed", "scope": scope.body})
            return scope

    async def _produce(self, spec: bytes) -> tuple[bytes, list[bytes]]:
        """The work: an artifact, and for a batch its items; on another thread, it takes a while."""
        reports = await asyncio.to_thread(lambda: [self.report(source) for source in review.sources_of(spec)])
        if len(reports) == 1:
            return reports[0], []
        files = [json.loads(report) for report in reports]
        summary = {
            "rules": review.RULE_SET,
            "files": len(files),
            "findings": sum(len(f["findings"]) for f in files),
        }
        return review.canonical(summary), reports

    def report(self, source: review.Source) -> bytes:
        """Returns what this agent delivers about one file."""
        return review.report(source)

    async def _attend(self, claim: str, items: list[bytes]) -> None:
        """Opens whatever panels are to see, until the claim has ended."""
        wake = self.around.board.wake[f"{self.did}/{claim}"]
        while self.around.board.find("claim.ended", claim=claim) is None:
            wake.clear()
            with suppress(TrustError):  # a statement that came twice, or after its window: look again
                await self.worker.attend(claim, items)
            await _woken(wake, LOOK_S)

    # -- as a verifier

    async def _check(self) -> None:
        """Takes its seats, for ever: looks when the log moved, and now and then anyway."""
        wake = self.around.board.wake[self.did]
        while True:
            wake.clear()
            try:
                await self.look()
            except (
                Exception
            ) as error:  # whatever went wrong with one seat, the next one is still to be judged
                _complain(self.name, error)
            await _woken(wake, LOOK_S)

    async def look(self) -> None:
        """Does what can be done on every seat that waits."""
        for act in await self.verifier.step():
            if act.error:
                _complain(self.name, act.error)


class Liar(Reviewer):
    """Claims, takes the lease, and delivers a report without having read a line."""

    def report(self, source: review.Source) -> bytes:
        """ "No findings": what most files would get."""
        return review.report_of(source, ())


class Silent(Reviewer):
    """Commits like everybody and never reveals: no verdict, it hopes, and nobody to blame."""

    async def look(self) -> None:
        """Forgets each vote as soon as it is committed."""
        for act in await self.verifier.step():
            if act.did == "commit" and act.accepted:
                self.verifier.book.forget(act.seat)


class Customer:
    """The requester: posts the jobs, agrees with each winner on the scope, and reads what is delivered."""

    def __init__(self, seed: bytes, around: Surroundings) -> None:
        self.around = around
        self.requester = Requester(around.client, seed)
        self.did = self.requester.did
        self.delivered: dict[str, Facts] = {}
        self.agreed: dict[str, Message] = {}

    async def join(self, contact: str) -> None:
        """Connects to the relay; `contact` is where winners may call."""
        around = self.around
        self.link = await RelayLink.open(
            around.relay_url, self.requester.me, self._hear, contact, around.coordinators
        )

    async def leave(self) -> None:
        """Hangs up."""
        await self.link.close()

    async def _hear(self, message: Facts) -> None:
        if message["type"] == "notification":
            self.delivered[message["body"]["task"]] = message["body"] | {"from": message["from"]}
            await self.around.board.stir()

    async def converse(self, channel: Channel) -> None:
        """Answers a call: the caller must be whom the relay confirmed and the log names; then says the scope."""
        greeting = (await channel.hear()).facts
        around, confirmation = self.around, str(greeting.get("confirmation")).encode()
        proven = await self.requester.confirmed(confirmation, around.coordinators, around.threshold)
        winner = verify_confirmation(
            confirmation, around.client.network, around.coordinators, around.threshold
        ).statement
        if winner.worker != channel.other:
            raise PeerError(f"{winner.task} was won by {winner.worker}")
        task = await around.client.task(winner.task)
        scope = {
            "type": "scope",
            "task": winner.task,
            "claim": winner.claim,
            "entry": proven.index,
            "rules": review.RULE_SET,
            "spec_sha256": task["spec_sha256"],
            "deliver": "report.json: canonical JSON, byte for byte what the rule set says",
        }
        offered = await channel.say(scope)
        answer = await channel.hear()
        if answer.facts != {"type": "agreed", "scope": offered.body}:
            raise PeerError("the winner agreed to another scope")
        self.agreed[winner.task] = answer
        await self.around.board.stir()

    async def post(
        self, job: Job, sources: list[review.Source], now_ms: int, allocate: Facts | None = None
    ) -> None:
        """Stores the specification, signs the task, and has the relay bring it to the service and offer it."""
        spec = await self.requester.upload(review.specification(sources))
        batch = len(sources) > 1
        envelope = self.requester.say(
            TaskPost,
            task=job.task,
            task_kind=cast.TASK_KIND,
            spec_sha256=spec,
            price_units=cast.BATCH_PRICE_UNITS if batch else cast.PRICE_UNITS,
            deadline_ms=now_ms + cast.DEADLINE_MS,
            lease_ms=cast.LEASE_MS,
            items=Items(count=len(sources)) if batch else None,
            relay=self.around.relay,
        )
        await self.link.post([envelope], allocate)


async def _woken(wake: asyncio.Event, patience_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_s):  # before Python 3.12 wait_for can lose a cancellation
            await wake.wait()


def _said_why(task: asyncio.Task[None]) -> None:
    """Logs why an agent stopped, where it stopped by an error."""
    if not task.cancelled() and (error := task.exception()):
        _complain(task.get_name(), error)


def _complain(name: str, error: BaseException) -> None:
    print(f"@{name}: {error!r}", file=sys.stderr, flush=True)
