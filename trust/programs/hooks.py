"""Two hooks for an agent framework: who may be handed work, and what a step came to (docs/a2a.md 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from trust.core import identity
from trust.errors import ClientError, TrustError
from trust.programs.hand import Hand
from trust.programs.products import Product
from trust.verify.files import verify_scores
from trust.verify.scores import AgentScores, NamedScore

NEWCOMER = NamedScore("", "", 0, 0, 0, 0)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a framework that did a posted task: artifacts by name, and the claims or digests they were made from.

    Where `claim` is empty, the task is claimed with `stake_units` first, unless it was before.
    """

    task: str
    artifacts: Mapping[str, bytes]
    claim: str = ""
    stake_units: int = 0
    made_from: tuple[str, ...] = ()


class Recorded(NamedTuple):
    """What a step came to on the log: the receipt of its output, and the bundle of its claim, as files."""

    task: str
    claim: str
    entry: int
    receipt: bytes
    bundle: bytes


class Hooks:
    """The hooks of one agent, whose key and limits are a `Hand`'s."""

    def __init__(self, hand: Hand) -> None:
        self.hand = hand

    async def gate(self, agent: str, task_kind: str, least_ppm: int, *, role: str = "worker") -> NamedScore:
        """Returns an agent's score, proven by its score file, that relays rank by; `ClientError` below-score where its
        priority is less. `agent` is a DID: what a handle stands for is the service's word alone."""
        try:
            identity.key_of(agent)
        except identity.InvalidKey:
            raise ClientError(
                "malformed", f"{agent[:80]!r} is no DID", hint="look a handle up first"
            ) from None
        client = self.hand.client
        try:
            file = await client.score_file(agent)
        except TrustError as error:
            if error.code != "not-yet":
                raise
            if least_ppm:
                raise below("no scores are sealed yet") from None
            return NEWCOMER
        return standing(verify_scores(file, client.exchanges.key), agent, task_kind, least_ppm, role)

    async def take(self, task: str, stake_units: int) -> str:
        """Returns this agent's claim on a task, won now or before."""
        for claim in await self.hand.worker.underway():
            if claim["task"] == task:
                return str(claim["claim"])
        return (await self.hand.claim(task, stake_units)).claim

    async def record(self, step: Step) -> Recorded:
        """Delivers what a step made as the output of its task, opened; the same step again is delivered once."""
        if not step.artifacts:
            raise ClientError("malformed", "a step has at least one artifact", hint="name one: its bytes")
        claim = step.claim or await self.take(step.task, step.stake_units)
        product = Product(dict(step.artifacts), (), step.made_from)
        done = await self.hand.deliver(claim, product, opened=True)
        bundle = await self.hand.client.bundle(claim)
        return Recorded(step.task, claim, done.index, done.receipt.encode(), bundle)


def standing(
    scores: AgentScores, agent: str, task_kind: str, least_ppm: int, role: str = "worker"
) -> NamedScore:
    """Returns an agent's score in a kind of work, a newcomer's where it has none. `ClientError` below-score where it is
    of another agent, of one that left, or its priority is less than `least_ppm`."""
    if scores.agent != agent or scores.left:
        raise below(f"{agent} is {scores.left}" if scores.left else f"these are the scores of {scores.agent}")
    score = next(
        (each for each in scores.scores if (each.role, each.task_kind) == (role, task_kind)), NEWCOMER
    )
    if score.priority_ppm < least_ppm:
        raise below(
            f"{agent} has {score.priority_ppm} ppm as {role} of {task_kind} (entry {scores.index}), "
            f"less than {least_ppm}"
        )
    return score


def below(why: str) -> ClientError:
    """The error of a gate that stays shut."""
    return ClientError("below-score", why, status=403, hint="hand the work to somebody else, or ask for less")
