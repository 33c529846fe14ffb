"""The endpoints that take one signed statement: one handler for each endpoint that a kind declares.

Which kinds an endpoint takes follows from `endpoint` of their payload types (`trust/core/payloads.py`), so a new kind
needs no line here; a new endpoint needs its line in `ENDPOINTS`.
"""

from __future__ import annotations

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler

from trust.api.bodies import HttpRequest
from trust.api.documents import envelope_body
from trust.api.endpoints import ENDPOINTS
from trust.api.service import Serving
from trust.core.payloads import KINDS


def kinds_at(endpoint: str) -> tuple[str, ...]:
    """Returns the statement kinds that an endpoint takes."""
    return tuple(name for name, kind in KINDS.items() if kind.endpoint == endpoint)


def write_handler(endpoint: str) -> HTTPRouteHandler:
    """Returns the handler of one endpoint: 201 with a receipt, 200 where the statement was on the log before."""
    tag, summary = ENDPOINTS[endpoint]

    @post(endpoint, tags=[tag], operation_class=envelope_body(*kinds_at(endpoint)), summary=summary)
    async def write(request: HttpRequest, service: Serving) -> Response[bytes]:
        return await service.write(request, endpoint)

    return write


HANDLERS = [
    write_handler(endpoint)
    for endpoint in dict.fromkeys(kind.endpoint for kind in KINDS.values())
    if endpoint
]
