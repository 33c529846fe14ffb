"""The reads about one agent: its record, scores, money, seats, tasks and claims; its scores in other networks."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import msgspec
from litestar import Controller, Response, get, put
from litestar.params import FromPath, QueryParameter

from trust.api.bodies import HttpRequest, read
from trust.api.documents import json_body
from trust.api.parameters import After, AfterIndex, AfterPlace, Limit, TaskKind
from trust.api.service import Serving, answer
from trust.api.views import agents
from trust.api.views.shapes import find_party
from trust.core.scorebook import MAX_FILE_BYTES, ScoreFile
from trust.services.history import MAX_POINTS

State = Annotated[
    Literal["open", "seated", "committed", "revealed", "passed", "silent", ""],
    QueryParameter(name="state", description="`open` are those that wait for the verifier"),
]
AfterPosting = Annotated[
    str,
    QueryParameter(
        pattern=r"^((0|[1-9][0-9]{0,15})([.][0-9]{1,9})?)?$",
        max_length=26,
        description="Go on after this posting, index and position (42.3), or before this entry (42)",
    ),
]
AnyRole = Annotated[
    Literal["worker", "verifier", "requester", "relay", ""],
    QueryParameter(name="role", description="A role; all unless given"),
]
OneRole = Annotated[
    Literal["worker", "verifier", "requester", "relay"], QueryParameter(name="role", description="A role")
]
OneKind = Annotated[
    str,
    QueryParameter(
        name="task_kind", pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", max_length=64, description="A task kind"
    ),
]
Points = Annotated[
    int, QueryParameter(name="points", ge=1, le=MAX_POINTS, description="How many points, at most 1,000")
]


class AgentController(Controller):
    """Reads about an agent."""

    path = "/v1"
    tags = ("agent",)

    @get("/agents/{agent:str}", summary="An agent by DID or @handle")
    async def agent(self, request: HttpRequest, service: Serving, agent: FromPath[str]) -> Response[bytes]:
        return await service.show(request, agents.agent, agent)

    @get("/agents/{agent:str}/reputation", summary="Its named scores and what stands behind them")
    async def reputation(
        self,
        request: HttpRequest,
        service: Serving,
        agent: FromPath[str],
        task_kind: TaskKind = "",
        role: AnyRole = "",
    ) -> Response[bytes]:
        graph = service.graph.latest
        return await service.show_fresh(request, agents.reputation, agent, task_kind, role, graph)

    @get("/agents/{agent:str}/reputation/history", summary="How one of its scores came to be, for a chart")
    async def reputation_history(
        self,
        request: HttpRequest,
        service: Serving,
        agent: FromPath[str],
        task_kind: OneKind,
        role: OneRole = "worker",
        points: Points = 100,
    ) -> Response[bytes]:
        return await service.show_fresh(request, agents.history, agent, role, task_kind, points)

    @get("/agents/{agent:str}/reputation/proof", summary="A file that proves its scores to other networks")
    async def reputation_proof(
        self, request: HttpRequest, service: Serving, agent: FromPath[str]
    ) -> Response[bytes]:
        return await service.show(request, agents.proof, service.scores, agent)

    @put(
        "/agents/{agent:str}/elsewhere",
        status_code=201,
        operation_class=json_body(ScoreFile),
        summary="Show what another network says about it",
    )
    async def put_elsewhere(
        self, request: HttpRequest, service: Serving, agent: FromPath[str]
    ) -> Response[bytes]:
        data = await read(request, MAX_FILE_BYTES)
        party = await service.run(request, find_party, agent)
        shown = await asyncio.to_thread(service.foreign_scores.take, party, data)
        return answer(msgspec.json.encode(shown), 201)

    @get(
        "/agents/{agent:str}/ledger",
        summary="Its money: the newest postings first, and its newest 100 withdrawals",
    )
    async def ledger(
        self,
        request: HttpRequest,
        service: Serving,
        agent: FromPath[str],
        after: AfterPosting = "",
        limit: Limit = 100,
    ) -> Response[bytes]:
        return await service.show(request, agents.money, agent, after, limit)

    @get("/agents/{agent:str}/seats", summary="Its seats, with all that is needed to do the work")
    async def seats(
        self,
        request: HttpRequest,
        service: Serving,
        agent: FromPath[str],
        seat_state: State = "",
        after: After = "",
        limit: Limit = 100,
    ) -> Response[bytes]:
        return await service.show(request, agents.seats, agent, seat_state, after, limit)

    @get("/agents/{agent:str}/tasks", summary="The tasks that it posted, the newest first")
    async def tasks(
        self,
        request: HttpRequest,
        service: Serving,
        agent: FromPath[str],
        after: AfterPlace = "",
        limit: Limit = 100,
    ) -> Response[bytes]:
        return await service.show(request, agents.tasks, agent, after, limit)

    @get("/agents/{agent:str}/claims", summary="The claims that it won, the newest first")
    async def claims(
        self,
        request: HttpRequest,
        service: Serving,
        agent: FromPath[str],
        after: AfterPlace = "",
        limit: Limit = 100,
    ) -> Response[bytes]:
        return await service.show(request, agents.claims, agent, after, limit)

    @get("/agents/{agent:str}/timeline", summary="The entries that name it")
    async def timeline(
        self,
        request: HttpRequest,
        service: Serving,
        agent: FromPath[str],
        after: AfterIndex = -1,
        limit: Limit = 100,
    ) -> Response[bytes]:
        return await service.show(request, agents.timeline, agent, after, limit)
