"""The answer that the rules would give to a statement now: `decide` over a draft that is dropped."""

from __future__ import annotations

from itertools import islice
from typing import Any

import msgspec
from msgspec.structs import asdict

from trust.api.problems import refusal_problem
from trust.core import rulebook
from trust.core.commands import Spoken
from trust.core.events import ClaimOpened
from trust.core.rate import AtStake, check_rate
from trust.core.records import AdoptedPolicy, Said, Task
from trust.core.refusal import Refused
from trust.core.rulebook import Decided
from trust.core.state import Draft
from trust.errors import TrustError
from trust.services.receipts import Refusal
from trust.services.scoring import view_of
from trust.storage.reading import Reader

HOPS = 4
MAX_CLOCK_ENTRIES = 64


def answer_to(reader: Reader, spoken: Spoken, now_ms: int) -> dict[str, Any]:
    """Returns `status`, and with 201 the stake that locks and the check rate with every input; else the problem."""
    view = view_of(reader)
    for _ in range(HOPS):
        if not view.load(rulebook.needs([spoken], view)):
            break
    draft = Draft(view)
    at_ms = max(view.at_ms, now_ms)
    if len(list(islice(rulebook.settle(draft, at_ms), MAX_CLOCK_ENTRIES))) == MAX_CLOCK_ENTRIES:
        raise TrustError("overloaded", "much is due at this moment and is settled first")
    if (before := draft.get(Said, spoken.key)) is not None:
        return {"status": 200, "statement": spoken.id, "repeated": True, "index": before.index}
    try:
        decided = rulebook.decide(draft, spoken, at_ms)
    except Refused as refused:
        refusal = Refusal(refused.code, refused.detail, refused.facts, view.size, b"")
        return {**refusal_problem(refusal)[1], "statement": spoken.id}
    return {"status": 201, "statement": spoken.id, "as_of": view.size, **_promised(draft, decided)}


def _promised(draft: Draft, decided: Decided) -> dict[str, Any]:
    for event in decided.events:
        if isinstance(event, ClaimOpened):
            task = draft.get(Task, event.task)
            adopted = None if task is None else draft.get(AdoptedPolicy, str(task.policy))
            assert task is not None
            assert adopted is not None
            probation = event.route == "probation"
            at_stake = AtStake(task.task_kind, task.price_units, event.stake_units, probation)
            return {
                "stake_units": event.stake_units,
                "lease_until_ms": event.lease_until_ms,
                "rate_ppm": event.rate_ppm,
                "rate": msgspec.to_builtins(check_rate(event.inputs, at_stake, adopted.terms)),
                "inputs": asdict(event.inputs),
            }
    return {}
