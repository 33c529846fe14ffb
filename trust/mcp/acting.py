"""The tools that sign: each looks at its owner's limits first, and signs nothing that they do not allow."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Annotated, Any, Literal

from pydantic import Field

from trust.client import Accepted
from trust.core.payloads import MAX_INT, ClaimAbandon, ClaimRenew
from trust.errors import ClientError
from trust.mcp.reading import Reading
from trust.programs.hand import Hand
from trust.programs.products import Product

MAX_TEXT = 4_000_000

Facts = dict[str, Any]
Whole = Annotated[int, Field(ge=0, le=MAX_INT)]


class Acting:
    """The tools with which a model acts with its owner's key."""

    def __init__(self, hand: Hand, reading: Reading) -> None:
        self._hand, self._client, self._reading = hand, hand.client, reading

    async def post_task(
        self,
        task: str,
        task_kind: str,
        specification: str,
        price_units: Whole,
        deadline_s: Whole,
        stake_units: Whole | None = None,
        relay: str = "",
    ) -> Facts:
        """Posts a task: price and fees leave my money at once. `task` is a new name (a-z, 0-9, . _ -), `deadline_s` the
        seconds from now until it closes, `stake_units` what a worker has to stake at least."""
        hand = self._hand
        hand.allowance.check_post(task_kind, price_units)
        units = price_units + await hand.fees_units()
        specified = _bounded(specification)
        hand.spending.book(f"posting {task}", units)
        done = await hand.requester.post(
            task,
            task_kind,
            specified,
            price_units=price_units,
            deadline_ms=self._client.now_ms() + deadline_s * 1_000,
            stake_units=stake_units,
            relay=relay or None,
        )
        return {"task": task, "spent_units": units, **_done(done)}

    async def claim_task(self, task: str, stake_units: Whole) -> Facts:
        """Claims a task through the relay: exactly this stake of mine locks until it settles, and is lost where my work
        is found false. One worker wins; `already-claimed` means that another one did."""
        won = await self._hand.claim(task, stake_units)
        return {"claim": won.claim, "task": task, "entry": won.entry, "proven": True}

    async def deliver(
        self,
        claim: str,
        artifacts: dict[str, str],
        encoding: Literal["text", "base64"] = "text",
        items: list[str] | None = None,
        made_from: list[str] | None = None,
        opened: bool = True,
    ) -> Facts:
        """Delivers my work on a claim, for good: `artifacts` are names and contents, `items` those of a batch. A claim
        has one output. `made_from` names claims (clm_...) or digests it was made from. `opened` lets everybody see it;
        otherwise it is opened only if it is drawn."""
        product = Product(
            {name: _content(text, encoding) for name, text in artifacts.items()},
            tuple(_content(text, encoding) for text in items or ()),
            tuple(made_from or ()),
        )
        if not product.artifacts:
            raise ClientError(
                "malformed", "an output has at least one artifact", hint="name one: its content"
            )
        done = await self._hand.deliver(claim, product, opened=opened and not product.items)
        return {"claim": claim, **_done(done)}

    async def open_output(self, claim: str) -> Facts:
        """Opens what I delivered, so that the verifiers who were drawn can see it. Only needed after `opened: false`,
        and then done by itself once the output is drawn, while this program runs."""
        done = await self._hand.open(claim)
        return {"claim": claim, "opened": [_done(each) for each in done]}

    async def renew_claim(self, claim: str) -> Facts:
        """Asks for another lease on a claim, where its rules give one."""
        return {"claim": claim, **_done(await self._hand.worker.send(ClaimRenew, claim=claim))}

    async def abandon_claim(self, claim: str) -> Facts:
        """Gives a claim up before anything was delivered."""
        return {"claim": claim, **_done(await self._hand.worker.send(ClaimAbandon, claim=claim))}

    async def vote(
        self, seat: str, verdict: Literal["pass", "fail", "void"], bad_items: list[int] | None = None
    ) -> Facts:
        """Votes on a seat of mine, for good: commits now, and reveals by itself once the panel has committed, so keep
        this program running. `void`: the specification cannot be judged. Of a batch, `bad_items` are the bad ones;
        `fail` without any calls all bad. A wrong vote costs stake: read the seat first."""
        hand = self._hand
        duty = await self._reading.duty(seat)
        hand.allowance.check_kind(duty["task"]["task_kind"])
        case = await hand.verifier.case(duty)
        if unknown := set(bad_items or ()) - set(case.items):
            raise ClientError("items-mismatch", f"the seat does not judge the items {sorted(unknown)}")
        if bad_items and verdict != "fail":
            raise ClientError("items-mismatch", "a vote that names bad items is a fail")
        judgement: bool | dict[int, bool] | None = verdict == "pass"
        if verdict == "void":
            judgement = None
        elif case.items:
            bad = set(bad_items or ()) or (set(case.items) if verdict == "fail" else set())
            judgement = {index: index not in bad for index in case.items}
        kept = hand.verifier.vote(duty, case, judgement)
        if kept.verdict != verdict:
            raise ClientError(
                "already-committed",
                f"the vote on this seat is {kept.verdict}, decided before",
                status=409,
                hint="a seat votes once",
            )
        act = await hand.verifier.act(duty)
        hand.stirred.set()
        if act is None or act.accepted is None:
            if act and act.error:
                raise act.error
            return {"seat": seat, "verdict": verdict, "did": "waits for the other seats"}
        return {"seat": seat, "verdict": verdict, "did": act.did, **_done(act.accepted)}


def _done(done: Accepted) -> Facts:
    """Returns the entry of a statement, proven by its receipt, for the tool `verify` to show again."""
    return {"entry": done.index, "statement": done.statement, "repeated": done.repeated, "proven": True}


def _bounded(text: str) -> bytes:
    data = text.encode()
    if len(data) > MAX_TEXT:
        raise ClientError(
            "too-large", f"{len(data)} bytes, at most {MAX_TEXT}", hint="use the command line for files"
        )
    return data


def _content(text: str, encoding: str) -> bytes:
    if encoding == "text":
        return _bounded(text)
    try:
        return b64decode(_bounded(text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ClientError("malformed", f"this is no base64: {error}", hint="or give text") from None
