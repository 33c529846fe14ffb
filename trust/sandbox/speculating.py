"""`trust sandbox speculate`: when it pays to start before it is certain.

The SDK's own contexts (`trust.client.speculation`) are played many times in virtual time, with waits and work drawn by
seed, and beside each figure stands its closed form. With C the wait for the decision, W the work, w the chance to win
and v what a saved ms is worth against a ms of work:

- a worker saves min(C, W) where it wins and throws min(C, W) away where it loses: it pays where v w > 1 - w, so from
  w = 1 / (1 + v) on, however long C and W are;
- a consumer whose work takes D saves min(S, D), S being the wait for settlement, where the output stays, and throws
  min(T, D) away where a verdict takes it back after T. With p the check rate and f the share of bad outputs it is taken
  back with chance q = p f: it pays where v (1 - q) E[min(S, D)] > q E[min(T, D)].
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from trust.client import Attempt, Early, Following, Lost, ServiceError, TakenBack
from trust.client.following import LoggedEvent
from trust.core.lifecycle import ClaimState
from trust.sandbox import virtual

CHANCES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
RATES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
AT_ONCE = 500
TASK, CLAIM = "task", "claim"


class Terms(msgspec.Struct, frozen=True):
    """The parameters of a game: means in ms of the wait for a claim's decision, of work, of a check and of a
    consumer's work; the challenge window; the share of bad outputs; the worth of a saved ms in ms of work; attempts
    a row, and the seed."""

    wait_ms: int = 40
    work_ms: int = 400
    check_ms: int = 2_000
    window_ms: int = 300
    build_ms: int = 1_500
    bad: float = 0.1
    worth: float = 1.0
    attempts: int = 2_000
    seed: int = 1


class Row(msgspec.Struct, frozen=True):
    """At a chance (of winning, or of a check): ms saved and thrown away an attempt, measured and by the closed form,
    and whether it pays."""

    chance: float
    saved_ms: float
    saved_formula_ms: float
    thrown_ms: float
    thrown_formula_ms: float
    pays: bool


class Speculation(msgspec.Struct, frozen=True):
    """The two tables, and from which chance to win on a worker's speculation pays (None: at none); the largest share of
    bad outputs at which a consumer's still pays where everything is checked."""

    terms: Terms
    worker: tuple[Row, ...]
    worker_pays_from: float | None
    worker_pays_from_formula: float
    consumer: tuple[Row, ...]
    consumer_pays_to_bad: float | None
    consumer_pays_to_bad_formula: float


def measured(terms: Terms) -> Speculation:
    """Plays everything."""
    worker = tuple(_worker_row(terms, chance) for chance in CHANCES)
    consumer = tuple(_consumer_row(terms, rate, terms.bad) for rate in RATES)
    bads = [share / 10 for share in range(1, 10)]
    still = [bad for bad in bads if _consumer_row(terms, 1.0, bad).pays]
    return Speculation(
        terms=terms,
        worker=worker,
        worker_pays_from=next((row.chance for row in worker if row.pays), None),
        worker_pays_from_formula=1 / (1 + terms.worth),
        consumer=consumer,
        consumer_pays_to_bad=max(still, default=None),
        consumer_pays_to_bad_formula=_bad_limit(terms),
    )


# -- a worker


@dataclass(slots=True)
class _Sums:
    """Sums over attempts, measured and by the closed form, in ms."""

    saved: float = 0.0
    thrown: float = 0.0
    saved_formula: float = 0.0
    thrown_formula: float = 0.0

    def row(self, chance: float, terms: Terms) -> Row:
        n = terms.attempts
        return Row(
            chance=chance,
            saved_ms=round(self.saved / n, 2),
            saved_formula_ms=round(self.saved_formula, 2),
            thrown_ms=round(self.thrown / n, 2),
            thrown_formula_ms=round(self.thrown_formula, 2),
            pays=terms.worth * self.saved > self.thrown,
        )


def least_ms(one_ms: float, other_ms: float) -> float:
    """The mean of the lesser of two exponential times with these means."""
    return one_ms * other_ms / (one_ms + other_ms) if one_ms and other_ms else 0.0


def _worker_row(terms: Terms, chance: float) -> Row:
    sums = virtual.run(_contest(terms, chance))
    least = least_ms(terms.wait_ms, terms.work_ms)
    sums.saved_formula, sums.thrown_formula = chance * least, (1 - chance) * least
    return sums.row(chance, terms)


async def _contest(terms: Terms, chance: float) -> _Sums:
    dice, sums = random.Random(f"worker/{terms.seed}/{chance}"), _Sums()

    async def attempt() -> None:
        wait_s, work_s = (dice.expovariate(1) * mean / 1_000 for mean in (terms.wait_ms, terms.work_ms))
        is_won = dice.random() < chance
        worked_s, done_s = await _attempted(wait_s, work_s, is_won)
        sums.saved += (wait_s + work_s - done_s) * 1_000 if is_won else 0.0
        sums.thrown += 0.0 if is_won else worked_s * 1_000

    await _many(attempt, terms.attempts)
    return sums


async def _attempted(wait_s: float, work_s: float, is_won: bool) -> tuple[float, float]:
    """One attempt: how long the work ran, and when the output was delivered or the loss was known, in s."""
    loop = asyncio.get_running_loop()
    began_s = ended_s = loop.time()

    async def bring(_: bytes) -> Mapping[str, Any]:
        await asyncio.sleep(wait_s)
        if is_won:
            return {"index": 0}
        raise ServiceError.of(409, {"code": "already-claimed", "worker": "another"})

    try:
        async with Attempt(cast(Any, _Played()), TASK, bring, None, {}) as work:
            try:
                await asyncio.sleep(work_s)
            finally:
                ended_s = loop.time()
            await work.submit({})
    except Lost:
        pass
    return ended_s - began_s, loop.time() - began_s


# -- a consumer


def _consumer_row(terms: Terms, rate: float, bad: float) -> Row:
    sums = virtual.run(_consumption(terms, rate, bad))
    build = terms.build_ms
    settled = rate * (1 - bad) * _least_after(terms.window_ms, terms.check_ms, build)
    settled += (1 - rate) * _least_after(terms.window_ms, 0, build)
    sums.saved_formula = settled
    sums.thrown_formula = rate * bad * least_ms(terms.check_ms, build)
    return sums.row(rate, terms)


def _least_after(window_ms: float, check_ms: float, build_ms: float) -> float:
    """The mean of the lesser of a wait (an exponential check, then the window) and exponential work."""
    from math import exp

    after = build_ms * (1 - exp(-window_ms / build_ms))
    if not check_ms:
        return after
    outlives = build_ms / (build_ms + check_ms)
    return least_ms(check_ms, build_ms) + outlives * after


def _bad_limit(terms: Terms) -> float:
    """The share of bad outputs up to which building on what is always checked pays."""
    saved = terms.worth * _least_after(terms.window_ms, terms.check_ms, terms.build_ms)
    return saved / (saved + least_ms(terms.check_ms, terms.build_ms))


async def _consumption(terms: Terms, rate: float, bad: float) -> _Sums:
    dice, sums = random.Random(f"consumer/{terms.seed}/{rate}/{bad}"), _Sums()

    async def attempt() -> None:
        check_s, build_s = (dice.expovariate(1) * mean / 1_000 for mean in (terms.check_ms, terms.build_ms))
        is_checked, is_bad = dice.random() < rate, dice.random() < bad
        settles_s = terms.window_ms / 1_000 + (check_s if is_checked else 0.0)
        output = _Output(check_s if is_checked and is_bad else None, settles_s)
        worked_s, done_s = await _built(output, build_s)
        if output.fails_s is None:
            sums.saved += (settles_s + build_s - done_s) * 1_000
        else:
            sums.thrown += worked_s * 1_000

    await _many(attempt, terms.attempts)
    return sums


@dataclass(frozen=True, slots=True)
class _Output:
    """When a verdict takes it back (None: never), and when it settles otherwise; in s."""

    fails_s: float | None
    settles_s: float


async def _built(output: _Output, build_s: float) -> tuple[float, float]:
    """One consumer: how long its work ran, and when it was over, in s."""
    loop = asyncio.get_running_loop()
    began_s = ended_s = loop.time()
    log = Following(cast(Any, None))
    played = _Played()

    async def judge() -> None:
        if output.fails_s is not None:
            await asyncio.sleep(output.fails_s)
            event: dict[str, Any] = {"kind": "verdict.reached", "claim": CLAIM, "verdict": "fail"}
        else:
            await asyncio.sleep(output.settles_s)
            event = {"kind": "claim.ended", "claim": CLAIM, "state": ClaimState.ACCEPTED}
        played.events = (event,)
        log.tell(LoggedEvent(1, event))

    judging = asyncio.create_task(judge())
    try:
        async with Early(cast(Any, played), CLAIM, log, patient=False):
            try:
                await asyncio.sleep(build_s)
            finally:
                ended_s = loop.time()
    except TakenBack:
        pass
    await judging
    return ended_s - began_s, loop.time() - began_s


# -- what both are played against


@dataclass(slots=True)
class _Played:
    """A party and a service that answer at once: all that waits in a game is what the game draws."""

    did: str = "me"
    events: tuple[dict[str, Any], ...] = ()
    exchanges: Any = field(init=False)

    def __post_init__(self) -> None:
        self.exchanges = self

    async def claim_of(self, _: str) -> bytes:
        return b""

    async def submit(self, *_: object) -> None:
        return None

    async def exchange(self, answer: Any) -> Any:
        return answer

    def receipt(self, _: int) -> tuple[None, _Played]:
        return None, self

    def timeline(self, claim: str) -> Sequence[dict[str, Any]]:
        return [{"index": 0, "events": [{"kind": "output.submitted", "claim": claim}]}]

    def event(self, _: str) -> dict[str, Any]:
        return {"task": TASK, "worker": self.did, "claim": CLAIM}


async def _many(attempt: Callable[[], Awaitable[None]], count: int) -> None:
    for start in range(0, count, AT_ONCE):
        await asyncio.gather(*(attempt() for _ in range(min(AT_ONCE, count - start))))
