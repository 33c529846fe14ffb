"""The agents of the demo: those of the hybrid pattern, of whom each goes for the jobs that are its own, and two who do
not play fair. The liar differs from the rest in one method, the silent verifier in another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trust.client import AsyncTrustClient
from trust.core.payloads import Items
from trust.sandbox import cast, review
from trust.sandbox.board import Board
from trust.sandbox.cast import Job
from trust.sandbox.crew import Place
from trust.sandbox.patterns.hybrid import Hybrid, HybridHand

Facts = dict[str, Any]
Tell = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The surroundings that every agent of the demo knows: the service, the log's events, the relay."""

    client: AsyncTrustClient
    board: Board
    place: Place
    tell: Tell


class Reviewer(HybridHand):
    """An honest agent: works on the jobs that are its own, and checks whatever it is drawn for."""

    scope_s = 60.0
    at_once = len(cast.JOBS) + cast.MAX_EXTRA_TASKS

    def __init__(self, name: str, seed: bytes, around: Surroundings, votes: Path) -> None:
        super().__init__(name, seed, around.client, around.place, votes)
        self.board = around.board
        self.jobs: dict[str, Job] = {}

    async def hear(self, message: Facts) -> None:
        """Looks at an offer as of the entry that made its task open."""
        if message["type"] == "offer":
            await self.board.reached(message["opened_index"])
        await super().hear(message)

    def hindrance(self, task: Facts) -> str:
        """Returns why it does not go for a task: it is for others at first, or after somebody failed on it."""
        job = self.jobs.get(task["task"])
        names = () if job is None else job.again if self.board.failed_before(job.task) else job.first
        return "" if self.name in names else "it is for others"


class Liar(Reviewer):
    """Claims, takes the lease, and delivers a report without having read a line."""

    def produce(self, spec: bytes) -> bytes:
        """ "No findings": what most files would get."""
        return review.report_of(review.sources_of(spec)[0], ())


class Silent(Reviewer):
    """Commits like everybody and never reveals: no verdict, it hopes, and nobody to blame."""

    def say(self, did: str, **facts: Any) -> None:
        """Forgets each vote as soon as it is committed."""
        if did == "commit":
            self.checks.verifier.book.forget(facts["seat"])


class Customer(Hybrid):
    """The requester: posts the jobs, agrees with each winner on the scope, and hears what is delivered."""

    def __init__(self, seed: bytes, around: Surroundings) -> None:
        super().__init__(around.client, around.board, around.place, seed, size=0)
        self.did = self.me.did

    def notified(self, task: str) -> Facts | None:
        """The worker's word that it has delivered."""
        return next((each for each in self.notifications if each["body"]["task"] == task), None)

    async def order(self, job: Job, sources: list[review.Source]) -> None:
        """Posts a job."""
        terms: Facts = {"deadline_ms": self.client.now_ms() + cast.DEADLINE_MS, "lease_ms": cast.LEASE_MS}
        if len(sources) > 1:
            terms |= {"items": Items(count=len(sources)), "price_units": cast.BATCH_PRICE_UNITS}
        allocate = {"shortlist": job.places, "exclusive_ms": cast.EXCLUSIVE_MS} if job.places else None
        await self.post(job.task, review.specification(sources), allocate, **terms)
