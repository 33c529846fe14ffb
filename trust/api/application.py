"""The whole API as one ASGI application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from litestar import Controller, Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig

from trust import __version__
from trust.api.agent import AgentController
from trust.api.auditor import AuditorController, LogController
from trust.api.blobs import BlobController
from trust.api.documents import Document, Page
from trust.api.edge import Edge, ErrorPage, Limits
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
Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]
ABOUT = (
    "Writes take a signed statement (DSSE) as their body and answer with a receipt that proves it is on the log. "
    "Reads need no key. Every error is a problem (RFC 9457) with a stable code and a hint."
)


class Pages(NamedTuple):
    """The web pages: their routes, and how they show a problem."""

    routes: Sequence[Router] = ()
    error_page: ErrorPage = lambda _, __: None


NO_PAGES = Pages()


def application(service: Service, lifespan: Sequence[Lifespan] = (), pages: Pages = NO_PAGES) -> Edge:
    """The API over these parts; `lifespan` starts and stops what runs beside it, `pages` are for people."""

    def provide_service() -> Service:
        return service

    app = Litestar(
        route_handlers=(*ROUTES, *pages.routes),
        dependencies={"service": Provide(provide_service, use_cache=True, sync_to_thread=False)},
        exception_handlers={
            TrustError: on_trust_error,
            HTTPException: on_http_error,
            Exception: on_unexpected,
        },
        lifespan=lifespan,
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
    limits = Limits(service.settings.requests_per_s, service.settings.proxies)
    return Edge(app, service.notifier, service.telemetry, Methods(app.routes), limits, pages.error_page)
