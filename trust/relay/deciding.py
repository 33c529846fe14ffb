"""The decisions of a coordinator: the requests it brings to the service, the claims it confirms, and the statements
it signs for the others.

It never confirms what the service refused, and for one task promises its signature to one claim at a time: while a
claim that it signed may still be won, it signs no other, so a coordinator that would rather have somebody else win
does not get a second signature for that. A promise is over with the task's next entry, or after `PROMISE_MS`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from trust import clock
from trust.client import Accepted, AsyncTrustClient, Granted, Relay, ServiceError
from trust.client.cosigning import Asked
from trust.client.problems import Unreachable
from trust.client.statements import opened
from trust.client.transports import AsyncTransport
from trust.core import envelope as envelopes
from trust.core.commands import Spoken, enclosed
from trust.core.envelope import BadSignature, Envelope
from trust.core.payloads import (
    ClaimAbandon,
    ClaimRenew,
    ClaimRequest,
    ItemsOpen,
    OutputOpen,
    OutputSubmit,
    Payload,
    RelayAttest,
    RelayConfirm,
    TaskAllocate,
    TaskPost,
    kind_of,
)
from trust.core.rules.acts import ACTS
from trust.errors import ClientError, TrustError
from trust.relay.batches import Batches
from trust.relay.eligible import Eligible
from trust.relay.feed import Feed
from trust.relay.messages import Allocate, Draw
from trust.relay.mirror import Mirror, Work

PROMISE_MS = 2_000
GRANT_TRIES = 6
GRANT_AGAIN_S = 0.1
BRING_S = 5.0
"""How long the service may take for another coordinator's claim; then that one is given the signature alone."""
SEEN_S = 1.0
DELIVERED = (OutputSubmit, OutputOpen, ItemsOpen, ClaimRenew, ClaimAbandon)

COUNTED: dict[type[Payload], str] = {TaskPost: "posted", OutputSubmit: "delivered"}

Facts = dict[str, Any]


@dataclass(slots=True)
class Promise:
    """A claim.request that was signed and may still be won; `signed` is what another coordinator was given."""

    statement: str
    worker: str
    until_ms: int
    signed: bytes = b""


class Promises:
    """The claims to which a coordinator has given its signature, by task."""

    def __init__(self) -> None:
        self._given: dict[str, Promise] = {}

    def held(self, task: str) -> Promise | None:
        """Returns the newest promise for a task, which may be over; None where there was none."""
        return self._given.get(task)

    def give(self, task: str, statement: str, worker: str, signed: bytes = b"") -> None:
        """Promises the signature to a claim. `ClientError` promised where another claim has it; the same one may
        ask again."""
        now_ms = clock.monotonic_ms()
        held = self._given.get(task)
        if held is not None and held.statement != statement and held.until_ms > now_ms:
            raise ClientError(
                "promised",
                f"the signature for {task} is given to a claim of {held.worker}",
                status=409,
                hint="wait until that claim is won or refused",
                extra={"worker": held.worker},
            )
        self._given[task] = Promise(statement, worker, now_ms + PROMISE_MS, signed)

    def take_back(self, task: str, statement: str) -> None:
        """Drops a promise whose claim was refused."""
        if (held := self._given.get(task)) is not None and held.statement == statement:
            del self._given[task]

    def over(self, task: str) -> None:
        """Drops the promise of a task that has another state now."""
        self._given.pop(task, None)


class Desk:
    """One coordinator's decisions; `relay` signs with its key, and knows the addresses of the others."""

    def __init__(
        self, client: AsyncTrustClient, relay: Relay[AsyncTransport], mirror: Mirror, feed: Feed
    ) -> None:
        self._client = client
        self._relay = relay
        self._mirror = mirror
        self._feed = feed
        self._allocations: dict[str, str] = {}
        self._allocated: set[str] = set()
        self._batches: Batches[bytes, Accepted] = Batches(client.send_many)
        self.promises = Promises()
        self.eligible = Eligible(client.priorities)
        self.tasks: Counter[str] = Counter(posted=0, claimed=0, delivered=0)
        """What it brought to the log since its start."""

    @property
    def queue(self) -> Facts:
        """The number of requests that wait for the service."""
        return self._batches.queue

    # -- for agents

    async def claim(self, signed: Envelope, did: str = "", task: str = "") -> Facts:
        """Brings a worker's claim to the service. Raises its refusal: `already-claimed` has the winner, and the
        service's note or the receipt of the winner's entry."""
        spoken = self._spoken(signed)
        payload = spoken.payload
        if (
            not isinstance(payload, ClaimRequest)
            or did not in ("", payload.actor)
            or task not in ("", payload.task)
        ):
            raise ClientError("malformed", "a worker brings its own claim.request", status=400)
        try:
            granted = await self._grant(spoken, payload)
        except TrustError as error:
            self._refused(spoken, payload.task, error)
            raise
        accepted = granted.accepted
        self.tasks["claimed"] += not accepted.repeated
        task = accepted.entry.event("claim.opened")["task"]
        self._decide(
            "confirmed",
            task=task,
            claim=granted.claim,
            worker=payload.actor,
            index=accepted.index,
            statement=spoken.id,
            signers=sorted(opened(granted.confirmation).signed.signers),
        )
        work = self._mirror.tasks.get(payload.task)
        return {
            "task": task,
            "claim": granted.claim,
            "worker": payload.actor,
            "index": accepted.index,
            "confirmation": granted.confirmation.decode(),
            "receipt": msgspec.to_builtins(accepted.receipt),
            "requester": work.requester if work else "",
            "spec_sha256": work.spec_sha256 if work else "",
        }

    async def _grant(self, spoken: Spoken, request: ClaimRequest) -> Granted:
        self._relay.threshold = self._mirror.group.threshold
        data = envelopes.encode(spoken.signed.envelope)
        if self._relay.threshold == 1:
            return await self._granted(data)
        async with self._promised(request, spoken):
            self._decide_signed(spoken, request)
            return await self._grant_together(data, request)

    async def _granted(self, data: bytes) -> Granted:
        """Does the same as `Relay.grant`, with the claims of all agents in as few requests as possible."""
        signed = await self._relay.cosign(data)
        try:
            signed = await self._relay.gathered(signed)
        finally:
            brought = self._relay.cosigners.brought(opened(signed).id)
        if brought is not None:
            return Granted(
                brought.accepted, await self._relay.confirmed(brought.accepted, brought.confirmation)
            )
        accepted = await self._batches.send(signed)
        return Granted(accepted, await self._relay.confirmed(accepted))

    async def _grant_together(self, data: bytes, request: ClaimRequest) -> Granted:
        """Asks the others for their signatures; again where they have promised theirs to somebody who may yet lose."""
        for attempt in range(GRANT_TRIES):
            try:
                return await self._granted(data)
            except ClientError as error:
                if error.code != "threshold-not-met" or attempt == GRANT_TRIES - 1:
                    raise
                if not _may_change(error):
                    raise
            if (lost := await self._lost(request)) is not None:
                raise lost
            await asyncio.sleep(GRANT_AGAIN_S)
        raise AssertionError("the last attempt raises")

    @asynccontextmanager
    async def _promised(self, request: ClaimRequest, spoken: Spoken) -> AsyncIterator[None]:
        """Holds this coordinator's own promise for the block; whoever comes second waits for the outcome."""
        end = clock.monotonic_ms() + PROMISE_MS
        while True:
            if (lost := await self._lost(request)) is not None:
                raise lost
            try:
                self.promises.give(request.task, spoken.id, request.actor)
                break
            except ClientError:
                if clock.monotonic_ms() > end:
                    raise
                await self._mirror.until(lambda: self._is_claimed(request.task), GRANT_AGAIN_S)
        try:
            yield
        except BaseException:
            self.promises.take_back(request.task, spoken.id)
            raise

    def _is_claimed(self, task: str) -> bool:
        work = self._mirror.tasks.get(task)
        return work is None or work.state == "claimed"

    async def _lost(self, request: ClaimRequest) -> ClientError | None:
        """Returns `already-claimed` with the receipt of the winner's entry where another worker has the task,
        `task-closed` where it is closed, else None."""
        await self._seen(request.task, request.task_index)
        work = self._mirror.tasks.get(request.task)
        if work is None:
            return ClientError("task-closed", f"{request.task} is closed, or of another relay", status=410)
        if work.state != "claimed" or work.worker == request.actor:
            return None
        winner = msgspec.structs.replace(work)  # the mirror goes on while the receipt is fetched
        receipt, _ = await self._client.receipt(winner.claim_index)
        return _claimed(winner, msgspec.to_builtins(receipt))

    async def _seen(self, task: str, index: int) -> None:
        """Waits until the log has been followed to a task's entry. `ClientError` overloaded where that takes too
        long: the task may then exist, so it is not called closed."""

        def is_seen() -> bool:
            return self._mirror.size > index or task in self._mirror.tasks

        if not is_seen() and not await self._mirror.until(is_seen, SEEN_S):
            raise ClientError(
                "overloaded", f"the log has been followed to {self._mirror.size} entries so far", status=503
            )

    async def post(
        self, signed: Sequence[Envelope], did: str, allocate: Allocate | None
    ) -> tuple[list[Facts], list[str]]:
        """Brings a requester's tasks to the service; the results, and the names of those that are on the log."""
        spoken = [self._own(each, did, (TaskPost,)) for each in signed]
        results = await self._forward(spoken)
        posted = [
            str(getattr(each.payload, "task", ""))
            for each, result in zip(spoken, results, strict=True)
            if result["status"] < 300
        ]
        if allocate:
            for name, result in zip(posted, [each for each in results if each["status"] < 300], strict=True):
                result["allocation"] = await self._allocate(name, allocate)
        return results, posted

    async def deliver(self, signed: Sequence[Envelope], did: str) -> list[Facts]:
        """Brings what a worker says about its claims to the service."""
        return await self._forward([self._own(each, did, DELIVERED) for each in signed])

    async def attest(self, signed: Envelope) -> Facts:
        """Says that this relay was shown now what a worker or a verifier owes, and brings that to the service.

        The threshold's word is in the answer, so that whoever asked can bring it himself: 201 with the entry where the
        service took it, 202 where it gives no answer. Raises its refusal, and where it took the statement before.
        """
        spoken = self._spoken(signed)
        self._check_attested(spoken)
        self._relay.threshold = self._mirror.group.threshold
        attestation = await self._relay.attestation(envelopes.encode(signed))
        facts: Facts = {"attestation": attestation.decode()}
        about = str(getattr(spoken.payload, "claim", "") or getattr(spoken.payload, "seat", ""))
        decided = {"what": kind_of(spoken.payload), "about": about, "statement": opened(attestation).id}
        try:
            accepted = await self._client.send(attestation)
        except Unreachable as error:
            self._decide("attested", **decided)
            return {"status": 202, "detail": error.detail, **facts}
        except TrustError as error:
            self._refused(opened(attestation), about, error)
            raise
        self._decide("attested", **decided, index=accepted.index)
        receipt = msgspec.to_builtins(accepted.receipt)
        return {"status": 201, "index": accepted.index, "receipt": receipt, **facts}

    def _check_attested(self, spoken: Spoken) -> None:
        act = ACTS.get(type(spoken.payload))
        if act is None or not act.is_attestable:
            kind = kind_of(spoken.payload)
            raise ClientError("not-attested", f"a {kind} counts only where the service took it", status=422)

    async def _forward(self, spoken: Sequence[Spoken]) -> list[Facts]:
        data = [envelopes.encode(each.signed.envelope) for each in spoken]
        results: Sequence[Accepted | TrustError]
        try:
            results = await self._batches.send_all(data)
        except TrustError as error:
            results = [error] * len(data)
        return [self._forwarded(each, result) for each, result in zip(spoken, results, strict=True)]

    def _forwarded(self, spoken: Spoken, result: Accepted | TrustError) -> Facts:
        about = str(getattr(spoken.payload, "task", "") or getattr(spoken.payload, "claim", ""))
        if isinstance(result, Accepted):
            if (counted := COUNTED.get(type(spoken.payload))) and not result.repeated:
                self.tasks[counted] += 1
            self._decide(
                "forwarded",
                what=kind_of(spoken.payload),
                about=about,
                statement=spoken.id,
                index=result.index,
            )
            receipt = msgspec.to_builtins(result.receipt)
            return {"status": 200 if result.repeated else 201, "index": result.index, "receipt": receipt}
        self._refused(spoken, about, result)
        return problem(result)

    async def draw_squad(self, asked: Draw, did: str) -> Facts:
        """Has the draw decide who joins a squad, where its founder asks for it in time."""
        squad = await self._client.squad(asked.squad)
        if squad["founder"] != did:
            raise ClientError("not-yours", f"{asked.squad} is a squad of {squad['founder']}", status=403)
        if (asks_until_ms := int(squad["asks_until_ms"])) > self._client.now_ms():
            raise ClientError("bad-until", f"workers may ask to join until {asks_until_ms}", status=409)
        task = await self._client.task(squad["task"])
        most = min(task["most_parts"], task["items_count"] or task["most_parts"])
        terms = Allocate(shortlist=most - 1, exclusive_ms=asked.exclusive_ms)
        answer = await self._allocate(task["task"], terms, asked.squad)
        if answer["status"] >= 300:
            raise ServiceError.of(int(answer["status"]), answer)
        return answer

    async def _allocate(self, task: str, wanted: Allocate, squad: str | None = None) -> Facts:
        """Has the draw decide who may claim first, or who joins a squad; this coordinator signs that once for a
        task."""
        self._relay.threshold = self._mirror.group.threshold
        terms: Facts = {"shortlist": wanted.shortlist, "exclusive_ms": wanted.exclusive_ms}
        terms |= {} if squad is None else {"squad": squad}
        try:
            if self._allocations.setdefault(task, "own") != "own" or task in self._allocated:
                raise ClientError("already-allocated", f"the one draw of {task} was asked for", status=409)
            self._allocated.add(task)
            accepted = await self._relay.allocate(task, candidates=wanted.candidates, **terms)
        except TrustError as error:
            self._decide("refused", what="task.allocate", about=task, code=error.code, statement="")
            return problem(error)
        self._decide("allocated", task=task, index=accepted.index, **terms)
        return {"status": 201, "index": accepted.index}

    # -- for other coordinators

    async def cosign(self, request: Asked) -> Facts:
        """Returns the statement with this coordinator's signature, which it gives only after its own checks."""
        spoken = self._spoken(request.statement)
        payload = spoken.payload
        data = envelopes.encode(request.statement)
        try:
            match payload:
                case ClaimRequest():
                    signed = await self._cosign_claim(spoken, payload, data)
                case TaskAllocate():
                    signed = await self._cosign_allocation(spoken, payload, data)
                case RelayConfirm():
                    signed = await self._relay.cosign(data, request.receipt)
                case RelayAttest():
                    [shown] = enclosed(payload)
                    self._check_attested(shown)
                    signed = await self._relay.cosign(data)
                case _:
                    signed = await self._relay.cosign(data)  # says why not
        except TrustError as error:
            self._refused(spoken, str(getattr(payload, "task", "")), error, cosign=True)
            raise
        task = str(getattr(payload, "task", ""))
        self._decide(
            "cosigned", what=kind_of(payload), about=task, statement=spoken.id, worker=_worker(payload)
        )
        return _statement(signed)

    async def bring(self, request: Asked) -> Facts:
        """Does as `cosign`, and brings a claim whose threshold is complete by that to the service: its decision is the
        best look that there is. The answer has the receipt of the entry, and this coordinator's confirmation too."""
        spoken = self._spoken(request.statement)
        claim = spoken.payload
        if not isinstance(claim, ClaimRequest):
            return await self.cosign(request)
        try:
            _, signed = await self._signed_claim(claim, envelopes.encode(request.statement))
            if not self._is_enough(signed):
                return await self.cosign(request)
            await self._promise(spoken, claim, signed)
            async with asyncio.timeout(BRING_S):
                accepted = await self._brought(spoken, claim, signed)
        except TimeoutError:
            return await self.cosign(request)
        except TrustError as error:
            if not isinstance(error, Unreachable):  # else it may yet be won
                self.promises.take_back(claim.task, spoken.id)
            self._refused(spoken, claim.task, error, cosign=True)
            raise
        confirmation = self._relay.confirm(accepted.entry)
        about = {"about": claim.task, "statement": opened(confirmation).id, "worker": claim.actor}
        self._decide("cosigned", what=kind_of(opened(confirmation).payload), **about)
        return {
            **_statement(signed),
            "receipt": msgspec.to_builtins(accepted.receipt),
            "repeated": accepted.repeated,
            "confirmation": confirmation.decode(),
        }

    async def _brought(self, spoken: Spoken, claim: ClaimRequest, signed: bytes) -> Accepted:
        """Returns the entry of another coordinator's claim. The signature is out from here on, so it is in the feed."""
        self._decide_signed(spoken, claim)
        accepted = await self._batches.send(signed)
        about = {"what": kind_of(claim), "about": claim.task, "statement": spoken.id}
        self._decide("forwarded", **about, index=accepted.index)
        return accepted

    def _decide_signed(self, spoken: Spoken, claim: ClaimRequest) -> None:
        """Publishes that it signed a claim, before the signature goes to anybody: whoever has it may bring the claim,
        also when nobody waits for the answer here any more."""
        about = {"about": claim.task, "statement": spoken.id, "worker": claim.actor}
        self._decide("cosigned", what=kind_of(claim), **about)

    async def _signed_claim(self, request: ClaimRequest, data: bytes) -> tuple[Work, bytes]:
        """Returns a claim with this coordinator's signature, and its task as this one's own mirror has it."""
        await self._seen(request.task, request.task_index)
        work = self._look(request.task, request.task_index, request.actor)
        return work, await self._relay.cosign(data)

    def _is_enough(self, signed: bytes) -> bool:
        """Returns whether as many coordinators signed as must."""
        group = self._mirror.group
        return len(set(group.coordinators) & set(opened(signed).signed.signers)) >= group.threshold

    async def _cosign_claim(self, spoken: Spoken, request: ClaimRequest, data: bytes) -> bytes:
        """Co-signs a claim. The signature that completes the threshold is promised to one claim, and only to an
        agent that may claim; an earlier one is worth nothing before another coordinator has checked too."""
        work, signed = await self._signed_claim(request, data)
        if not self._is_enough(signed):
            return signed
        await self._promise(spoken, request, signed)
        try:
            is_enough = request.stake_units >= work.stake_units
            may_claim = self.eligible.may_claim(work.task_kind, request.actor, request.stake_units)
            if not (is_enough and await may_claim) and (error := await self._foreseen(signed)):
                raise error
        except BaseException:
            self.promises.take_back(request.task, spoken.id)
            raise
        return signed

    async def _promise(self, spoken: Spoken, request: ClaimRequest, signed: bytes) -> None:
        """Promises the signature; a promise to a claim that the service would refuse gives way."""
        try:
            self.promises.give(request.task, spoken.id, request.actor, signed)
        except ClientError:
            held = self.promises.held(request.task)
            if held is None or not held.signed:
                raise
            before, held.signed = held.signed, b""  # it is looked at once
            if await self._foreseen(before) is None:
                raise
            self.promises.take_back(request.task, held.statement)
            self.promises.give(request.task, spoken.id, request.actor, signed)

    async def _foreseen(self, signed: bytes) -> ServiceError | None:
        """Returns the refusal with which the service would answer a claim now; None where it would take it."""
        foreseen = await self._client.try_claim(signed)
        status = int(foreseen.get("status", 0))
        return None if status in (200, 201) else ServiceError.of(status, foreseen)

    async def _cosign_allocation(self, spoken: Spoken, allocation: TaskAllocate, data: bytes) -> bytes:
        """Co-signs an allocation: one draw a task, and from all who offer such work, so that no coordinator names
        the candidates alone."""
        await self._mirror.until(lambda: allocation.task in self._mirror.tasks, 1.0)
        work = self._look(allocation.task, None, "")
        if allocation.actor not in self._mirror.group.coordinators:
            raise ClientError("not-coordinator", f"{allocation.actor} is no coordinator", status=403)
        if allocation.candidates:
            raise ClientError("named-candidates", "this group draws from all who offer such work", status=403)
        before = self._allocations.setdefault(allocation.task, spoken.id)
        if work.is_allocated or before != spoken.id:
            raise ClientError(
                "already-allocated", f"the one draw of {allocation.task} was asked for", status=409
            )
        return await self._relay.cosign(data)

    def _look(self, task: str, index: int | None, worker: str) -> Work:
        """Returns the task where this coordinator's own mirror of the log has it open to this worker; raises the
        refusal."""
        work = self._mirror.tasks.get(task)
        if self._mirror.group.suspended:
            raise ClientError("relay-suspended", "this relay is suspended", status=403)
        if work is None:
            raise ClientError("task-closed", f"{task} is closed, or of another relay", status=410)
        if work.state == "claimed" and work.worker != worker:
            raise _claimed(work, None)
        if index is not None and index != work.task_index:
            raise ClientError("wrong-task-index", f"{task} was posted at entry {work.task_index}", status=409)
        is_exclusive = work.exclusive_until_ms > clock.now_ms() or work.state == "allocating"
        if worker and is_exclusive and worker not in work.shortlist:
            raise ClientError("not-allocated", f"{task} is for its shortlist", status=403)
        return work

    # -- what all of it needs

    def _spoken(self, signed: Envelope) -> Spoken:
        """Returns a statement of this network whose signatures hold; raises `ClientError`."""
        spoken = opened(envelopes.encode(signed))
        if spoken.payload.network != self._client.network:
            raise ClientError("foreign-network", f"a statement in {spoken.payload.network}", status=400)
        try:
            envelopes.verify(spoken.signed)
        except BadSignature as error:
            raise ClientError(error.code, str(error), status=400) from error
        return spoken

    def _own(self, signed: Envelope, did: str, kinds: tuple[type[Payload], ...]) -> Spoken:
        spoken = self._spoken(signed)
        if not isinstance(spoken.payload, kinds) or spoken.payload.actor != did:
            raise ClientError(
                "malformed", f"a {kind_of(spoken.payload)} of {spoken.payload.actor}", status=400
            )
        return spoken

    def _decide(self, kind: str, **facts: Any) -> None:
        self._feed.decide(kind, self._mirror.size, **facts)

    def _refused(self, spoken: Spoken, about: str, error: TrustError, *, cosign: bool = False) -> None:
        note, index = error.extra.get("refusal"), error.extra.get("index")
        is_allocation = isinstance(spoken.payload, TaskAllocate)
        self._decide(
            "refused",
            what=kind_of(spoken.payload),
            about=about,
            statement=spoken.id,
            actor=spoken.payload.actor,
            code=error.code,
            **({"note": note} if isinstance(note, str) else {}),
            **({"index": index} if isinstance(index, int) else {}),
            **({"signed": msgspec.to_builtins(spoken.signed.envelope)} if is_allocation else {}),
            **({"cosign": True} if cosign else {}),
            **({"foreseen": True} if "as_of" in error.extra and not isinstance(note, str) else {}),
        )


def problem(error: TrustError) -> Facts:
    """Returns the members of a problem as an answer carries them."""
    facts = {"status": error.status or 400, "code": error.code, "detail": error.detail}
    more = {"reasons": list(error.reasons)} if error.reasons else {}
    return {**facts, **more, **({"hint": error.hint} if error.hint else {}), **error.extra}


def _claimed(work: Work, receipt: Any) -> ClientError:
    extra = {"claim": work.claim, "worker": work.worker, "index": work.claim_index}
    return ClientError(
        "already-claimed",
        f"{work.task} was claimed by {work.worker} at entry {work.claim_index}",
        status=409,
        extra=extra | ({"receipt": receipt} if receipt else {}),
    )


def _may_change(error: ClientError) -> bool:
    """Returns whether a coordinator refused for a reason that may pass: its signature is promised to a claim that
    may yet lose or has won meanwhile, or it has not followed the log as far yet."""
    refusals: Any = error.extra.get("refusals", {})
    return any(each["code"] in ("promised", "already-claimed", "overloaded") for each in refusals.values())


def _statement(signed: bytes) -> Facts:
    """Returns an envelope as the answer to who asked for a signature."""
    return {"statement": msgspec.to_builtins(envelopes.open_envelope(signed).envelope)}


def _worker(payload: Payload) -> str:
    return payload.worker if isinstance(payload, RelayConfirm) else payload.actor
