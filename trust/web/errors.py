"""Errors of pages as pages; those of the API stay problems in JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from trust.api.problems import on_http_error, on_trust_error, on_unexpected
from trust.errors import TrustError
from trust.web.rendering import Page, alone, html

_Handler = Callable[[Request[Any, Any, Any], Any], Response[bytes]]


def _as_page(handler: _Handler) -> _Handler:
    """The answer of a handler of the API, with its problem on a page."""

    def on_error(request: Request[Any, Any, Any], error: Any) -> Response[bytes]:
        response = handler(request, error)
        problem = msgspec.json.decode(response.content)
        headers = {
            name.replace("-", "_").lower(): value
            for name, value in response.headers.items()
            if name.lower() == "retry-after"
        }
        body = alone(Page("error.html", problem["title"], data={"problem": problem}))
        return html(body, response.status_code or 500, **headers)

    return on_error


HANDLERS: dict[Any, Any] = {
    TrustError: _as_page(on_trust_error),
    HTTPException: _as_page(on_http_error),
    Exception: _as_page(on_unexpected),
}
