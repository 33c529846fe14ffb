"""Agents that are past their first checked tasks: each of their outputs was drawn, opened, and passed by a panel.

Everybody takes a task at a time; what all say at a step goes to the service in one request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from hashlib import sha256

from tests.relay.networks import VERIFIERS, Network, _deposit, _party, named
from tests.services.statements import ORIGIN, Party
from trust.client import Accepted, AsyncTrustClient
from trust.client.statements import Speaker, cosign
from trust.core import strict
from trust.core.payloads import OutputOpen, VoteCommit, VoteReveal
from trust.core.rules.votes import commitment
from trust.sandbox.board import Board, Event

FIRST = 10
DEPOSITS = 10
STEP_S = 240


class Panels:
    """What the log says of panels, and what their members say."""

    def __init__(self, town: Network, client: AsyncTrustClient, board: Board) -> None:
        self._town, self._client, self._board = town, client, board
        self._verifiers = {each.actor: each for each in (_party(f"verifier {n}") for n in range(VERIFIERS))}

    async def send(self, said: Iterable[bytes]) -> list[Accepted]:
        """All of them, each of which must be taken."""
        results = await self._client.send_many(list(said))
        failed = [each for each in results if not isinstance(each, Accepted)]
        assert not failed, failed[:3]
        return [each for each in results if isinstance(each, Accepted)]

    async def claims(self) -> list[str]:
        """A claim of each agent on a task of its own, delivered."""
        town = self._town
        names = [named("first") for _ in town.agents]
        posted = await self.send(town.task_post(name) for name in names)
        asked = zip(town.agents, names, posted, strict=True)
        won = await self.send(
            cosign(town.claim_of(agent, name, each.index), town.alone) for agent, name, each in asked
        )
        claims = [each.created["claim"] for each in won]
        await self.send(
            town.output_of(agent, claim) for agent, claim in zip(town.agents, claims, strict=True)
        )
        return claims

    async def pass_all(self, claims: list[str]) -> None:
        """Opens the outputs, votes, and waits until all is settled."""
        now = time.time_ns() // 1_000_000
        drawn = await self._every("round.opened", claims)
        await self._client.put_blob(b"done")  # what all of them delivered
        await self.send(
            agent.say(OutputOpen, now, claim=claim)
            for agent, claim in zip(self._town.agents, claims, strict=True)
        )
        seats = [(seat, who) for claim in claims for seat, who, _ in drawn[claim]["seats"]]
        reveals = [(who, self._reveal(seat, self._verifiers[who])) for seat, who in seats]
        await self.send(self._commit(self._verifiers[who], seat, said) for who, (seat, said) in reveals)
        await self.send(
            self._verifiers[who].say(VoteReveal, now, seat=seat, verdict="pass", salt=said.salt)
            for who, (seat, said) in reveals
        )
        await self._every("claim.ended", claims)

    def _reveal(self, seat: str, who: Speaker) -> tuple[str, VoteReveal]:
        salt = strict.base64_of(sha256(seat.encode()).digest())
        said = VoteReveal(
            network=ORIGIN, actor=who.actor, issued_ms=0, expires_ms=1, seat=seat, verdict="pass", salt=salt
        )
        return seat, said

    def _commit(self, who: Speaker, seat: str, said: VoteReveal) -> bytes:
        now = time.time_ns() // 1_000_000
        return who.say(VoteCommit, now, seat=seat, commitment=commitment(ORIGIN, seat, who.actor, said))

    async def _every(self, kind: str, claims: list[str]) -> dict[str, Event]:
        """The event of this kind of each claim."""
        wanted = set(claims)

        def look() -> dict[str, Event] | None:
            events = self._board.events[self._since :]
            found = {
                each["claim"]: each for each in events if each["kind"] == kind and each["claim"] in wanted
            }
            return found if len(found) == len(wanted) else None

        async with asyncio.timeout(STEP_S):
            return await self._board.until_found(look)

    _since = 0

    def from_here(self) -> None:
        """Reads no events again that were there before."""
        self._since = len(self._board.events)


@asynccontextmanager
async def _panels(town: Network) -> AsyncIterator[Panels]:
    board = Board(town.url)
    following = asyncio.create_task(board.follow())
    async with town.client() as client:
        yield Panels(town, client, board)
    following.cancel()


async def past_their_first(town: Network, stake_units: int, tasks: int = FIRST) -> int:
    """Has each agent pass so many checks; returns the largest check rate (ppm) of a claim with this stake from then
    on."""
    async with _panels(town) as panels, town.client() as client:
        treasury = Speaker(ORIGIN, Party("operator").seed)
        now = client.now_ms()
        await panels.send(_deposit(treasury, town.requester.actor, f"more-{n}", now) for n in range(DEPOSITS))
        for _ in range(tasks):
            panels.from_here()
            await panels.pass_all(await panels.claims())
        name = named("next")
        [posted] = await panels.send([town.task_post(name)])
        rates = []
        for agent in town.agents[:5]:
            said = cosign(town.claim_of(agent, name, posted.index, stake_units=stake_units), town.alone)
            rates.append(int((await client.try_claim(said))["rate_ppm"]))
    return max(rates)
