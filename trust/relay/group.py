"""A coordinator's lines to the others of its group: one each, which stays open, with many questions under way on it.

Signatures are asked for here rather than by a request each, and agents that are connected to another coordinator are
found. Whoever answers first gives the signature: the next one is asked when the one before says no, or is slow. A claim
is brought to the service by who signs it last, so that it and its confirmation take one exchange.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec

from trust import clock
from trust.client import wire
from trust.client.cosigning import PATIENCE_S, Asked, Brought, Cosigners, added
from trust.client.exchanges import Exchanges
from trust.client.problems import ServiceError, Unreachable
from trust.client.statements import Speaker, opened
from trust.client.wire import Exchange
from trust.core.commands import Spoken
from trust.core.payloads import ClaimRequest
from trust.core.receipt import Receipt
from trust.errors import ClientError, TrustError
from trust.relay import link
from trust.relay.link import RelayLink
from trust.verify.failures import NotProven
from trust.verify.receipts import check_confirmed, verify_confirmation, verify_refusal

SLOW_S = 0.25
"""After so long without an answer the next coordinator is asked as well."""
SLOWER = 4
"""A claim that is brought to the service may take so many times as long as usual, before it counts as slow: where all
claims take long, asking two for each would make it worse."""
SHARE = 8
"""The last claim's part in what is usual."""
UP_S = 0.5
"""How long a line that is down is waited for, where nobody else is left."""
AGAIN_S = 1.0
MAX_PASSED = 64
"""Questions of agents that may be under way to one coordinator; more are refused."""

Facts = dict[str, Any]


class Line:
    """The line to one coordinator, made again for ever where it breaks; nobody but that coordinator is spoken to."""

    def __init__(self, did: str, address: str, me: Speaker) -> None:
        self._did = did
        self._url = "ws" + address.removeprefix("http")
        self._me = me
        self._link: RelayLink | None = None
        self._made = asyncio.Event()
        self._passed = 0
        self.usual_s = 0.0
        """How long claims usually take that this coordinator brings to the service."""

    @property
    def is_up(self) -> bool:
        """True while the line is connected."""
        return self._link is not None and self._link.is_up

    async def keep(self) -> None:
        """Opens the line and keeps it open until cancelled."""
        while self._link is None:
            try:
                self._link = await RelayLink.open(self._url, self._me, _nothing, coordinators=[self._did])
            except (TimeoutError, TrustError):
                await asyncio.sleep(AGAIN_S)
        self._made.set()
        try:
            await asyncio.Event().wait()
        finally:
            await self._link.close()

    async def bring(self, members: Facts) -> Facts:
        """Returns the answer to a claim that this coordinator is to sign and bring to the service."""
        begun_ms = clock.monotonic_ms()
        try:
            return await self.ask("cosign", link.PATIENCE_S, **members, bring=True)
        finally:
            took_s = (clock.monotonic_ms() - begun_ms) / 1_000
            self.usual_s += (took_s - self.usual_s) / SHARE

    async def ask(self, kind: str, patience_s: float = PATIENCE_S, /, **members: Any) -> Facts:
        """Returns the answer to one question. Raises its refusal, or `Unreachable`."""
        try:
            async with asyncio.timeout(None if self.is_up else UP_S):
                await self._made.wait()
                assert self._link is not None
                await self._link.up.wait()
            async with asyncio.timeout(patience_s):
                return await self._link.ask(kind, **members)
        except TimeoutError as error:
            raise Unreachable(f"no answer from {self._did}") from error

    async def pass_on(self, sender: str, contact: str, asked: Any) -> Facts:
        """Returns the answer to a request of this coordinator's agent about a party that may be at the other one."""
        if self._passed >= MAX_PASSED:
            raise ClientError("overloaded", f"{self._passed} questions are under way", status=503)
        self._passed += 1
        try:
            return await self.ask("pass", sender=sender, contact=contact, asked=asked)
        finally:
            self._passed -= 1


class Group(Cosigners):
    """The other coordinators, at these addresses by the DIDs of their keys; `me` is this one. `exchanges` verify what
    they say of the service, `size` is the log's, as far as this one has followed it."""

    def __init__(
        self, addresses: Mapping[str, str], me: Speaker, exchanges: Exchanges, size: Callable[[], int]
    ) -> None:
        after = sorted(
            addresses, key=lambda did: (did < me.actor, did)
        )  # so that each asks another one first
        super().__init__({did: addresses[did] for did in after})
        self._lines = {did: Line(did, self._addresses[did], me) for did in after}
        self._exchanges = exchanges
        self._size = size
        self._brought: dict[str, Brought] = {}

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Keeps the lines open inside of the block."""
        keeping = [asyncio.create_task(line.keep()) for line in self._lines.values()]
        try:
            yield
        finally:
            for each in keeping:
                each.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)

    async def find(self, sender: str, contact: str, asked: Any) -> Facts | None:
        """Returns the first answer of a coordinator to whom the requested party is connected; None where it is at
        none of them."""
        for answer in asyncio.as_completed(self._passed_on(sender, contact, asked)):
            try:
                return await answer
            except TrustError:
                continue
        return None

    async def all_of(self, sender: str, contact: str, asked: Any) -> list[Facts]:
        """Returns the answers of all coordinators; those that do not answer are left out."""
        answers = await asyncio.gather(*self._passed_on(sender, contact, asked), return_exceptions=True)
        return [each for each in answers if isinstance(each, dict)]

    def _passed_on(self, sender: str, contact: str, asked: Any) -> list[asyncio.Task[Facts]]:
        up = [line for line in self._lines.values() if line.is_up]
        return [asyncio.create_task(line.pass_on(sender, contact, asked)) for line in up]

    # -- signatures

    def _one_more(
        self, signed: bytes, left: Sequence[str], receipt: Receipt | None, refusals: dict[str, TrustError]
    ) -> Exchange[bytes]:
        return (yield from wire.awaited(partial(self._first, signed, left, receipt, refusals)))

    def brought(self, statement: str) -> Brought | None:
        """The entry of a claim that the last signer brought to the service itself, and its confirmation; once."""
        return self._brought.pop(statement, None)

    async def _first(
        self, signed: bytes, left: Sequence[str], receipt: Receipt | None, refusals: dict[str, TrustError]
    ) -> bytes:
        """Returns the envelope with the first signature that a coordinator gives; the connected ones are asked
        first. Raises the service's own refusal of a claim."""
        waiting: dict[asyncio.Task[bytes], str] = {}
        to_ask = deque(sorted(left, key=lambda did: not self._lines[did].is_up))
        sent, size = opened(signed), self._size()
        slow_s = self._slow_s(sent)
        try:
            while to_ask or waiting:
                if to_ask:
                    did = to_ask.popleft()
                    waiting[asyncio.create_task(self._signed_by(did, sent, receipt))] = did
                patience_s = slow_s if to_ask else None
                done, _ = await asyncio.wait(waiting, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    did = waiting.pop(each)
                    try:
                        return each.result()
                    except (TrustError, ValueError) as error:
                        if self._is_refused(sent, error, size):
                            raise
                        self._note(did, error, refusals)
            return signed
        finally:
            for each in waiting:
                each.cancel()

    def _slow_s(self, sent: Spoken) -> float:
        """Returns the time after which the next coordinator is asked as well."""
        if not isinstance(sent.payload, ClaimRequest):
            return SLOW_S
        return max(SLOW_S, SLOWER * min(line.usual_s for line in self._lines.values()))

    async def _signed_by(self, did: str, sent: Spoken, receipt: Receipt | None) -> bytes:
        line, request = self._lines[did], msgspec.to_builtins(Asked(sent.signed.envelope, receipt))
        if not isinstance(sent.payload, ClaimRequest):
            return added(sent.signed, did, await line.ask("cosign", **request))
        answer = await line.bring(request)
        signed = added(sent.signed, did, answer)
        if "receipt" in answer:
            self._brought[sent.id] = self._proven(signed, sent, did, answer)
        return signed

    def _proven(self, signed: bytes, sent: Spoken, did: str, answer: Facts) -> Brought:
        """Returns the entry to which a coordinator brought a claim, where it proves that and its confirmation holds."""
        shown = wire.shaped(answer, _Brought)
        accepted = self._exchanges.accepted(signed, sent.id, shown.receipt, repeated=shown.repeated)
        confirmation = shown.confirmation.encode()
        said = verify_confirmation(confirmation, self._exchanges.network, [did], 1)
        check_confirmed(said, accepted.entry)
        return Brought(accepted, confirmation)

    def _is_refused(self, sent: Spoken, error: Exception, size: int) -> bool:
        """Returns whether it is the service that refused a claim: by its note, made since this was asked."""
        if not isinstance(error, ServiceError) or not isinstance(note := error.extra.get("refusal"), str):
            return False
        try:
            self._exchanges.refused(error, sent.id)
            return verify_refusal(note.encode(), self._exchanges.key).size >= size
        except NotProven:
            return False


class _Brought(msgspec.Struct, frozen=True):
    receipt: Receipt
    confirmation: str
    repeated: bool = False


async def _nothing(_: Facts) -> None:
    """Ignores what a coordinator sends unasked: it concerns agents only."""
