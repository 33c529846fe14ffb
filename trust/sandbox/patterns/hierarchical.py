"""A router, which never works: it splits a batch into parts, hands each to one worker in the order of what depends on
what, collects, and gives a part that failed to another.

The parts are outlines of modules; the outline of one that imports others is bound to theirs.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from hashlib import sha256
from itertools import count

from trust.core.lifecycle import ClaimState
from trust.core.payloads import TaskCancel
from trust.errors import TrustError
from trust.sandbox import workload
from trust.sandbox.crew import TASK_KIND
from trust.sandbox.patterns.driving import AGAIN_S, Driver, Facts
from trust.sandbox.review import Source

CLAIM_S = 10.0
"""How long a worker has to claim what it was handed."""


class Hierarchical(Driver):
    """Routes one batch."""

    async def drive(self) -> Facts:
        sources = {source.file.removesuffix(".py"): source for source in workload.library(self.size)}
        depends = workload.dependencies(sources.values())
        self._outputs: dict[str, bytes] = {}
        self._busy: set[str] = set()
        self._failed: dict[str, set[str]] = {module: set() for module in depends}
        self._order: list[str] = []
        self._parts = {
            module: asyncio.create_task(self._part(sources[module], depends[module])) for module in depends
        }
        try:
            await asyncio.gather(*self._parts.values())
        finally:
            for part in self._parts.values():
                part.cancel()
        place = self._order.index
        pairs = [(needed, module) for module in depends for needed in depends[module]]
        return {
            "parts": len(self._parts),
            "bound_to_others": sum(bool(needed) for needed in depends.values()),
            "in_order": all(place(needed) < place(module) for needed, module in pairs),
            "retried": sum(map(len, self._failed.values())),
        }

    async def _part(self, source: Source, needs: set[str]) -> None:
        """One part from its inputs to its output, by as many workers as it takes."""
        module = source.file.removesuffix(".py")
        for needed in sorted(needs):
            await asyncio.shield(self._parts[needed])
        inputs = {needed: sha256(self._outputs[needed]).hexdigest() for needed in needs}
        spec = workload.outline_spec(source, inputs)
        for attempt in count():
            worker = await self._pick(self._failed[module])
            name = f"part-{module.lower().strip('_')}-{attempt}"
            try:
                await self.post(name, spec, assignee=worker)
                if await self._succeeded(name):
                    break
            finally:
                self._busy.discard(worker)
            self._failed[module].add(worker)
        self._outputs[module] = await self.output(name)
        self._order.append(module)

    async def _pick(self, failed: set[str]) -> str:
        """The best worker that is free and has not failed on this part."""
        while True:
            free = sorted(await self.workers() - self._busy - failed)
            if free:
                ranked = (await self.client.priorities(TASK_KIND, free))["candidates"]
                able = [
                    each["agent"] for each in ranked if each["eligible"] and each["agent"] not in self._busy
                ]
                if able:
                    self._busy.add(able[0])
                    return str(able[0])
            await asyncio.sleep(AGAIN_S)

    async def _succeeded(self, task: str) -> bool:
        """Returns whether a part was accepted; one that nobody took, or that failed, is taken back."""
        board = self.board
        with suppress(TimeoutError):
            async with asyncio.timeout(CLAIM_S):
                await board.until("claim.opened", task=task)
        if board.find("claim.opened", task=task):
            await board.until_found(lambda: self.ended(task))
            if self._is_accepted(task):
                return True
        with suppress(TrustError):
            await self.me.send(TaskCancel, task=task)
        await board.until("task.closed", task=task)
        return self._is_accepted(task)

    def _is_accepted(self, task: str) -> bool:
        end = self.ended(task)
        return end is not None and bool(end["state"] == ClaimState.ACCEPTED)
