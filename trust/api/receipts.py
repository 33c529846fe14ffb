"""What a write answers: the receipt of its entry, and the ids of what it created (docs/protocol.md 4 and 5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from trust.api.problems import refusal_problem
from trust.core.commands import Spoken
from trust.core.entry import decode_entry
from trust.core.events import (
    ClaimOpened,
    Event,
    PartyRegistered,
    RelayRegistered,
    TaskPosted,
    VerdictChallenged,
    WithdrawalOpened,
)
from trust.errors import TrustError
from trust.services.admission import Result
from trust.services.receipts import Receipt, Refusal

CREATES: dict[type[Event], tuple[str, ...]] = {
    PartyRegistered: ("party",),
    RelayRegistered: ("relay",),
    TaskPosted: ("task",),
    ClaimOpened: ("claim", "lease_until_ms"),
    WithdrawalOpened: ("withdrawal", "matures_ms"),
    VerdictChallenged: ("challenge", "against", "round", "bond_units", "prepaid_units"),
}
"""The fields of an event that its statement's sender goes on with."""


class ReceiptJson(msgspec.Struct, frozen=True):
    """A receipt: `entry` in base64, `proof` the text of a tlog-proof."""

    index: int
    entry: bytes
    proof: str


class Written(msgspec.Struct, frozen=True):
    """The answer to one write."""

    statement: str
    receipt: ReceiptJson
    repeated: bool
    result: dict[str, Any]


class BatchLine(msgspec.Struct, frozen=True):
    """The result of one statement of a batch that is on the log; `status` 201, or 200 where it was before."""

    status: int
    statement: str
    index: int
    entry: bytes
    proof: str


class BatchAnswer(msgspec.Struct, frozen=True):
    """The answer to a batch; its receipts are of the one `checkpoint`, over `size` entries."""

    checkpoint: str
    size: int
    results: list[BatchLine | dict[str, Any]]


def receipt_json(receipt: Receipt) -> ReceiptJson:
    """A receipt as it stands in JSON."""
    return ReceiptJson(receipt.index, receipt.entry, receipt.proof.decode())


def written(spoken: Spoken, receipt: Receipt) -> Written:
    """The answer to a statement that is on the log."""
    created = created_by(decode_entry(receipt.entry).events)
    return Written(spoken.id, receipt_json(receipt), receipt.repeated, created)


def created_by(events: Iterable[Event]) -> dict[str, Any]:
    """The ids (and due dates) of what these events created."""
    return {name: getattr(event, name) for event in events for name in CREATES.get(type(event), ())}


def shared_checkpoint(results: Sequence[tuple[Spoken | None, Result]]) -> bytes:
    """The checkpoint of a batch's receipts, which is one for all; empty where there is no receipt."""
    return next((result.checkpoint for _, result in results if isinstance(result, Receipt)), b"")


def batch_answer(checkpoint: bytes, results: Sequence[tuple[Spoken | None, Result]]) -> BatchAnswer:
    """The answer to a batch under a checkpoint."""
    size = int(checkpoint.split(b"\n", 2)[1])
    return BatchAnswer(checkpoint.decode(), size, [batch_result(*each) for each in results])


def batch_result(spoken: Spoken | None, result: Result) -> BatchLine | dict[str, Any]:
    """One statement's result in a batch."""
    if isinstance(result, TrustError):
        return _line(result.problem(), None if spoken is None else spoken.id)
    if isinstance(result, Refusal):
        return _line(refusal_problem(result)[1], None if spoken is None else spoken.id)
    status = 200 if result.repeated else 201
    return BatchLine(status, spoken.id if spoken else "", result.index, result.entry, result.proof.decode())


def _line(problem: dict[str, Any], statement: str | None) -> dict[str, Any]:
    return {"status": problem.pop("status"), "statement": statement, **problem}
