"""The holder of an agent's key: its statements go through its owner's limits, and due steps are done automatically.

Due by itself are only steps that were decided before: revealing a vote that was committed, opening an output that was
delivered. Both are on disk before the service hears of them, so a process that starts again goes on with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from logging import getLogger
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from trust.client import (
    Accepted,
    AsyncTrustClient,
    Outbox,
    Requester,
    Retry,
    ServiceError,
    Unreachable,
    Verifier,
    Worker,
)
from trust.client.outbox import is_decided
from trust.core.commands import effective
from trust.core.payloads import OutputOpen, Payload, TaskPost
from trust.core.policy import Policy
from trust.errors import ClientError, TrustError
from trust.escaping import escaped
from trust.log.ed25519 import PrivateKey
from trust.log.note import Verifier as LogVerifier
from trust.programs.claiming import asked, receipt_of, renewing, won
from trust.programs.owner import Allowance, beyond
from trust.programs.products import Product, Products
from trust.programs.spending import SpendingBook
from trust.relay.link import RelayLink
from trust.verify.failures import NotProven

LOOK_S = 1.0
RETRY = Retry(first_ms=50, longest_ms=1_000, total_ms=15_000)

Facts = dict[str, Any]
Due = Callable[[], Awaitable[bool]]
logger = getLogger(__name__)


class Won(NamedTuple):
    """A claim that was won, and the entry that proves it."""

    claim: str
    entry: int


class Hand:
    """One agent at one service, and at one relay where `relays` are given. `folder` is for what must outlast it."""

    def __init__(
        self,
        client: AsyncTrustClient,
        seed: PrivateKey,
        allowance: Allowance,
        relays: Sequence[str],
        folder: Path,
        votes: Path,
        actor: str = "",
    ) -> None:
        self.client = client
        self.allowance = allowance
        self.products = Products(folder / "outputs")
        self.worker = Worker(client, seed, actor)
        self.requester = Requester(client, seed, actor)
        self.verifier = Verifier(client, seed, votes, _undecided, actor)
        self.spending = SpendingBook(folder / "spent.json", allowance.most_per_day_units, client.now_ms)
        self.stirred = asyncio.Event()
        self._unanswered = folder / "unanswered"
        self._relays = list(relays)
        self._link: RelayLink | None = None
        self._linking = asyncio.Lock()
        self.claiming = asyncio.Lock()
        self._opening = asyncio.Lock()

    @property
    def did(self) -> str:
        """The agent's id."""
        return self.worker.did

    async def link(self) -> RelayLink:
        """Returns the connection to the relay, made when it is first needed."""
        async with self._linking:
            if self._link is None:
                if not self._relays:
                    raise ClientError(
                        "no-relay", "claims go through a relay", hint="start with --relay ws://..."
                    )
                try:
                    self._link = await RelayLink.open(self._relays, self.worker.me, _unheard)
                except TimeoutError as error:
                    raise Unreachable(f"no relay answers at {', '.join(self._relays)}") from error
            return self._link

    async def tell(self, kind: type[Payload], within: str = "", **fields: Any) -> Accepted:
        """Says it to the service, once: where an answer was lost, the same again is the same bytes. `within` are the
        durations that times among the fields follow from."""
        with self._kept(within) as outbox:
            return await self.client.send(self.worker.say(kind, **fields), outbox)

    async def tell_all(self, envelopes: Sequence[bytes], within: str) -> list[Accepted | ServiceError]:
        """The same of several statements, in order; one result each."""
        with self._kept(within) as outbox:
            results = await self.client.send_many(envelopes, outbox)
            for each in results:
                if isinstance(each, ServiceError) and not is_decided(each):
                    raise each
            return results

    @contextmanager
    def _kept(self, within: str) -> Iterator[Outbox]:
        """An outbox, emptied of what was decided when the block is left."""
        outbox, is_good = Outbox(self._unanswered, within), False
        try:
            yield outbox
            is_good = True
        finally:
            outbox.settle(is_good=is_good)

    async def policy(self) -> Policy:
        """The policy in force, as the service shows it."""
        facts = await self.client.policy()
        try:
            return msgspec.convert(facts["terms"], Policy)
        except (msgspec.ValidationError, LookupError) as error:
            raise NotProven(f"the service shows no policy that this release reads: {error}") from None

    async def claim(self, task: str, stake_units: int) -> Won:
        """Claims a task through the relay, where the owner's rules allow what its requester is proven to ask."""
        async with self.claiming:
            facts = await self.client.task(task)
            if facts["state"] != "open":
                raise ClientError(
                    "task-closed", f"{task} is {facts['state']}", status=409, hint="take another task"
                )
            posted = await self._posted(task, facts["index"])
            terms = {
                "task_kind": posted.task_kind,
                "price_units": posted.price_units,
                "requester": posted.actor,
                "stake_units": stake_units,
            }
            if why := self.allowance.hindrance(terms, self.client.now_ms()):
                raise beyond(why)
            if len(await self.worker.underway()) >= self.allowance.at_once:
                raise beyond(
                    f"as many claims as are allowed at once ({self.allowance.at_once}) have not ended"
                )
            link = await self.link()
            self.spending.book(f"a stake on {task}", stake_units)
            request = await self.worker.claim_of(task, link.relay, stake_units, facts["index"])
            answer = await asked(link, request)
        claim = won(answer, self.client.exchanges.key, self.did, task)
        return Won(claim, receipt_of(answer).index)

    async def _posted(self, task: str, index: int) -> TaskPost:
        """What a requester signed, proven: the owner's rules are held against nothing less."""
        spoken = (await self.client.receipt(index))[1].spoken
        payload = effective(spoken).payload if spoken else None
        if not isinstance(payload, TaskPost) or payload.task != task:
            raise NotProven(f"entry {index} does not post {task}")
        return payload

    async def deliver(self, claim: str, product: Product, *, opened: bool) -> Accepted:
        """Delivers a claim's output. The first decided output is the only one, also after a restart."""
        facts = await self.client.claim(claim)
        if facts["worker"] != self.did:
            raise ClientError(
                "wrong-worker", f"{claim} is not mine", status=403, hint="my_state lists my claims"
            )
        before = self.products.get(claim)
        if before is None:
            self.products.keep(claim, product)
        elif before != product:
            raise ClientError(
                "output-exists",
                f"another output was decided on for {claim}",
                status=409,
                hint="nothing was signed; two outputs for one claim convict a worker: deliver the first one again",
            )
        done = await self.worker.submit(
            claim, product.artifacts, product.items, product.inputs, opened=opened
        )
        self.stirred.set()
        return done

    @asynccontextmanager
    async def renewing(self, claim: str) -> AsyncIterator[None]:
        """Renews the lease of a claim in the block that works on it, as far as the policy allows."""

        def tell(did: str, **facts: Any) -> None:
            logger.warning("%s: %s", did, escaped(str(facts)))

        facts = await self.client.claim(claim)
        async with renewing(self.worker, facts, self.client.now_ms, tell):
            yield

    async def open(self, claim: str, *, undrawn: bool = True) -> list[Accepted]:
        """Opens an output, or the drawn items of a batch; where nothing is drawn yet only if `undrawn`. Nothing is
        signed where that was done before."""
        async with self._opening:
            product = self.products.get(claim)
            output = (await self.client.claim(claim)).get("output")
            if output is not None and output.get("opened"):
                return []
            done = await self.worker.attend(claim, product.items if product else ())
            if not done and undrawn and not (product and product.items):
                done = [await self.worker.send(OutputOpen, claim=claim)]
            return done

    # -- what falls due

    async def attend(self) -> None:
        """Reveals and opens what is due until cancelled. A failed step is tried again and holds up nothing else."""
        while True:
            dues: list[Due] = [
                self._votes,
                *(partial(self._output, claim) for claim in self.products.claims()),
            ]
            waits = [await _tried(due) for due in dues]
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S if any(waits) else None):
                    await self.stirred.wait()
            self.stirred.clear()

    async def _votes(self) -> bool:
        """Reveals the votes that are due; returns whether a vote still waits."""
        decided = [duty for duty in await self.verifier.duties() if self._decided(duty)]
        for duty in decided:
            await self.verifier.act(duty)
        return bool(decided)

    async def _output(self, claim: str) -> bool:
        """Opens the drawn part of an output; returns whether its claim goes on."""
        facts = await self.client.claim(claim)
        if facts["ended_ms"]:
            self.products.drop(claim)
        elif facts["state"] == "checking":
            await self.open(claim, undrawn=False)
        return not facts["ended_ms"]

    def _decided(self, duty: Facts) -> bool:
        """Returns whether the vote of a seat is on disk: committed, or about to be."""
        try:
            return self.verifier.book.get(duty["seat"]) is not None
        except TrustError:
            return False

    async def close(self) -> None:
        """Closes the connections."""
        if self._link is not None:
            await self._link.close()


async def _tried(due: Due) -> bool:
    """Runs a due step; returns True, to be tried again, where it failed for any reason."""
    try:
        return await due()
    except Exception as error:
        logger.warning("not done yet: %s: %s", type(error).__name__, escaped(str(error)))
        return True


def _undecided(_: object) -> None:
    """Never judges: a model decides by `vote` before anything is committed."""
    raise ClientError("no-verdict", "nobody has judged this seat")


async def _unheard(_: Facts) -> None:
    """Ignores the relay's unasked messages: the service is asked instead."""


@asynccontextmanager
async def holding(
    services: Sequence[str],
    vkey: str | LogVerifier,
    seed: PrivateKey,
    allowance: Allowance,
    relays: Sequence[str],
    folder: Path,
    votes: Path,
    actor: str = "",
) -> AsyncIterator[Hand]:
    """Yields a hand whose due steps are done inside of the block."""
    async with AsyncTrustClient(services, vkey, retry=RETRY) as client:
        hand = Hand(client, seed, allowance, relays, folder, votes, actor)
        attending = asyncio.create_task(hand.attend())
        try:
            yield hand
        finally:
            attending.cancel()
            await asyncio.gather(attending, return_exceptions=True)
            await hand.close()
