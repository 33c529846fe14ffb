"""Everybody consumes one feed: tasks come in batches, agents take them side by side, and each is done once although
several want it."""

from __future__ import annotations

from collections import Counter

from trust.core.lifecycle import ClaimState
from trust.sandbox import workload
from trust.sandbox.patterns.driving import Driver, Facts


class EventDriven(Driver):
    """Posts all reviews at once."""

    async def drive(self) -> Facts:
        sources = workload.library(self.size)
        tasks = [(f"event-{place:04}", workload.review_spec(source)) for place, source in enumerate(sources)]
        await self.post_all(tasks)
        await self.until_closed(self.posted)
        outputs = Counter(
            claim["task"]
            for claim in self.board.all("claim.opened")
            if self.board.find("claim.ended", claim=claim["claim"], state=ClaimState.ACCEPTED)
        )
        return {
            "events": len(tasks),
            "done_once": sum(count == 1 for count in outputs.values()),
            "workers": len({event["worker"] for event in self.board.all("claim.opened")}),
        }
