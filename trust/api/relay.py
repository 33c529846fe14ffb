"""The reads of a relay: may this claim be confirmed, who should go first, tasks and claims; and writes in batches."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.params import FromPath
from msgspec import Meta

from trust import clock
from trust.api.bodies import HttpRequest, read
from trust.api.documents import batch_body, envelope_body, json_body
from trust.api.parameters import AfterIndex, Limit
from trust.api.service import Serving, answer
from trust.api.views import cases, dry_run, provenance
from trust.api.writes import kinds_at
from trust.core import strict
from trust.core.envelope import MAX_ENVELOPE_BYTES
from trust.core.payloads import Name
from trust.errors import TrustError
from trust.services import scoring
from trust.storage.reading import Reader

CLAIMS = "/v1/claims"
MAX_CANDIDATES = 1_000
MAX_ASKED_BYTES = 128 * 1024


DidOrHandle = Annotated[
    str,
    Meta(max_length=64, pattern=r"^(did:key:z[1-9A-HJ-NP-Za-km-z]{42,56}|@[a-z0-9][a-z0-9-]{1,31})$(?!\n)"),
]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/priorities`."""

    task_kind: Name
    candidates: Annotated[
        tuple[DidOrHandle, ...], Meta(min_length=1, extra_json_schema={"maxItems": MAX_CANDIDATES})
    ]
    task: Name | None = None


class RelayController(Controller):
    """Tasks, claims and priorities."""

    path = "/v1"
    tags = ("relay",)

    @post(
        "/claims/check",
        operation_class=envelope_body(*kinds_at(CLAIMS)),
        status_code=200,
        summary="What POST /v1/claims would answer, without doing it",
    )
    async def check_claim(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        spoken = await service.admission.screen(await read(request, MAX_ENVELOPE_BYTES), CLAIMS)
        return await service.show(request, dry_run.answer_to, spoken, clock.now_ms())

    @post(
        "/statements", operation_class=batch_body(), status_code=200, summary="1 to 1,000 statements at once"
    )
    async def post_statements(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        return await service.write_all(request)

    @post(
        "/priorities",
        operation_class=json_body(Asked),
        status_code=200,
        summary="In which order to offer work",
    )
    async def priorities(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        question = _asked(await read(request, MAX_ASKED_BYTES))
        return await service.show(request, priorities, question)

    @get("/tasks/{task:str}", summary="A task and the claims on it")
    async def task(self, request: HttpRequest, service: Serving, task: FromPath[str]) -> Response[bytes]:
        return await service.show(request, cases.task, task)

    @get("/tasks/{task:str}/timeline", summary="What happened to a task, entry by entry")
    async def task_timeline(
        self,
        request: HttpRequest,
        service: Serving,
        task: FromPath[str],
        after: AfterIndex = -1,
        limit: Limit = 100,
    ) -> Response[bytes]:
        return await service.show(request, cases.task_timeline, task, after, limit)

    @get(
        "/squads/{squad:str}", summary="A squad: who takes which part of a task, and the claims on the parts"
    )
    async def squad(self, request: HttpRequest, service: Serving, squad: FromPath[str]) -> Response[bytes]:
        return await service.show(request, cases.squad, squad)

    @get("/claims/{claim:str}", summary="A claim with its task, output, rounds and seats")
    async def claim(self, request: HttpRequest, service: Serving, claim: FromPath[str]) -> Response[bytes]:
        return await service.show(request, cases.claim, claim)

    @get("/claims/{claim:str}/timeline", summary="What happened to a claim, entry by entry")
    async def claim_timeline(
        self,
        request: HttpRequest,
        service: Serving,
        claim: FromPath[str],
        after: AfterIndex = -1,
        limit: Limit = 100,
    ) -> Response[bytes]:
        return await service.show(request, cases.claim_timeline, claim, after, limit)

    @get("/claims/{claim:str}/provenance", summary="What its output was made from, and what was made from it")
    async def claim_provenance(
        self,
        request: HttpRequest,
        service: Serving,
        claim: FromPath[str],
        after: AfterIndex = -1,
        limit: Limit = 100,
    ) -> Response[bytes]:
        return await service.show(request, provenance.provenance, claim, after, limit)

    @get("/claims/{claim:str}/bundle", summary="One file that proves a claim's case offline")
    async def claim_bundle(
        self, request: HttpRequest, service: Serving, claim: FromPath[str]
    ) -> Response[bytes]:
        return answer(await service.run(request, cases.claim_bundle, claim))


def priorities(reader: Reader, question: Asked) -> dict[str, Any]:
    """The order of the candidates, who may be named by their handles."""
    candidates = scoring.dids_of(reader, question.candidates)
    if twice := [did for did, count in Counter(candidates).items() if count > 1]:
        raise TrustError("named-twice", f"candidates: {twice[0]} stands there more than once")
    return scoring.priorities(reader, question.task_kind, candidates, question.task or "")


def _asked(body: bytes) -> Asked:
    try:
        question = strict.parse(body, Asked, max_bytes=MAX_ASKED_BYTES)
    except strict.Malformed as error:
        raise TrustError("malformed", str(error)) from None
    if len(question.candidates) > MAX_CANDIDATES:
        raise TrustError(
            "too-large", f"{len(question.candidates)} candidates; at most {MAX_CANDIDATES} at once"
        )
    return question
