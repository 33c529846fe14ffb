"""Starting before it is certain: a worker before its claim is final, a consumer before an output's check is over.

Both are contexts around the work (docs/coordination.md 4). `Attempt` is a worker's: the claim is asked for while the
work already runs, and where somebody else wins the work is cancelled and `Lost` comes out of the block; what was made
is submitted only once the claim is won. `Early` is a consumer's: the block is a transaction on an output that nobody
has judged yet; where a verdict takes the output back, the work is cancelled, what it did is undone, and `TakenBack`
comes out. What is heard of is proven by its entry's receipt before anything is submitted or kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from trust.client.exchanges import Accepted
from trust.client.following import Following, LoggedEvent
from trust.client.problems import Unreachable
from trust.client.transports import AsyncTransport
from trust.core.lifecycle import ClaimState
from trust.core.payloads import ClaimAbandon, OutputSubmit
from trust.errors import ClientError, TrustError
from trust.verify.failures import NotProven

if TYPE_CHECKING:
    from trust.client.agents import Agent
    from trust.client.worker import Worker

AGAIN_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""How long a claim that got no answer waits before the same bytes are sent again."""

Bring = Callable[[bytes], Awaitable[Mapping[str, Any]]]
"""Brings a `claim.request` to a relay, and returns its answer with `claim`: `RelayLink.claim` is one."""
Undo = Callable[[], Awaitable[None] | None]


class Lost(ClientError):
    """Somebody else has the task, or the claim was refused; `refusal` is what was answered, where anything was."""

    def __init__(self, task: str, detail: str, refusal: TrustError | None = None) -> None:
        extra = getattr(refusal, "extra", {})
        super().__init__("speculation-lost", f"{task}: {detail}", status=409, extra=extra)
        self.refusal = refusal


class TakenBack(ClientError):
    """An output that was built on does not count: entry `index` says so."""

    def __init__(self, claim: str, how: str, index: int) -> None:
        super().__init__("taken-back", f"{claim}: {how} (entry {index})", status=409)
        self.claim, self.how, self.index = claim, how, index


class _Block:
    """A block of work that is cancelled from the side with an error of ours, as `asyncio.timeout` does it."""

    def __init__(self) -> None:
        self._body: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._is_inside = self._is_struck = False
        self._watching: asyncio.Task[None] | None = None

    def _enter(self) -> None:
        self._body = asyncio.current_task()
        assert self._body is not None
        self._cancelling = self._body.cancelling()
        self._is_inside = True
        self._watching = asyncio.create_task(self._watch())

    def _strike(self) -> None:
        """Cancels the work, where it still runs."""
        if self._is_inside and not self._is_struck and self._body is not None:
            self._is_struck = True
            self._body.cancel()

    def _leave(self, kind: type[BaseException] | None) -> bool:
        """Ends the block; whether its cancellation was ours, and nobody else's too."""
        self._is_inside = False
        if not self._is_struck or self._body is None:
            return False
        return self._body.uncancel() <= self._cancelling and kind is asyncio.CancelledError

    async def _quiet(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        raise NotImplementedError


class Attempt(_Block):
    """A worker's work on a task whose claim is not decided yet.

    Inside the block: `won` waits for the decision and returns the claim; `submit` delivers once it is won; `is_lost`
    may be read from another thread, by work that cannot be cancelled. Out of the block comes `Lost` where somebody
    else won, whatever the work did meanwhile. Where the work itself fails and the claim is won, the claim is given
    up. Where no answer ever comes, the last error comes out of the block: the claim may be on the log. Where the task
    around the block is cancelled, the claim is left to itself.
    """

    def __init__(
        self,
        worker: Worker[AsyncTransport],
        task: str,
        bring: Bring,
        log: Following | None,
        terms: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.task = task
        self.claim = ""
        self.is_lost = False
        self._worker = worker
        self._bring = bring
        self._log = log
        self._terms = dict(terms)
        self._decided: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._decided.add_done_callback(
            lambda decided: decided.exception() if not decided.cancelled() else None
        )

    async def __aenter__(self) -> Self:
        self._request = await self._worker.claim_of(self.task, **self._terms)
        self._enter()
        return self

    async def won(self) -> str:
        """The claim, once it is won. Raises `Lost`."""
        return await asyncio.shield(self._decided)

    async def submit(
        self, artifacts: Mapping[str, bytes], items: Sequence[bytes] = (), inputs: Sequence[str] = ()
    ) -> Accepted:
        """Delivers the output, once the claim is won. Raises `Lost`, and then nothing was said or stored."""
        return await self._worker.submit(await self.won(), artifacts, items, inputs)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        is_ours = self._leave(kind)
        is_foreign = kind is not None and issubclass(kind, asyncio.CancelledError) and not is_ours
        try:
            if is_ours or kind is None:
                await self.won()
            elif not is_foreign and not isinstance(error, Lost):
                with suppress(TrustError):
                    await self._worker.send(ClaimAbandon, claim=await self.won())
        finally:
            await self._quiet()

    async def _watch(self) -> None:
        """Takes the first decision: the relay's answer or the log's word."""
        ways = [asyncio.create_task(self._ask())]
        if self._log is not None:
            ways.append(asyncio.create_task(self._hear(self._log)))
        for way in ways:
            way.add_done_callback(self._failed)
        try:
            await asyncio.wait([self._decided])
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    def _failed(self, way: asyncio.Task[None]) -> None:
        """An error that is no decision comes out of the block as it is."""
        if not way.cancelled() and (error := way.exception()) is not None and not self._decided.done():
            self._decided.set_exception(error)
            self._strike()

    async def _ask(self) -> None:
        """Brings the claim; the same bytes again where no answer came, for it may have been won meanwhile. Raises the
        last error where none ever comes: then nobody knows, and that is no loss."""
        for wait_s in (*AGAIN_S, None):
            try:
                answer = await self._bring(self._request)
            except TrustError as error:
                if not isinstance(error, Unreachable) and getattr(error, "status", 0) < 500:
                    winner = getattr(error, "extra", {}).get("worker", "")
                    self._lose(f"won by {winner}" if winner else f"not claimed: {error}", error)
                    return
                if wait_s is None:
                    raise
                await asyncio.sleep(wait_s)
            else:
                await self._win(int(answer["index"]))
                return

    async def _hear(self, log: Following) -> None:
        """The log's own word on who has the task."""
        with log.watching(self.task) as events:
            while True:
                logged = await events.get()
                if logged.kind == "claim.opened":
                    winner = str(logged.event["worker"])
                    if winner == self._worker.did:
                        await self._win(logged.index)
                    else:
                        self._lose(f"won by {winner}")
                    return

    async def _win(self, index: int) -> None:
        """Won, once the entry proves it: a relay's word and a stream are nobody's. (A loss is taken as it is heard,
        for nothing is built on it.)"""
        _, proven = await self._worker.exchange(self._worker.exchanges.receipt(index))
        opened = proven.event("claim.opened")
        if (opened["task"], opened["worker"]) != (self.task, self._worker.did):
            raise NotProven(f"entry {index} is not this worker's claim on {self.task}")
        if not self._decided.done():
            self.claim = str(opened["claim"])
            self._decided.set_result(self.claim)

    def _lose(self, detail: str, refusal: TrustError | None = None) -> None:
        if not self._decided.done():
            self.is_lost = True
            self._decided.set_exception(Lost(self.task, detail, refusal))
            self._strike()


class Early(_Block):
    """A consumer's work on an output whose check is not over.

    The block is a transaction. When its work is done it waits for the output's claim to end: where that ends accepted
    the block is over; otherwise, and where the work itself fails, what `undo` was given is called, the last first. It
    is taken back by the first verdict that is not pass, or with `patient` only when the claim ends so: an appeal may
    still turn a verdict.
    """

    def __init__(self, agent: Agent[AsyncTransport], claim: str, log: Following, *, patient: bool) -> None:
        super().__init__()
        self.claim = claim
        self.is_taken_back = False
        self._agent = agent
        self._log = log
        self._patient = patient
        self._undos: list[Undo] = []
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended.add_done_callback(lambda ended: ended.exception() if not ended.cancelled() else None)
        self._caught_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._delivered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        """Waits for the output; raises `TakenBack` where the claim ends without one."""
        self._enter()
        try:
            for known in (self._caught_up, self._delivered):
                first: list[asyncio.Future[Any]] = [known, self._ended]
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if not self._delivered.done():
                await self._ended
        except BaseException as error:
            is_ours = self._leave(type(error))
            await self._quiet()
            if is_ours:
                await self._ended
            raise
        return self

    async def artifacts(self) -> dict[str, bytes]:
        """Returns the delivered artifacts, name to bytes, each hashed again."""
        _, proven = await self._agent.exchange(self._agent.exchanges.receipt(await self._delivered))
        output = proven.spoken.payload if proven.spoken else None
        contents: dict[str, bytes] = {}
        if not isinstance(output, OutputSubmit) or output.claim != self.claim:
            raise NotProven(f"entry {proven.index} is no output of {self.claim}")
        for each in output.artifacts:
            data = await self._agent.exchange(self._agent.exchanges.get_blob(each.sha256))
            if sha256(data).hexdigest() != each.sha256:
                raise NotProven(f"{each.name} of {self.claim} is not what was delivered")
            contents[each.name] = data
        return contents

    def undo(self, call: Undo) -> None:
        """Has this called, or awaited, where the output is taken back or the work fails."""
        self._undos.append(call)

    async def settled(self) -> None:
        """Waits until the output counts. Raises `TakenBack`."""
        await asyncio.shield(self._ended)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        is_ours = self._leave(kind)
        try:
            if is_ours or kind is None:
                await self.settled()
        except BaseException:
            await self._roll_back()
            raise
        else:
            if kind is not None:
                await self._roll_back()
        finally:
            await self._quiet()

    async def _roll_back(self) -> None:
        while self._undos:
            undone = self._undos.pop()()
            if undone is not None:
                await undone

    async def _watch(self) -> None:
        try:
            await self._follow()
        except Exception as error:  # what cannot be known is not built on
            if not self._ended.done():
                self._ended.set_exception(error)
                self._strike()

    async def _follow(self) -> None:
        with self._log.watching(self.claim) as events:
            for entry in await self._agent.exchange(self._agent.exchanges.timeline(self.claim)):
                for event in entry["events"]:
                    if event.get("claim") == self.claim:
                        await self._take(LoggedEvent(int(entry["index"]), event))
            self._caught_up.set_result(None)
            while not self._ended.done():
                await self._take(await events.get())

    async def _take(self, logged: LoggedEvent) -> None:
        match logged.kind:
            case "output.submitted":
                self._deliver(logged.index)
            case "verdict.reached" if logged.event["verdict"] != "pass" and not self._patient:
                await self._prove(logged)
                self._end(f"the verdict is {logged.event['verdict']}", logged.index)
            case "claim.ended":
                await self._prove(logged)
                self._end(str(logged.event["state"]), logged.index)

    async def _prove(self, logged: LoggedEvent) -> None:
        """The stream is nobody's word; the entry's receipt is the log's."""
        _, proven = await self._agent.exchange(self._agent.exchanges.receipt(logged.index))
        if logged.event not in proven.events:
            raise NotProven(f"entry {logged.index} does not hold the {logged.kind} that the stream shows")

    def _deliver(self, index: int) -> None:
        if not self._delivered.done():
            self._delivered.set_result(index)

    def _end(self, how: str, index: int) -> None:
        if self._ended.done():
            return
        if how == ClaimState.ACCEPTED:
            self._ended.set_result(None)
            return
        self.is_taken_back = True
        self._ended.set_exception(TakenBack(self.claim, how, index))
        self._strike()
