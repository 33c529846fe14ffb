"""The answers to writes: the receipt of an entry, and the ids of what it created (docs/protocol.md 4 and 5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import asdict

from trust.api.problems import refusal_problem
from trust.core.commands import Spoken
from trust.core.entry import decode_entry
from trust.core.events import Event
from trust.core.receipt import BatchAnswer, BatchLine, ReceiptAnswer, Written
from trust.core.strict import base64_of
from trust.errors import TrustError
from trust.services.admission import Result
from trust.services.receipts import Receipt, Refusal


def receipt_json(receipt: Receipt) -> ReceiptAnswer:
    """Returns a receipt as it stands in an answer."""
    return ReceiptAnswer(receipt.index, base64_of(receipt.entry), receipt.proof.decode())


def written(spoken: Spoken, receipt: Receipt) -> Written:
    """Returns the answer to a statement that is on the log."""
    created = created_by(decode_entry(receipt.entry).events)
    return Written(spoken.id, receipt_json(receipt), receipt.repeated, created)


def created_by(events: Iterable[Event]) -> dict[str, Any]:
    """The ids (and due dates) of what these events created; of several the first."""
    created: dict[str, Any] = {}
    for event in events:
        created = {name: getattr(event, name) for name in event.creates} | created
    return created


def shared_checkpoint(results: Sequence[tuple[Spoken | None, Result]]) -> bytes:
    """The checkpoint of a batch's receipts, which is one for all; empty where there is no receipt."""
    return next((result.checkpoint for _, result in results if isinstance(result, Receipt)), b"")


def batch_answer(checkpoint: bytes, results: Sequence[tuple[Spoken | None, Result]]) -> BatchAnswer:
    """The answer to a batch under a checkpoint."""
    size = int(checkpoint.split(b"\n", 2)[1])
    return BatchAnswer(checkpoint.decode(), size, [batch_result(*each) for each in results])


def batch_result(spoken: Spoken | None, result: Result) -> dict[str, Any]:
    """One statement's result in a batch."""
    if isinstance(result, TrustError):
        return _line(result.problem(), None if spoken is None else spoken.id)
    if isinstance(result, Refusal):
        return _line(refusal_problem(result)[1], None if spoken is None else spoken.id)
    status = 200 if result.repeated else 201
    id, entry = spoken.id if spoken else "", base64_of(result.entry)
    return asdict(BatchLine(status, id, result.index, entry, result.proof.decode()))


def _line(problem: dict[str, Any], statement: str | None) -> dict[str, Any]:
    return {"status": problem.pop("status"), "statement": statement, **problem}
