"""The offers of tasks: to which agents, and in which order.

Agents that are here and subscribed to the kind stand in the order of `POST /v1/priorities`. A task goes to the first
few of them, and while nobody has claimed it to twice as many more, and so on. Of every hundred places as many as the
policy's `probation_ppm` says go to newcomers, one of whom is as likely as the next. A task that was allocated goes to
its shortlist alone until their window is over. Each order and each wave is a decision in the feed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from trust import clock
from trust.errors import TrustError
from trust.relay.feed import Feed
from trust.relay.mirror import Mirror, Work
from trust.relay.session import Session

PLACES = 8
WAVE_S = 0.25
ORDER_MS = 1_000
MAX_ASKED = 1_000
MAX_SHOWN = 400
MAX_LISTED = 100
BUSY_WAITING = 64
"""An agent that has left so many messages unread is passed over: it is not offered more than it reads."""
PPM = 1_000_000

Facts = dict[str, Any]
Rank = Callable[[str, Sequence[str]], Awaitable[Facts]]


@dataclass(slots=True)
class Terms:
    """The policy's terms for newcomers: their share of places, and the record up to which an agent is a newcomer."""

    probation_ppm: int = 40_000
    probation_milli: int = 20_000

    def read(self, policy: Facts) -> None:
        """Reads the terms from an answer of `GET /v1/policy`."""
        allocation = policy.get("terms", {}).get("allocation", {})
        self.probation_ppm = int(allocation.get("probation_ppm", self.probation_ppm))
        self.probation_milli = int(allocation.get("probation_milli", self.probation_milli))


@dataclass(slots=True)
class Order:
    """The agents that may claim work of a kind, as of `size` entries: (agent, rank in ppm), and which of them are
    newcomers."""

    size: int = 0
    made_ms: int = -ORDER_MS
    asked: frozenset[str] = frozenset()
    ranked: tuple[tuple[str, int], ...] = ()
    newcomers: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Offer:
    """The progress of offering one task."""

    offered: set[str] = field(default_factory=set)
    is_to_all: bool = False
    wave: int = 0


class Offering:
    """Offers what is open to the agents in `here`."""

    def __init__(self, mirror: Mirror, here: dict[str, Session], rank: Rank, feed: Feed) -> None:
        self._mirror = mirror
        self._here = here
        self._rank = rank
        self._feed = feed
        self._orders: dict[str, Order] = {}
        self._owed: dict[str, int] = {}
        self._offers: dict[str, _Offer] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._ranking: dict[str, asyncio.Lock] = {}
        self.terms = Terms()
        self.held: set[str] = set()
        self.places = PLACES

    def offer(self, task: str) -> None:
        """Starts to offer a task, unless it is being offered already."""
        if task in self.held or task in self._running:
            return
        running = asyncio.create_task(self._offer(task))
        self._running[task] = running
        running.add_done_callback(lambda _: self._running.pop(task, None))

    def over(self, task: str) -> list[Session]:
        """Ends the offer of a task that was claimed or closed; returns the sessions that it had been offered to."""
        if running := self._running.pop(task, None):
            running.cancel()
        offer = self._offers.pop(task, None)
        return [self._here[did] for did in offer.offered if did in self._here] if offer else []

    def stop(self) -> None:
        """Stops all offers."""
        for running in list(self._running.values()):
            running.cancel()

    def listed(self, kinds: Iterable[str], did: str) -> list[Facts]:
        """Returns the tasks of these kinds that are open to all, the oldest first, for an agent that subscribes
        later."""
        wanted = frozenset(kinds)
        tasks: list[Facts] = []
        for work in self._mirror.tasks.values():
            offer = self._offers.get(work.task)
            is_mine = did in work.shortlist and work.state == "open"
            if work.task_kind in wanted and (is_mine or (offer and offer.is_to_all and self._is_open(work))):
                tasks.append(self.shown(work))
                if len(tasks) == MAX_LISTED:
                    break
        return tasks

    def shown(self, work: Work) -> Facts:
        """Returns a task as agents see it."""
        facts: Facts = msgspec.to_builtins(work)
        facts.pop("is_allocated")
        session = self._here.get(work.requester)
        return {**facts, "contact": session.contact if session else ""}

    # -- one task

    def _is_open(self, work: Work | None) -> bool:
        return work is not None and work.state == "open" and self._mirror.tasks.get(work.task) is work

    async def _offer(self, task: str) -> None:
        work = self._mirror.tasks.get(task)
        offer = self._offers[task] = _Offer()
        if work is not None and work.exclusive_until_ms > self._mirror.at_ms:
            self._tell(work, offer, work.shortlist, "allocated")
            await asyncio.sleep(max(0, work.exclusive_until_ms - clock.now_ms()) / 1_000)
        if work is not None and work.assignee:
            self._tell(work, offer, (work.assignee,), "assigned")
            return
        while work is not None and self._is_open(work):
            order = await self._order(work.task_kind)
            to = self._next(work, order, offer)
            if not to:
                offer.is_to_all = True
                return
            self._tell(work, offer, to, "priority")
            await asyncio.sleep(WAVE_S)

    def _tell(self, work: Work, offer: _Offer, to: Sequence[str], why: str) -> None:
        offer.offered |= set(to)
        self._feed.decide(
            "offered",
            self._mirror.size,
            task=work.task,
            task_kind=work.task_kind,
            wave=offer.wave,
            why=why,
            to=list(to),
        )
        offer.wave += 1
        message = {"type": "offer", **self.shown(work)}
        for did in to:
            if session := self._here.get(did):
                session.tell(message)

    def _next(self, work: Work, order: Order, offer: _Offer) -> list[str]:
        """Returns the agents of the next wave: known ones by rank, and the newcomers' share of places."""
        free = [
            did
            for did, _ in order.ranked
            if did not in offer.offered
            and did != work.requester
            and (session := self._here.get(did)) is not None
            and session.waiting < BUSY_WAITING
        ]
        known = [did for did in free if did not in order.newcomers]
        newcomers = sorted(set(free) & order.newcomers, key=lambda did: _lot(work.task, did))
        to: list[str] = []
        for _ in range(min(len(free), self.places << min(offer.wave, 10))):
            owed = self._owed.get(work.task_kind, 0) + self.terms.probation_ppm
            is_newcomers = bool(newcomers) and (owed >= PPM or not known)
            self._owed[work.task_kind] = min(owed - PPM if is_newcomers else owed, PPM) if known else 0
            to.append((newcomers if is_newcomers else known).pop(0))
        return to

    # -- the order

    async def _order(self, kind: str) -> Order:
        async with self._ranking.setdefault(kind, asyncio.Lock()):
            present = frozenset(did for did, session in self._here.items() if kind in session.kinds)
            order = self._orders.get(kind, Order())
            if clock.monotonic_ms() - order.made_ms < ORDER_MS and order.asked == present:
                return order
            try:
                made = await self._made(kind, present)
            except TrustError:  # the service is away: the order of before, and whoever is new behind it
                rest = tuple((did, 0) for did in sorted(present - order.asked))
                made = Order(order.size, clock.monotonic_ms(), present, order.ranked + rest, order.newcomers)
            if made.ranked != order.ranked:
                self._publish(kind, made)
            self._orders[kind] = made
            return made

    async def _made(self, kind: str, present: frozenset[str]) -> Order:
        asked = sorted(present)
        eligible: list[Facts] = []
        size = self._mirror.size
        for at in range(0, len(asked), MAX_ASKED):
            answer = await self._rank(kind, asked[at : at + MAX_ASKED])
            eligible += [each for each in answer["candidates"] if each["eligible"]]
            size = answer["as_of"]["size"]
        eligible.sort(key=lambda each: -each["rank_ppm"])
        least = self.terms.probation_milli
        return Order(
            size,
            clock.monotonic_ms(),
            present,
            tuple((each["agent"], each["rank_ppm"]) for each in eligible),
            frozenset(each["agent"] for each in eligible if each["observations_milli"] < least),
        )

    def _publish(self, kind: str, order: Order) -> None:
        shown = order.ranked[:MAX_SHOWN]
        self._feed.decide(
            "ordered",
            order.size,
            task_kind=kind,
            candidates=[list(each) for each in shown],
            newcomers=sorted(order.newcomers.intersection(did for did, _ in shown)),
            left_out=len(order.ranked) - len(shown),
        )


def _lot(task: str, did: str) -> bytes:
    """Returns a newcomer's place in the queue for a task, which only a choice of the task's name could influence."""
    return sha256(f"{task}\n{did}".encode()).digest()
