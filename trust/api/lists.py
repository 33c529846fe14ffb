"""The lists of the whole network and the search: what is open, who offers what, what a word names.

Functions and no controller: writes are posted to some of the same paths.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from litestar import Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from trust.api.bodies import HttpRequest
from trust.api.parameters import (
    After,
    AfterPlace,
    Before,
    EntryKind,
    Limit,
    RelayId,
    TaskKind,
    agent_named,
)
from trust.api.service import Serving
from trust.api.views import due as waiting
from trust.api.views import lists

TaskState = Annotated[
    Literal["open", "allocating", "claimed", "split", "closed", ""],
    QueryParameter(name="state", description="A task's state; all unless given"),
]
ClaimState = Annotated[
    Literal[
        "open", "claimed", "submitted", "unchecked", "checking", "passing", "failing", "voiding",
        "accepted", "rejected", "abandoned", "expired", "voided", "",
    ],
    QueryParameter(name="state", description="A claim's state, `open` for all that have not ended"),
]  # fmt: skip
SquadState = Annotated[
    Literal["calling", "formed", "claimed", "dissolved", "expired", "accepted", "unfinished", ""],
    QueryParameter(name="state", description="A squad's state; all unless given"),
]
SquadTask = Annotated[
    str,
    QueryParameter(
        name="task",
        max_length=64,
        pattern=r"^([a-z0-9][a-z0-9._-]*)?$",
        description="The task that they are formed for; all unless given",
    ),
]
SeatState = Annotated[
    Literal["open"], QueryParameter(name="state", description="Those that wait for their verifiers")
]
Requester = Annotated[str, agent_named("requester", "Who posted it")]
WorkerName = Annotated[str, agent_named("worker", "Who holds it")]
Capability = Annotated[
    str,
    QueryParameter(
        max_length=64,
        pattern=r"^[a-z0-9._-]*$",
        description="A kind of task that they offer; all unless given",
    ),
]
Role = Annotated[
    Literal["worker", "verifier", ""],
    QueryParameter(description="Who offers work, or who offers checks; all unless given"),
]
Sort = Annotated[
    Literal["registered", "weight"],
    QueryParameter(description="The newest first, or who weighs most in draws for the capability"),
]
AfterAny = Annotated[
    str,
    QueryParameter(
        max_length=96,
        pattern=r"^((0|[1-9][0-9]{0,15})([.][A-Za-z0-9][A-Za-z0-9:._-]{0,79})?)?$",
        description="Go on after this place: `after` of the page before",
    ),
]
AfterDue = Annotated[
    str,
    QueryParameter(
        max_length=240,
        pattern=r"^((0|[1-9][0-9]{0,15})[.][a-z]{1,16}[.][A-Za-z0-9][A-Za-z0-9:._/-]{0,199})?$",
        description="Go on after this place: `after` of the page before",
    ),
]
Word = Annotated[
    str,
    QueryParameter(
        name="q",
        min_length=1,
        max_length=256,
        pattern=r"^[!#-\[\]-~]+$",
        description="A DID or key, a handle or task id or how one begins, an id, an index, a hash, a name elsewhere",
    ),
]


class Wanted(NamedTuple):
    """Which cases a list has: those in a state, and with these values; "" is any."""

    state: str
    filters: dict[str, str]


def wanted_tasks(
    task_state: TaskState = "", task_kind: TaskKind = "", relay: RelayId = "", requester: Requester = ""
) -> Wanted:
    """Returns the tasks that a query names."""
    return Wanted(task_state, {"requester": requester, "relay": relay, "task_kind": task_kind})


def wanted_claims(claim_state: ClaimState = "", worker: WorkerName = "", task_kind: TaskKind = "") -> Wanted:
    """Returns the claims that a query names."""
    return Wanted(claim_state, {"worker": worker, "task_kind": task_kind})


WANTED = {
    "tasks_wanted": Provide(wanted_tasks, sync_to_thread=False),
    "claims_wanted": Provide(wanted_claims, sync_to_thread=False),
}
"""The parameters that a list and its page have in common, by the names under which handlers are given them."""
TAGS = ["lists"]


@get(
    "/v1/tasks",
    tags=TAGS,
    summary="Tasks by state, kind, relay and requester, the newest first",
    dependencies=WANTED,
)
async def tasks(
    request: HttpRequest,
    service: Serving,
    tasks_wanted: NamedDependency[Wanted],
    after: AfterPlace = "",
    limit: Limit = 100,
) -> Response[bytes]:
    return await service.show(request, lists.tasks, *tasks_wanted, after, limit)


@get(
    "/v1/claims",
    tags=TAGS,
    summary="Claims by state, worker and kind, the newest first",
    dependencies=WANTED,
)
async def claims(
    request: HttpRequest,
    service: Serving,
    claims_wanted: NamedDependency[Wanted],
    after: AfterPlace = "",
    limit: Limit = 100,
) -> Response[bytes]:
    return await service.show(request, lists.claims, *claims_wanted, after, limit)


@get("/v1/seats", tags=TAGS, summary="The seats that wait for their verifiers, the newest first")
async def seats(
    request: HttpRequest,
    service: Serving,
    seat_state: SeatState = "open",  # noqa: ARG001  there is no other
    after: AfterPlace = "",
    limit: Limit = 100,
) -> Response[bytes]:
    return await service.show(request, lists.seats, after, limit)


@get("/v1/agents", tags=TAGS, summary="Agents by what they offer")
async def agents(
    request: HttpRequest,
    service: Serving,
    capability: Capability = "",
    role: Role = "",
    sort: Sort = "registered",
    after: AfterAny = "",
    limit: Limit = 100,
) -> Response[bytes]:
    return await service.show(request, lists.agents, capability, role, sort, after, limit)


@get("/v1/relays", tags=TAGS, summary="The relays by id")
async def relays(
    request: HttpRequest, service: Serving, after: After = "", limit: Limit = 100
) -> Response[bytes]:
    return await service.show(request, lists.relays, after, limit)


@get("/v1/squads", tags=TAGS, summary="Squads by id, of a task and in a state where named")
async def squads(
    request: HttpRequest,
    service: Serving,
    task: SquadTask = "",
    squad_state: SquadState = "",
    after: After = "",
    limit: Limit = 100,
) -> Response[bytes]:
    filters = {"task": task, "state": squad_state}
    return await service.show(request, lists.squads, filters, after, limit)


@get("/v1/relays/{relay:str}", tags=TAGS, summary="A relay with its coordinators")
async def relay(request: HttpRequest, service: Serving, relay: FromPath[str]) -> Response[bytes]:
    return await service.show(request, lists.relay, relay)


@get("/v1/entries", tags=TAGS, summary="The newest entries first, decoded, with their events in words")
async def entries(
    request: HttpRequest,
    service: Serving,
    entry_kind: EntryKind = "",
    after: Before = None,
    limit: Limit = 100,
) -> Response[bytes]:
    return await service.show(request, lists.entries, entry_kind, after, limit)


@get("/v1/convictions", tags=TAGS, summary="Who was convicted of what, the newest first")
async def convictions(
    request: HttpRequest, service: Serving, after: Before = None, limit: Limit = 100
) -> Response[bytes]:
    return await service.show(request, lists.convictions, after, limit)


@get("/v1/due", tags=TAGS, summary="What is due, the earliest first")
async def due(
    request: HttpRequest, service: Serving, after: AfterDue = "", limit: Limit = 100
) -> Response[bytes]:
    return await service.show(request, waiting.due, after, limit)


@get(
    "/v1/search",
    tags=TAGS,
    summary="What a word names: DID, handle, task, claim, entry, statement, hash, name elsewhere",
)
async def search(
    request: HttpRequest,
    service: Serving,
    word: Word,
    after: AfterAny = "",
    limit: Limit = 100,
) -> Response[bytes]:
    return await service.show(request, lists.search, word, after, limit)


HANDLERS = (tasks, claims, seats, agents, squads, relays, relay, entries, convictions, due, search)
