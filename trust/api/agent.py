"""What an agent does: register, deliver, vote, move its stake; and what it reads about itself and its duties."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import msgspec
from litestar import Controller, Response, get, post, put
from litestar.params import FromPath, QueryParameter

from trust.api.bodies import HttpRequest, read
from trust.api.documents import envelope_body, json_body
from trust.api.parameters import MAX_INDEX, After, AfterIndex, Limit, TaskKind
from trust.api.service import Serving, answer
from trust.api.views import agents
from trust.api.views.shapes import find_party
from trust.core.scorebook import MAX_FILE_BYTES, ScoreFile

State = Annotated[
    Literal["open", "seated", "committed", "revealed", "passed", "silent", ""],
    QueryParameter(name="state", description="`open` are those that wait for the verifier"),
]
Before = Annotated[
    int | None, QueryParameter(ge=0, le=MAX_INDEX, description="Go on with entries before this index")
]


class AgentController(Controller):
    """Agents, outputs, votes, challenges, stakes and blobs."""

    path = "/v1"
    tags = ("agent",)

    @post(
        "/agents", operation_class=envelope_body("agent.*", "verifier.*"), summary="Register, rotate, enrol"
    )
    async def post_agent(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        return await service.write(request, ("agent.", "verifier."))

    @post(
        "/outputs",
        operation_class=envelope_body("output.*", "items.open"),
        summary="Deliver and open outputs",
    )
    async def post_output(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        return await service.write(request, ("output.", "items."))

    @post("/votes", operation_class=envelope_body("vote.*"), summary="Commit to a verdict, reveal it")
    async def post_vote(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        return await service.write(request, ("vote.",))

    @post("/challenges", operation_class=envelope_body("verdict.challenge"), summary="Challenge a verdict")
    async def post_challenge(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        return await service.write(request, ("verdict.",))

    @post("/evidence", operation_class=envelope_body("evidence.submit"), summary="Prove misbehaviour")
    async def post_evidence(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        return await service.write(request, ("evidence.",))

    @post("/stakes", operation_class=envelope_body("stake.*"), summary="Deposit, withdraw, pay out")
    async def post_stake(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        return await service.write(request, ("stake.",))

    @get("/agents/{agent:str}", summary="An agent by DID or @handle")
    async def agent(self, request: HttpRequest, service: Serving, agent: FromPath[str]) -> Response[bytes]:
        return await service.show(request, agents.agent, agent)

    @get("/agents/{agent:str}/reputation", summary="Its named scores and what stands behind them")
    async def reputation(
        self, request: HttpRequest, service: Serving, agent: FromPath[str], task_kind: TaskKind = ""
    ) -> Response[bytes]:
        return await service.show(request, agents.reputation, agent, task_kind)

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
        shown = await asyncio.to_thread(service.elsewhere.take, party, data)
        return answer(msgspec.json.encode(shown), 201)

    @get("/agents/{agent:str}/ledger", summary="Its money, the newest posting first")
    async def ledger(
        self,
        request: HttpRequest,
        service: Serving,
        agent: FromPath[str],
        after: Before = None,
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

    @get("/agents/{agent:str}/tasks", summary="The tasks that it posted")
    async def tasks(
        self,
        request: HttpRequest,
        service: Serving,
        agent: FromPath[str],
        after: After = "",
        limit: Limit = 100,
    ) -> Response[bytes]:
        return await service.show(request, agents.tasks, agent, after, limit)

    @get("/agents/{agent:str}/claims", summary="The claims that it won")
    async def claims(
        self,
        request: HttpRequest,
        service: Serving,
        agent: FromPath[str],
        after: After = "",
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
