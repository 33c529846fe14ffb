"""An A2A agent that works for posted tasks: it lets in by score, claims, delivers, and answers with the proofs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from logging import getLogger
from typing import Any

import msgspec
from a2a.helpers import new_raw_part, new_task_from_user_message, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCard, Message, TaskState
from starlette.applications import Starlette

from trust.a2a.cards import Standing, sign_card
from trust.a2a.extension import Delivery, asked_for, carry, specification
from trust.core.payloads import ClaimAbandon, TaskPost
from trust.errors import ClientError, TrustError
from trust.escaping import escaped
from trust.programs.hooks import Hooks, Recorded, Step
from trust.verify.failures import NotProven
from trust.verify.files import verify_scores

Work = Callable[[TaskPost, bytes], Awaitable[Mapping[str, bytes]]]
"""What does a task: its posting and its specification in, the artifacts by name out."""
CARD_MS = 60_000
logger = getLogger(__name__)


class Working(AgentExecutor):
    """The executor: whoever asks shows a posted task, and has the score that `least_ppm` asks for."""

    def __init__(self, hooks: Hooks, work: Work, *, stake_units: int, least_ppm: int = 0) -> None:
        self._hooks, self._hand, self._work = hooks, hooks.hand, work
        self._stake_units, self._least_ppm = stake_units, least_ppm
        self._busy: set[str] = set()

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Answers a message: rejected before anything was claimed, failed afterwards, or completed with the proofs."""
        message = context.message
        assert message is not None
        task = context.current_task or new_task_from_user_message(message)
        if context.current_task is None:
            await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        try:
            posted, claim = await self._accepted(message)
        except (TrustError, NotProven) as error:
            await updater.reject(_words(updater, error))
            return
        await updater.start_work()
        try:
            made, done = await self._done(posted, claim, specification(message))
        except (TrustError, NotProven) as error:
            await updater.failed(_words(updater, error))
            return
        finally:
            self._busy.discard(posted.task)
        for name, data in made.items():
            await updater.add_artifact([_part(data)], name=name)
        proofs = Delivery(done.task, done.claim, done.receipt.decode(), done.bundle.decode())
        await updater.update_status(TaskState.TASK_STATE_COMPLETED, metadata=carry(proofs))

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Says that a task is cancelled; its claim was given up where nothing was delivered."""
        await TaskUpdater(event_queue, context.task_id or "", context.context_id or "").cancel()

    async def _accepted(self, message: Message) -> tuple[TaskPost, str]:
        posted = asked_for(message, self._hand.client.exchanges.key)
        if self._least_ppm:
            await self._hooks.gate(posted.actor, posted.task_kind, self._least_ppm)
        if posted.task in self._busy:
            raise ClientError("overloaded", f"{posted.task} is being worked on", hint="wait for that answer")
        self._busy.add(posted.task)
        try:
            return posted, await self._hooks.take(posted.task, self._stake_units)
        except BaseException:
            self._busy.discard(posted.task)
            raise

    async def _done(self, posted: TaskPost, claim: str, spec: bytes) -> tuple[Mapping[str, bytes], Recorded]:
        """Works, unless that was done before; a claim whose work fails, or is cancelled, is given up."""
        before = self._hand.products.get(claim)
        try:
            async with self._hand.renewing(claim):
                made = before.artifacts if before else await self._work(posted, spec)
        except BaseException as error:
            await self._hand.worker.send(ClaimAbandon, claim=claim)
            if not isinstance(error, Exception):
                raise
            logger.exception("the work on %s failed", claim)
            raise ClientError("no-result", "the work failed, and the claim was given up") from None
        return made, await self._hooks.record(Step(task=posted.task, claim=claim, artifacts=made))


def application(card: AgentCard, hooks: Hooks, executor: AgentExecutor, standing: Standing) -> Starlette:
    """An agent at the root of an address: its card with its newest scores, signed, and JSON-RPC."""
    cards = _Cards(hooks, standing)
    handler = DefaultRequestHandler(agent_executor=executor, task_store=InMemoryTaskStore(), agent_card=card)
    routes: list[Any] = [
        *create_agent_card_routes(card, card_modifier=cards.newest),
        *create_jsonrpc_routes(handler, "/"),
    ]
    return Starlette(routes=routes)


class _Cards:
    """The card as it is shown, with scores that are a minute old at most."""

    def __init__(self, hooks: Hooks, standing: Standing) -> None:
        self._hand, self._standing = hooks.hand, standing
        self._until_ms, self._signed = 0, AgentCard()

    async def newest(self, card: AgentCard) -> AgentCard:
        """Returns the card with the newest scores; without any where none can be had."""
        now_ms = self._hand.client.now_ms()
        if now_ms >= self._until_ms:
            self._signed = sign_card(card, self._hand.worker.me, await self._shown())
            self._until_ms = now_ms + CARD_MS
        return self._signed

    async def _shown(self) -> Standing:
        client = self._hand.client
        try:
            file = await client.score_file(self._hand.did)
        except TrustError as error:
            logger.warning("no scores to show: %s", escaped(str(error)))
            return self._standing
        index = verify_scores(file, client.exchanges.key).index
        return msgspec.structs.replace(self._standing, scores=file.decode(), index=index)


def _part(data: bytes) -> Any:
    try:
        return new_text_part(data.decode())
    except UnicodeDecodeError:
        return new_raw_part(data)


def _words(updater: TaskUpdater, error: Exception) -> Message:
    return updater.new_agent_message([new_text_part(str(error)[:500])])
