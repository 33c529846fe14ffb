"""Which agents may claim work of a kind, and with how much at most, as a co-signer has it from the service.

One request asks for all who are waited for; what it said holds until the log has something that lowers it, and for
`KNOWN_MS` at most. It decides nothing: whoever is not known to be eligible is asked for by `POST /v1/claims/check`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from trust import clock
from trust.errors import TrustError
from trust.relay.batches import Batches

KNOWN_MS = 60_000
MAX_KNOWN = 10_000
LOWERING = frozenset({"party.jailed", "party.left", "stake.slashed", "withdrawal.opened"})
"""Events after which an agent is looked at anew."""

Rank = Callable[[str, Sequence[str]], Awaitable[dict[str, Any]]]


class Eligible:
    """The agents that may claim; `rank` is `POST /v1/priorities`."""

    def __init__(self, rank: Rank) -> None:
        self._rank = rank
        self._stakes: dict[tuple[str, str], tuple[int, int]] = {}
        self._asking: dict[str, Batches[str, int]] = {}

    async def may_claim(self, task_kind: str, agent: str, stake_units: int) -> bool:
        """Returns whether an agent is known to be eligible, with at least this much to stake."""
        stake, until_ms = self._stakes.get((agent, task_kind), (-1, 0))
        if until_ms < clock.monotonic_ms():
            try:
                stake = await self._asked(task_kind).send(agent)
            except TrustError:
                return False
            self._know(agent, task_kind, stake)
        return 0 <= stake_units <= stake

    def forget(self, agent: str) -> None:
        """Drops the knowledge of an agent after an event that may lower what it can stake."""
        for known in [each for each in self._stakes if each[0] == agent]:
            del self._stakes[known]

    def _know(self, agent: str, task_kind: str, stake: int) -> None:
        if len(self._stakes) >= MAX_KNOWN:
            self._stakes.clear()
        if stake >= 0:
            self._stakes[agent, task_kind] = stake, clock.monotonic_ms() + KNOWN_MS

    def _asked(self, task_kind: str) -> Batches[str, int]:
        async def stakes(agents: Sequence[str]) -> list[int | TrustError]:
            answer = await self._rank(task_kind, sorted(set(agents)))
            units = {
                each["agent"]: int(each["stake_units"]) for each in answer["candidates"] if each["eligible"]
            }
            return [units.get(agent, -1) for agent in agents]

        return self._asking.setdefault(task_kind, Batches(stakes))
