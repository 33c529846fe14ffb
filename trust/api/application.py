"""The whole API as one ASGI application."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache
from typing import Any, NamedTuple

from litestar import Controller, Litestar, Request, Response, Router
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


_ErrorHandler = Callable[[Request[Any, Any, Any], Any], Response[bytes]]


class Pages(NamedTuple):
    """The web pages: their routes, and how they show a problem."""

    routes: tuple[Router, ...] = ()
    error_page: ErrorPage = lambda _, __: None


NO_PAGES = Pages()


def application(service: Service, running: Running = nullcontext, pages: Pages = NO_PAGES) -> Edge:
    """The API over these parts; `running` starts and stops what runs beside it, `pages` are for people."""
    app = _routed(pages)
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
def _routed(pages: Pages) -> Litestar:
    """All routes; made once in a process, a quarter of a second."""
    return Litestar(
        route_handlers=(*ROUTES, *pages.routes),
        dependencies={"service": given("service")},
        exception_handlers={
            TrustError: _shown(on_trust_error, pages.error_page),
            HTTPException: _shown(on_http_error, pages.error_page),
            Exception: _shown(on_unexpected, pages.error_page),
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


def _shown(handler: _ErrorHandler, error_page: ErrorPage) -> _ErrorHandler:
    """The answer of a handler of errors, as a page where the path is that of one."""

    def on_error(request: Request[Any, Any, Any], error: Any) -> Response[bytes]:
        answer = handler(request, error)
        page = error_page(request.scope["path"], answer.content) if request.method == "GET" else None
        if page is None:
            return answer
        body, headers = page
        return Response(body, status_code=answer.status_code, headers={**answer.headers, **headers})

    return on_error
