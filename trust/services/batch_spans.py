"""The spans of a batch: how long it took, and the entries that came of it, in the trace of each request it answers."""

from __future__ import annotations

from collections.abc import Sequence

from trust import spans
from trust.core.commands import Incoming, Spoken
from trust.core.payloads import kind_of
from trust.services.batch import Batch
from trust.services.inbox import Submission
from trust.services.receipts import Outcome, Receipt

MOST = 100
"""Entries of one request that get a span of their own."""


def tell(submissions: Sequence[Submission], outcomes: Sequence[Outcome], batch: Batch, begun_ns: int) -> None:
    """Tells of a batch that is committed, to who asked for spans."""
    at = 0
    for submission in submissions:
        following = at + len(submission.commands)
        if submission.trace is not None:
            values = {"batch.first_index": batch.start, "batch.entries": len(batch.entries)}
            values |= {"batch.statements": len(outcomes), "statements": len(submission.commands)}
            inside = spans.past("batch", submission.trace, begun_ns, values)
            pairs = zip(submission.commands[:MOST], outcomes[at:following], strict=False)
            for command, outcome in pairs:
                spans.past(*_entry(command, outcome, inside, begun_ns))
        at = following


def _entry(
    command: Incoming, outcome: Outcome, inside: object, begun_ns: int
) -> tuple[str, object, int, spans.Values]:
    values: dict[str, str | int | bool] = {}
    if isinstance(command, Spoken):
        values |= {"statement": command.id, "kind": kind_of(command.payload)}
    if isinstance(outcome, Receipt):
        return "entry", inside, begun_ns, values | {"index": outcome.index, "repeated": outcome.repeated}
    return "refusal", inside, begun_ns, values | {"refused": outcome.code}
