"""The addresses of the pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Concatenate, ParamSpec
from urllib.parse import quote

from litestar import Controller, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from trust.api.application import Pages
from trust.api.auditor import PolicyNumber
from trust.api.bodies import HttpRequest
from trust.api.lists import WANTED, AfterAny, AfterDue, Capability, Role, Wanted
from trust.api.parameters import (
    After,
    AfterIndex,
    AfterPlace,
    Before,
    BeforeMs,
    EntryKind,
    Per,
)
from trust.api.service import Service, Serving
from trust.storage.reading import Reader
from trust.web import agents, cases, network
from trust.web.assets import asset
from trust.web.errors import error_page
from trust.web.rendering import Page, html, whole

P = ParamSpec("P")
Word = Annotated[str, QueryParameter(name="q", max_length=1_000)]


async def _show(
    request: HttpRequest,
    service: Service,
    view: Callable[Concatenate[Reader, P], Page],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Response[bytes]:
    """A page of one snapshot of the database, made on a reader's thread."""
    path, query = quote(request.url.path, safe="/:@.-_~"), _query(request)

    def filled(reader: Reader) -> bytes:
        return whole(view(reader, *args, **kwargs), reader, path, query)

    return html(await service.run(request, filled))


def _query(request: HttpRequest) -> str:
    return request.scope["query_string"].decode("ascii", "replace")


class PagesController(Controller):
    """Everything that a person looks at."""

    path = "/"
    include_in_schema = False
    dependencies = WANTED

    @get("/", media_type="text/html")
    async def home(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        return await _show(request, service, network.home_page)

    @get("/search", media_type="text/html")
    async def search(
        self, request: HttpRequest, service: Serving, word: Word = "", after: AfterAny = ""
    ) -> Response[bytes]:
        path, query = "/search", _query(request)

        def find(reader: Reader) -> tuple[bytes, str]:
            page, only = network.search(reader, word.strip(), after)
            return (b"", only) if only else (whole(page, reader, path, query), "")

        body, only = await service.run(request, find)
        return html(body, 303, location=quote(only, safe="/:@.-_~")) if only else html(body)

    @get("/tasks", media_type="text/html")
    async def tasks(
        self,
        request: HttpRequest,
        service: Serving,
        tasks_wanted: NamedDependency[Wanted],
        after: AfterPlace = "",
    ) -> Response[bytes]:
        return await _show(request, service, cases.tasks_page, *tasks_wanted, after)

    @get("/tasks/{task:str}", media_type="text/html")
    async def task(
        self, request: HttpRequest, service: Serving, task: FromPath[str], after: AfterIndex = -1
    ) -> Response[bytes]:
        return await _show(request, service, cases.task_page, task, after)

    @get("/claims", media_type="text/html")
    async def claims(
        self,
        request: HttpRequest,
        service: Serving,
        claims_wanted: NamedDependency[Wanted],
        after: AfterPlace = "",
    ) -> Response[bytes]:
        return await _show(request, service, cases.claims_page, *claims_wanted, after)

    @get("/claims/{claim:str}", media_type="text/html")
    async def claim(
        self, request: HttpRequest, service: Serving, claim: FromPath[str], after: AfterIndex = -1
    ) -> Response[bytes]:
        return await _show(request, service, cases.claim_page, claim, after)

    @get("/agents", media_type="text/html")
    async def agents(
        self,
        request: HttpRequest,
        service: Serving,
        capability: Capability = "",
        role: Role = "",
        after: AfterAny = "",
    ) -> Response[bytes]:
        return await _show(request, service, agents.agents_page, capability, role, after)

    @get("/agents/{agent:str}", media_type="text/html")
    async def agent(
        self, request: HttpRequest, service: Serving, agent: FromPath[str], after: AfterIndex = -1
    ) -> Response[bytes]:
        return await _show(request, service, agents.agent_page, agent, after, service.graph.latest)

    @get("/relays", media_type="text/html")
    async def relays(self, request: HttpRequest, service: Serving, after: After = "") -> Response[bytes]:
        return await _show(request, service, agents.relays_page, after)

    @get("/relays/{relay:str}", media_type="text/html")
    async def relay(self, request: HttpRequest, service: Serving, relay: FromPath[str]) -> Response[bytes]:
        return await _show(request, service, agents.relay_page, relay)

    @get("/entries", media_type="text/html")
    async def entries(
        self, request: HttpRequest, service: Serving, entry_kind: EntryKind = "", after: Before = None
    ) -> Response[bytes]:
        return await _show(request, service, network.entries_page, entry_kind, after)

    @get("/entries/{index:str}", media_type="text/html")
    async def entry(self, request: HttpRequest, service: Serving, index: FromPath[str]) -> Response[bytes]:
        return await _show(request, service, network.entry_page, index)

    @get("/policy", media_type="text/html")
    async def policy(
        self, request: HttpRequest, service: Serving, number: PolicyNumber = None
    ) -> Response[bytes]:
        return await _show(request, service, network.policy_page, number)

    @get("/witnesses", media_type="text/html")
    async def witnesses(self, request: HttpRequest, service: Serving) -> Response[bytes]:
        return await _show(request, service, network.witnesses_page, service.cosigning.quorum_state())

    @get("/stats", media_type="text/html")
    async def stats(
        self,
        request: HttpRequest,
        service: Serving,
        per: Per = "hour",
        after: BeforeMs = None,
    ) -> Response[bytes]:
        return await _show(request, service, network.stats_page, per, after)

    @get("/convictions", media_type="text/html")
    async def convictions(
        self, request: HttpRequest, service: Serving, after: Before = None
    ) -> Response[bytes]:
        return await _show(request, service, network.convictions_page, after)

    @get("/due", media_type="text/html")
    async def due(self, request: HttpRequest, service: Serving, after: AfterDue = "") -> Response[bytes]:
        return await _show(request, service, network.due_page, after)


@lru_cache
def pages() -> Pages:
    """All pages, with the files that they load."""
    return Pages((Router("/", route_handlers=[PagesController, asset]),), error_page)
