"""A claim through a relay, of which nothing is believed but receipts."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from trust.client import Unreachable
from trust.core.receipt import Receipt
from trust.errors import TrustError
from trust.log.succession import LogKey
from trust.relay.link import RelayLink
from trust.verify.failures import NotProven
from trust.verify.receipts import verify_receipt

CLAIM_AGAIN_S = (0.2, 0.5, 1.0, 2.0)


async def asked(link: RelayLink, request: bytes) -> dict[str, Any]:
    """Returns the relay's answer to a claim; the same bytes go again where none came, for it may have been won."""
    for wait_s in CLAIM_AGAIN_S:
        try:
            return await link.claim(request)
        except TrustError as error:
            if not isinstance(error, Unreachable) and error.status < 500:
                raise
        await asyncio.sleep(wait_s)
    return await link.claim(request)


def won(answer: dict[str, Any], key: LogKey, worker: str, task: str) -> str:
    """Returns the claim that a relay's answer proves to be this worker's; `NotProven` where it proves another."""
    proven = verify_receipt(receipt_of(answer), key)
    opened = proven.event("claim.opened")
    if (opened["worker"], opened["task"]) != (worker, task):
        raise NotProven(f"the relay confirmed a claim of {opened['worker']} on {opened['task']}")
    return str(opened["claim"])


def receipt_of(answer: dict[str, Any]) -> Receipt:
    """Returns the receipt in a relay's answer; `NotProven` where there is none."""
    try:
        return msgspec.convert(answer.get("receipt"), Receipt)
    except msgspec.ValidationError as error:
        raise NotProven(f"the relay's answer has no receipt: {error}") from None
