"""The story that the demo plays, step by step: post, broadcast, claim, scope, output, notify; then the two who cheat.

Runs inside the agents' process. What happens is said in sentences as it happens; what came of it is for `facts.py`.
Only order and waiting stand here: whatever an agent does, it does in `agents.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from trust.core.lifecycle import ClaimState
from trust.sandbox import cast, review
from trust.sandbox.agents import Customer, Liar, Reviewer, Silent, Surroundings
from trust.sandbox.board import Event
from trust.sandbox.cast import Job

PATIENCE_S = 300.0
EXTRA_AT_ONCE = 3
Library = Mapping[str, list[review.Source]]
KINDS: Mapping[str, type[Reviewer]] = {cast.LIAR: Liar, cast.SILENT: Silent}


def read_library() -> Library:
    """Returns the files to review, by the name that jobs have for each: real source, read once."""
    single = {file: [review.library_file(file)] for file in cast.FILES}
    return single | {cast.BATCH.file: review.standard_library(cast.BATCH_FILES)}


@dataclass(slots=True)
class Story:
    """The players and what they have done so far. `jobs` are the tasks that were posted, in order."""

    around: Surroundings
    customer: Customer
    players: dict[str, Reviewer]
    library: Library
    jobs: list[Job] = field(default_factory=list)

    @classmethod
    def of(cls, around: Surroundings, seeds: Mapping[str, bytes], votes: Path, library: Library) -> Story:
        """Everybody with a key of its own; `votes` is where verifiers keep what they decided."""
        votes.mkdir(parents=True, exist_ok=True)
        players = {
            name: KINDS.get(name, Reviewer)(name, seeds[name], around, votes)
            for name in (*cast.REVIEWERS, cast.LIAR, cast.SILENT)
        }
        return cls(around, Customer(seeds[cast.REQUESTER], around), players, library)

    async def play(self) -> None:
        """The whole story; afterwards every task is closed."""
        async with self.customer.answering(), asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(player.join() for player in self.players.values()))
            loser = await self._five_steps()
            second = replace(cast.SECOND, first=(loser.name,))
            others = (cast.BATCH, cast.LIE, cast.DRAWN, second, *cast.SINGLES)
            posting = asyncio.gather(*(self._post(job) for job in others))
            await asyncio.gather(posting, self._lie(), self._drawn(), self._batch(), self._silence(posting))
            await self._end()
        await asyncio.gather(self.customer.leave(), *(player.leave() for player in self.players.values()))

    # -- one task, five steps

    async def _five_steps(self) -> Reviewer:
        """One task from post to notify; returns who lost the race for it."""
        race = cast.RACE
        await self._post(race)
        tell, board = self.around.tell, self.around.board
        tell(
            "post",
            f"@{cast.REQUESTER} posts {race.task} for {cast.PRICE_UNITS} units; the relay offers it to all",
        )
        opened = await board.until("claim.opened", task=race.task)
        winner = self.by_did(opened["worker"])
        loser = next(self.players[name] for name in race.first if self.players[name] is not winner)
        error = await board.until_found(lambda: loser.refused.get(race.task))
        tell(
            "claim",
            f"@{winner.name} and @{loser.name} claim it at once: @{winner.name} wins, entry {opened['index']}",
        )
        tell("claim", f"@{loser.name} gets {error.status} {error.code}, in a note signed by the log")
        scope = await board.until_found(lambda: self.customer.agreed.get(race.task))
        tell(
            "scope",
            f"@{winner.name} and @{cast.REQUESTER} agree on it alone, sealed and signed ({scope.session[:12]})",
        )
        await board.until("output.submitted", claim=opened["claim"])
        tell(
            "output", f"@{winner.name} delivers its report: on the log, with a receipt that verifies offline"
        )
        await board.until_found(lambda: self.customer.notified(race.task))
        tell("notify", f"@{cast.REQUESTER} hears of it through the relay; now peers are drawn to check it")
        return loser

    async def _post(self, job: Job) -> None:
        """Posts a job and tells those who are to go for it."""
        for name in (*job.first, *job.again):
            self.players[name].jobs[job.task] = job
        self.jobs.append(job)
        await self.customer.order(job, self.library[job.file])

    # -- the liar

    async def _lie(self) -> None:
        """The liar delivers without working: found out, slashed, and the task is done by somebody else."""
        tell, board = self.around.tell, self.around.board
        opened = await board.until("claim.opened", task=cast.LIE.task)
        await board.until("output.submitted", claim=opened["claim"])
        tell("lie", f"@{cast.LIAR} wins {cast.LIE.task} and delivers 'no findings' without reading a line")
        drawn = await board.until("round.opened", claim=opened["claim"])
        tell("draw", f"{self.names(drawn)} are drawn to check it, each with a bond; they do the work again")
        ended = await board.until_found(lambda: self.ended(cast.LIE.task, ClaimState.REJECTED))
        tell("verdict", f"they compare bytes: the work was not done, and the claim is {ended['state']}")
        lost = self.lost(f"claim/{ended['claim']}/stake")
        tell("slash", f"@{cast.LIAR} loses {lost} of {opened['stake_units']} units of stake")
        await board.until("task.reopened", task=cast.LIE.task)
        tell("again", f"{cast.LIE.task} is open again: @{cast.LIE.again[0]} takes it, @{cast.LIAR} may not")

    def ended(self, task: str, state: str) -> Event | None:
        """The end of the first claim on this task that ended so."""
        board = self.around.board
        claims = {event["claim"] for event in board.all("claim.opened", task=task)}
        return next((e for e in board.all("claim.ended", state=state) if e["claim"] in claims), None)

    # -- the task whose worker is drawn

    async def _drawn(self) -> None:
        """One task is not for whoever comes first: the relay lets the draw decide."""
        tell, board, task = self.around.tell, self.around.board, cast.DRAWN.task
        drawn = await board.until("task.allocated", task=task)
        names = ", ".join(f"@{self.by_did(agent).name}" for agent, _ in drawn["shortlist"])
        tell("allot", f"the draw gives {task} to {names}, of {drawn['eligible']} who offer such work")
        opened = await board.until("claim.opened", task=task)
        worker, share = self.by_did(opened["worker"]).name, opened["delta_ppm"] // 10_000
        tell("allot", f"@{worker} claims it; praise for drawn work counts {share} % and not 20 %")

    # -- the verifier that never reveals

    async def _silence(self, posting: Awaitable[object]) -> None:
        """Posts more tasks until the draw has seated the silent verifier, which is a matter of chance."""
        await posting
        number = 0
        while (seat := await self.around.board.until_found(self._silent_or_not_seated)) == "":
            if number >= cast.MAX_EXTRA_TASKS:
                raise RuntimeError(f"@{cast.SILENT} was not drawn in {number} more tasks")
            extra = [cast.extra(number + each) for each in range(EXTRA_AT_ONCE)]
            number += len(extra)
            self.around.tell("extra", f"@{cast.SILENT} was not drawn so far: {len(extra)} more tasks")
            await asyncio.gather(*(self._post(job) for job in extra))
        tell = self.around.tell
        tell(
            "silence",
            f"@{cast.SILENT} committed and never revealed ({seat[:4]}..{seat[-6:]}): it goes to jail",
        )
        await self.around.board.until("seat.settled", seat=seat)
        tell("silence", f"@{cast.SILENT} loses {self.lost(self.silent_stake())} units of its stake")

    def silent_stake(self) -> str:
        """The account that the silent verifier's votes answer with."""
        return f"verifier/{self.players[cast.SILENT].did}/stake"

    def _silent_or_not_seated(self) -> str | None:
        """The seat that stayed silent; "" where every panel is drawn and no seat is left to be silent on; else None."""
        board = self.around.board
        seats = self.seats_of(self.players[cast.SILENT].did)
        if silent := [seat for seat in seats if board.find("seat.silent", seat=seat)]:
            return silent[0]
        over = {event["seat"] for event in (*board.all("seat.settled"), *board.all("seat.passed"))}
        claims = {event["claim"]: event["task"] for event in board.all("claim.opened")}
        drawn = {claims[event["claim"]] for event in board.all("round.opened")}
        return "" if over.issuperset(seats) and drawn >= {job.task for job in self.jobs} else None

    # -- the batch, and the end

    async def _batch(self) -> None:
        board, tell, task = self.around.board, self.around.tell, cast.BATCH.task
        opened = await board.until("claim.opened", task=task)
        drawn = await board.until("round.opened", claim=opened["claim"])
        of = f"{drawn['batch']['sample_items']} of {drawn['batch']['items_count']}"
        tell("batch", f"@{cast.BATCH.first[0]} delivers {task}: {of} files are drawn to be checked")
        ended = await board.until_found(lambda: self.ended(task, ClaimState.ACCEPTED))
        verdict = board.find("verdict.reached", claim=ended["claim"]) or {}
        tell("batch", f"the panel's verdict on the batch, in round {verdict['round']}: {verdict['verdict']}")

    async def _end(self) -> None:
        """Waits until every task is closed."""
        for job in self.jobs:
            await self.around.board.until("task.closed", task=job.task)
        self.around.tell("done", f"{len(self.jobs)} tasks are closed, all money is where it belongs")

    # -- what was seen

    def by_did(self, did: str) -> Reviewer:
        """The player with this DID."""
        return next(player for player in self.players.values() if player.did == did)

    def names(self, drawn: Event) -> str:
        """Returns who sits on a panel."""
        return ", ".join(f"@{self.by_did(agent).name}" for _, agent, _ in drawn["seats"])

    def seats_of(self, did: str) -> list[str]:
        """The seats that an agent was drawn for."""
        return [
            seat
            for event in self.around.board.all("round.opened")
            for seat, agent, _ in event["seats"]
            if agent == did
        ]

    def lost(self, account: str) -> int:
        """Returns the units that slashes took from an account."""
        slashes = [event for event in self.around.board.all("money.moved") if "slash" in event["why"]]
        taken: list[int] = [
            units for event in slashes for name, units in event["postings"] if name == account
        ]
        return -sum(taken)
