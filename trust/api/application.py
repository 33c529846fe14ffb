"""The whole API as one ASGI application."""

from __future__ import annotations

from contextlib import nullcontext
from functools import lru_cache
from typing import Any, NamedTuple

from litestar import Controller, Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.types import Scope

from trust import __version__
from trust.api.agent import AgentController
from trust.api.auditor import AuditorController, LogController
from trust.api.blobs import BlobController
from trust.api.documents import Document, Page
from trust.api.edge import PARTS_KEY, Edge, ErrorPage, Limits, Parts, Running
from trust.api.lists import HANDLERS as LISTS
from trust.api.methods import Methods
from trust.api.operator import HealthController, OperatorController
from trust.api.problems import on_http_error, on_trust_error, on_unexpected
from trust.api.relay import RelayController
from trust.api.service import Service
from trust.api.writes import HANDLERS as WRITES
from trust.errors import TrustError

ROUTES: tuple[type[Controller] | HTTPRouteHandler, ...] = (
    *WRITES,
    *LISTS,
    RelayController,
    AgentController,
    BlobController,
    LogController,
    AuditorController,
    OperatorController,
    HealthController,
)
ABOUT = (
    "Writes take a signed statement (DSSE) as their body and answer with a receipt that proves it is on the log. "
    "Reads need no key. Every error is a problem (RFC 9457) with a stable code and a hint."
)


class Pages(NamedTuple):
    """The web pages: their routes, and how they show a problem."""

    routes: tuple[Router, ...] = ()
    error_page: ErrorPage = lambda _, __: None


NO_PAGES = Pages()


def application(service: Service, running: Running = nullcontext, pages: Pages = NO_PAGES) -> Edge:
    """The API over these parts; `running` starts and stops what runs beside it, `pages` are for people."""
    app = _routed(pages.routes)
    parts = Parts({"service": service}, running)
    limits = Limits(service.settings.requests_per_s, service.settings.proxies)
    methods = Methods(app.routes)
    return Edge(app, service.notifier, service.telemetry, methods, limits, pages.error_page, parts)


def given(name: str) -> Provide:
    """The part of this name of the application that a request came to."""

    def provide(scope: Scope) -> Any:
        return scope[PARTS_KEY][name]  # type: ignore[literal-required]

    return Provide(provide, sync_to_thread=False)


@lru_cache
def _routed(routes: tuple[Router, ...]) -> Litestar:
    """All routes; made once in a process, a quarter of a second."""
    return Litestar(
        route_handlers=(*ROUTES, *routes),
        dependencies={"service": given("service")},
        exception_handlers={
            TrustError: on_trust_error,
            HTTPException: on_http_error,
            Exception: on_unexpected,
        },
        openapi_config=OpenAPIConfig(
            title="trust",
            version=__version__,
            description=ABOUT,
            path="/schema",
            render_plugins=[Page(path="/"), Document(path="/openapi.json")],
        ),
        request_max_body_size=None,  # `bodies` counts, with a limit for each path
        logging_config=None,  # no framework logs bodies
        debug=False,
    )
