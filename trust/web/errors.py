"""Errors of pages as pages; those of the API stay problems in JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from trust.api.problems import on_http_error, on_trust_error, on_unexpected
from trust.errors import TrustError
from trust.web.rendering import HTML, SAFELY, Page, alone, html

OWN = frozenset(
    {
        "",
        "search",
        "tasks",
        "claims",
        "agents",
        "relays",
        "entries",
        "policy",
        "witnesses",
        "stats",
        "convictions",
        "due",
    }
)
"""How the paths of pages begin."""
_Handler = Callable[[Request[Any, Any, Any], Any], Response[bytes]]


def _as_page(handler: _Handler) -> _Handler:
    """The answer of a handler of the API, with its problem on a page."""

    def on_error(request: Request[Any, Any, Any], error: Any) -> Response[bytes]:
        response = handler(request, error)
        headers = {
            name.replace("-", "_").lower(): value
            for name, value in response.headers.items()
            if name.lower() == "retry-after"
        }
        return html(_page(response.content), response.status_code or 500, **headers)

    return on_error


def error_page(path: str, problem: bytes) -> tuple[bytes, dict[str, str]] | None:
    """A problem on a page, with its headers, where the path is one of the pages'; None elsewhere."""
    if "//" in path or path.strip("/").partition("/")[0] not in OWN:
        return None
    safely = {name.replace("_", "-"): value for name, value in SAFELY.items()}
    return _page(problem), {"content-type": f"{HTML}; charset=utf-8", **safely}


def _page(problem: bytes) -> bytes:
    answer = msgspec.json.decode(problem)
    return alone(Page("error.html", answer["title"], data={"problem": answer}))


HANDLERS: dict[Any, Any] = {
    TrustError: _as_page(on_trust_error),
    HTTPException: _as_page(on_http_error),
    Exception: _as_page(on_unexpected),
}
