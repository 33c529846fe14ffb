"""The role of a requester: posts tasks, accepts outputs."""

from __future__ import annotations

from collections.abc import Sequence

from trust.client.agents import Agent
from trust.client.clients import C, conversation
from trust.client.exchanges import Accepted
from trust.client.wire import Exchange
from trust.core.payloads import Items, Part, Reference, TaskPost


class Requester(Agent[C]):
    """Posts tasks and pays for them from its free money."""

    @conversation
    def upload(self, spec: bytes) -> Exchange[str]:
        """Stores a specification; returns its SHA-256."""
        return (yield from self.store(spec))

    @conversation
    def post(
        self,
        task: str,
        task_kind: str,
        spec: bytes,
        *,
        price_units: int,
        deadline_ms: int,
        stake_units: int | None = None,
        lease_ms: int | None = None,
        items: Items | None = None,
        assignee: str | None = None,
        relay: str | None = None,
        references: Sequence[Reference] = (),
        parts: Sequence[Part] = (),
    ) -> Exchange[Accepted]:
        """Posts a task; `spec` are the bytes that say what is to be done, stored before the task is posted.

        `deadline_ms` is Unix time. `items` makes it a batch: how many there are, and the tolerated share of bad ones.
        `references` are the task's names elsewhere. A squad may split it into `parts`, or a batch into `items.parts`
        runs of items: then the fees of a check of each are set aside.
        """
        digest = yield from self.store(spec)
        envelope = self.say(
            TaskPost,
            task=task,
            task_kind=task_kind,
            spec_sha256=digest,
            price_units=price_units,
            deadline_ms=deadline_ms,
            stake_units=stake_units,
            lease_ms=lease_ms,
            items=items,
            assignee=assignee,
            relay=relay,
            references=tuple(references),
            parts=tuple(parts),
        )
        return (yield from self.exchanges.send(envelope))
