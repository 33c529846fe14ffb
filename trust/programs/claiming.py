"""A claim through a relay, from request to delivery; of the relay nothing is believed but receipts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from trust.client import AsyncTrustClient, Unreachable, Worker
from trust.client.statements import opened
from trust.client.transports import AsyncTransport
from trust.core.commands import effective
from trust.core.payloads import ClaimRenew
from trust.core.receipt import Receipt
from trust.errors import TrustError
from trust.log.succession import LogKey
from trust.programs.running import Tell
from trust.relay.link import RelayLink
from trust.verify.failures import NotProven
from trust.verify.receipts import verify_receipt

CLAIM_AGAIN_S = (0.2, 0.5, 1.0, 2.0)

Facts = dict[str, Any]


async def asked(link: RelayLink, request: bytes) -> Facts:
    """Returns the relay's answer to a claim; the same bytes go again where none came, for it may have been won."""
    for wait_s in CLAIM_AGAIN_S:
        try:
            return await link.claim(request)
        except TrustError as error:
            if not isinstance(error, Unreachable) and error.status < 500:
                raise
        await asyncio.sleep(wait_s)
    return await link.claim(request)


def won(answer: Facts, key: LogKey, worker: str, task: str) -> str:
    """Returns the claim that a relay's answer proves to be this worker's; `NotProven` where it proves another."""
    proven = verify_receipt(receipt_of(answer), key)
    claim = proven.event("claim.opened")
    if (claim["worker"], claim["task"]) != (worker, task):
        raise NotProven(f"the relay confirmed a claim of {claim['worker']} on {claim['task']}")
    return str(claim["claim"])


def receipt_of(answer: Facts) -> Receipt:
    """Returns the receipt in a relay's answer; `NotProven` where there is none."""
    try:
        return msgspec.convert(answer.get("receipt"), Receipt)
    except msgspec.ValidationError as error:
        raise NotProven(f"the relay's answer has no receipt: {error}") from None


async def delivered(link: RelayLink, client: AsyncTrustClient, output: bytes) -> int:
    """Has the relay bring a signed output to the log, and where it is down or does not prove that it did, the service;
    returns the entry's index."""
    with suppress(TrustError, ValueError, LookupError, AttributeError):  # whatever the relay answers
        if link.is_up:
            proven = verify_receipt(receipt_of((await link.deliver([output]))[0]), client.exchanges.key)
            if proven.spoken is not None and effective(proven.spoken).id == opened(output).id:
                return proven.index
    return (await client.send(output)).index


@asynccontextmanager
async def renewing(
    worker: Worker[AsyncTransport], claim: Facts, now_ms: Callable[[], int], tell: Tell
) -> AsyncIterator[None]:
    """Asks for another lease of a claim, as the service shows it, when two thirds of one are over, until the block is
    left or the rules give none (`not-renewed`)."""

    async def renew() -> None:
        until_ms, lease_ms = claim["lease_until_ms"], claim["task"]["lease_ms"]
        while True:
            await asyncio.sleep(max(0, until_ms - lease_ms // 3 - now_ms()) / 1_000)
            try:
                await worker.send(ClaimRenew, claim=claim["claim"])
            except TrustError as error:
                tell("not-renewed", claim=claim["claim"], why=error.code)
                return
            until_ms += lease_ms

    task = asyncio.create_task(renew())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
