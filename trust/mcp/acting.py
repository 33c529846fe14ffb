"""The tools that sign: each looks at its owner's limits first, and signs nothing that they do not allow."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from trust.client import Accepted, ServiceError
from trust.core.payloads import (
    MAX_INT,
    ClaimAbandon,
    ClaimRenew,
    StakeWithdraw,
    TaskPost,
    VerdictChallenge,
    VerifierEnroll,
)
from trust.errors import ClientError
from trust.mcp.marking import error_facts
from trust.mcp.reading import Reading
from trust.programs.hand import Hand
from trust.programs.products import Product

MAX_TEXT = 4_000_000

Facts = dict[str, Any]
Whole = Annotated[int, Field(ge=0, le=MAX_INT)]


class Post(BaseModel):
    """A task to post, as `post_task` takes it."""

    task: str
    task_kind: str
    specification: str
    price_units: Whole
    stake_units: Whole | None = None
    relay: str = ""


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
        seconds from now until it closes, `stake_units` what a worker has to stake at least. Where no answer came, the
        same call again posts it once."""
        asked = Post(
            task=task,
            task_kind=task_kind,
            specification=specification,
            price_units=price_units,
            stake_units=stake_units,
            relay=relay,
        )
        (done,), units = await self._post([asked], deadline_s)
        if isinstance(done, ServiceError):
            raise done
        return {"task": task, "spent_units": units, **_done(done)}

    async def post_tasks(
        self, tasks: Annotated[list[Post], Field(min_length=1, max_length=32)], deadline_s: Whole
    ) -> Facts:
        """Posts several tasks that close together, as `post_task` does: where my owner's limits do not allow all, none.
        Each has its result, in order: the entry, or the service's error."""
        results, units = await self._post(tasks, deadline_s)
        shown = [
            {"task": post.task, "error": error_facts(each)}
            if isinstance(each, ServiceError)
            else {"task": post.task, **_done(each)}
            for post, each in zip(tasks, results, strict=True)
        ]
        return {"results": shown, "spent_units": units}

    async def _post(
        self, posts: Sequence[Post], deadline_s: int
    ) -> tuple[list[Accepted | ServiceError], int]:
        """Posts tasks; returns a result each, and what they take together."""
        hand, specified = self._hand, [_bounded(each.specification) for each in posts]
        if len({each.task for each in posts}) < len(posts):
            raise ClientError("malformed", "two tasks of one name", hint="name each differently")
        for each in posts:
            hand.allowance.check_post(each.task_kind, each.price_units)
        fees_units = (await hand.policy()).fees_units
        amounts = {f"posting {each.task}": each.price_units + fees_units for each in posts}
        hand.spending.book_all(amounts, once=True)
        deadline_ms = self._client.now_ms() + deadline_s * 1_000
        envelopes = [
            hand.requester.say(
                TaskPost,
                task=each.task,
                task_kind=each.task_kind,
                spec_sha256=await hand.requester.upload(data),
                price_units=each.price_units,
                deadline_ms=deadline_ms,
                stake_units=each.stake_units,
                relay=each.relay or None,
            )
            for each, data in zip(posts, specified, strict=True)
        ]
        return await hand.tell_all(envelopes, f"{deadline_s} s"), sum(amounts.values())

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

    async def register(self, handle: str = "", capabilities: list[str] | None = None) -> Facts:
        """Registers me with the network, with the proof of work that it asks, under a handle that nobody has yet;
        `capabilities` are the kinds of work that I take."""
        for kind in capabilities or ():
            self._hand.allowance.check_kind(kind)
        return _done(await self._hand.worker.register(handle or None, capabilities or ()))

    async def enroll(self, task_kinds: list[str], stake_units: Whole = 0) -> Facts:
        """Offers to judge work of these kinds: locks so much more of my money, for which my votes answer."""
        hand = self._hand
        for kind in task_kinds:
            hand.allowance.check_kind(kind)
        hand.allowance.check_stake(stake_units)
        hand.spending.book("a stake for votes", stake_units)
        return _done(await hand.tell(VerifierEnroll, task_kinds=tuple(task_kinds), stake_units=stake_units))

    async def withdraw(self, amount_units: Annotated[int, Field(ge=1, le=MAX_INT)]) -> Facts:
        """Starts my free money on its way out to my owner, where that is allowed; it unbonds first."""
        self._hand.allowance.check_withdrawal()
        return _done(await self._hand.tell(StakeWithdraw, amount_units=amount_units))

    async def challenge(self, claim: str, reason: str, report: str = "") -> Facts:
        """Attacks a verdict, or an output that was not checked, before a larger panel: locks a bond and its fees, which
        are lost where it finds otherwise. `report` is stored for everybody to read."""
        hand = self._hand
        facts = await self._client.claim(claim)
        hand.allowance.check_kind(facts["task_kind"])
        policy, number = await hand.policy(), len(facts["rounds"]) + 1
        if number > len(policy.checks.panels):
            raise ClientError("not-here", f"no panel is left for {claim}", hint="its verdict stands")
        bond_units = policy.challenge_bond_units(facts["task"]["price_units"], number)
        units = bond_units + policy.panel_fees_units(number)
        hand.allowance.check_stake(units)
        hand.spending.book(f"a challenge of {claim}, round {number}", units, once=True)
        digest = await hand.requester.upload(_bounded(report)) if report else None
        done = await hand.tell(VerdictChallenge, claim=claim, reason=reason, report_sha256=digest)
        return {"claim": claim, "locked_units": units, **_done(done)}

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
