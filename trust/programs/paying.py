"""A payment system behind a command or a webhook: asked to pay, it says whether it has (docs/operating.md 9.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from trust.core import strict
from trust.programs.command import Limits, run
from trust.programs.webhooks import MAX_ANSWER_BYTES, NotTaken, Webhook

KEY_HEADER = "Idempotency-Key"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be paid. The same `idempotency_key` always comes with the same order, and is paid once."""

    idempotency_key: str
    reference: str
    withdrawal: str
    agent: str
    amount_units: int


class Paid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer: the payment is made, or it is under way and may be asked for again."""

    state: Literal["paid", "pending"]


class NotPaid(Exception):
    """The payment system gave no answer that can be read; it may have paid, so the same order goes again."""


Pay = Callable[[Order], Paid]


def by_command(command: Sequence[str], limits: Limits) -> Pay:
    """Returns what pays by running a command: the order is its input, the answer what it prints."""

    def pay(order: Order) -> Paid:
        outcome = run(command, msgspec.to_builtins(order), {}, limits)
        if outcome.failure:
            raise NotPaid(outcome.failure)
        return _answer(outcome.stdout)

    return pay


def by_webhook(webhook: Webhook) -> Pay:
    """Returns what pays by posting the order to an address, with its key as `Idempotency-Key` too."""

    def pay(order: Order) -> Paid:
        key = order.idempotency_key
        try:
            return _answer(webhook.send(key, msgspec.json.encode(order), **{KEY_HEADER: key}))
        except NotTaken as error:
            raise NotPaid(str(error)) from error

    return pay


def _answer(said: bytes) -> Paid:
    try:
        return strict.parse(said.strip(), Paid, max_bytes=MAX_ANSWER_BYTES)
    except strict.Malformed as error:
        raise NotPaid(f"its answer is none: {error}"[:200]) from None
