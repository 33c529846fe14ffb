"""The reads of an auditor: the log by C2SP's paths and as JSON, receipts, the stream of entries, policy and sums."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, cast

from litestar import Controller, Response, get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from trust.api.bodies import HttpRequest
from trust.api.edge import AT_END_KEY, CALLER_KEY, ONLY_HEAD_KEY
from trust.api.feed import Wanted
from trust.api.parameters import (
    AfterPair,
    BeforeMs,
    EntryKind,
    Index,
    Limit,
    Per,
    RelayId,
    Size,
    TaskKind,
    agent_named,
)
from trust.api.service import Service, Serving, answer
from trust.api.views import log, network
from trust.api.views import periods as overtime
from trust.api.views.shapes import find_party
from trust.core.payloads import CLAIM_ID
from trust.errors import TrustError

MAX_BEHIND_S = 1.0
NO_CACHE = "no-cache"
FOR_EVER = "public, max-age=31536000, immutable"
_INDEX = re.compile(r"-1|0|[1-9][0-9]{0,39}")

AfterSeen = Annotated[
    int | None,
    QueryParameter(ge=-1, description="The last index seen; what is new unless given"),
]
AgentName = Annotated[str, agent_named("agent", "Only entries that name this agent")]
ClaimId = Annotated[
    str,
    QueryParameter(max_length=32, pattern=rf"^({CLAIM_ID})?$", description="Only entries about this claim"),
]
TaskId = Annotated[
    str,
    QueryParameter(
        max_length=64,
        pattern=r"^([a-z0-9][a-z0-9._-]{0,63})?$",
        description="Only entries about this task and the claims on it",
    ),
]
Form = Annotated[
    Literal["event", "message"],
    QueryParameter(
        name="as", description="`message`: without the event's name, so that a browser's onmessage gets each"
    ),
]
PolicyNumber = Annotated[int | None, QueryParameter(ge=0, description="In force now unless given")]


class LogController(Controller):
    """The log itself."""

    path = "/log"
    tags = ("auditor",)

    @get("/checkpoint", media_type="text/plain", summary="The signed checkpoint (C2SP tlog-checkpoint)")
    async def checkpoint(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        body = await service.run(request, log.checkpoint)
        return answer(body, media_type="text/plain", cache_control=NO_CACHE)

    @get("/tile/{path:path}", media_type="application/octet-stream", summary="A tile (C2SP tlog-tiles)")
    async def tile(self, request: HttpRequest, service: Serving, path: FromPath[str]) -> Response[bytes]:
        packed = "gzip" in request.headers.get("accept-encoding", "")
        named = f"tile/{str(path).removeprefix('/')}"
        body, encoding = await service.run(request, log.tile, named, packed)
        headers = {"cache_control": FOR_EVER, "vary": "Accept-Encoding"}
        if encoding:
            headers["content_encoding"] = encoding
        return answer(body, 200, "application/octet-stream", **headers)

    @get("/proof/inclusion", summary="An inclusion path (RFC 9162)")
    async def inclusion(
        self, request: HttpRequest, service: Serving, index: Index, size: Size = None
    ) -> Response[bytes]:
        return await service.show(request, log.inclusion, index, size)

    @get("/proof/consistency", summary="A consistency proof (RFC 9162)")
    async def consistency(
        self,
        request: HttpRequest,
        service: Serving,
        old: Annotated[int, QueryParameter(name="from", ge=0)],
        new: Annotated[int | None, QueryParameter(name="to", ge=0)] = None,
    ) -> Response[bytes]:
        return await service.show(request, log.consistency, old, new)

    @get("/leaf/{digest:str}", summary="Where the entry with this leaf hash stands")
    async def leaf(self, request: HttpRequest, service: Serving, digest: FromPath[str]) -> Response[bytes]:
        return await service.show(request, log.leaf, digest)


class AuditorController(Controller):
    """Receipts, policy, sums and the stream of entries."""

    path = "/v1"
    tags = ("auditor",)

    @get("/receipts/{index:str}", summary="The newest receipt of an entry")
    async def receipt(self, request: HttpRequest, service: Serving, index: FromPath[str]) -> Response[bytes]:
        return await service.show(request, log.receipt, index)

    @get("/policy", summary="The network, its keys, its rules and the policy in force")
    async def policy(
        self, request: HttpRequest, service: Serving, number: PolicyNumber = None
    ) -> Response[bytes]:
        return await service.show(request, network.policy, number)

    @get("/stats", summary="Counts and sums of the whole network")
    async def stats(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        return await service.show(request, network.stats)

    @get("/stats/overhead", summary="What coordination takes of tasks' lives, by task kind and relay")
    async def overhead(
        self,
        request: HttpRequest,
        service: Serving,
        task_kind: TaskKind = "",
        after: AfterPair = "",
        limit: Limit = 100,
    ) -> Response[bytes]:
        return await service.show(request, network.overhead, task_kind, after, limit)

    @get("/stats/periods", summary="What happened in each hour or day, the newest first")
    async def periods(
        self,
        request: HttpRequest,
        service: Serving,
        per: Per = "hour",
        after: BeforeMs = None,
        limit: Limit = 48,
    ) -> Response[bytes]:
        return await service.show(request, overtime.periods, per, after, limit)

    @get(
        "/events",
        media_type="text/event-stream",
        summary="Entries as they come (SSE), all or some; Last-Event-ID or after is the last index seen",
    )
    async def events(
        self,
        request: HttpRequest,
        service: Serving,
        after: AfterSeen = None,
        entry_kind: EntryKind = "",
        task_kind: TaskKind = "",
        agent: AgentName = "",
        relay: RelayId = "",
        claim: ClaimId = "",
        task: TaskId = "",
        form: Form = "event",
    ) -> Stream:
        start = await _start(request, service, _resume(request, after))
        named = (await service.run(request, find_party, agent)).id if agent else ""
        wanted = Wanted(entry_kind, task_kind, named, relay, claim, task)
        as_messages = form == "message"
        scope = cast(dict[str, Any], request.scope)
        scope[AT_END_KEY].enter_context(service.streams.taken(scope[CALLER_KEY]))
        return Stream(
            () if ONLY_HEAD_KEY in scope else service.feed.follow(start, wanted, as_messages=as_messages),
            media_type="text/event-stream",
            headers={"cache-control": NO_CACHE, "x-accel-buffering": "no"},
        )


def _resume(request: HttpRequest, after: int | None) -> int | None:
    """The index after which the stream goes on; None for what is new from now on."""
    last = request.headers.get("last-event-id")
    if last is None:
        return after
    if not _INDEX.fullmatch(last):
        raise TrustError("bad-parameter", "Last-Event-ID: a log index")
    return int(last)


async def _start(request: HttpRequest, service: Service, after: int | None) -> int:
    """The index that a stream begins with; TrustError `unknown-entry` where it would begin beyond the log.

    Silence there would hide the entries that a log which was restored from a backup has at those very indexes.
    """
    size = await service.run(request, lambda reader: reader.head().size)
    if after is None:
        return size
    if after >= size:  # this replica may be a moment behind another
        size = await service.notifier.more_than(after, MAX_BEHIND_S)
    if after >= size:
        raise TrustError("unknown-entry", f"the log has {size} entries, and none of index {after}")
    return after + 1
