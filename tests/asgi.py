"""A service in this process and a client of it: its application answers on an event loop of its own.

Litestar's own test client takes three turns between threads for each request, this one takes one; a turn costs more
than a small answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from trust.app import App


@contextmanager
def client_of(parts: App) -> Iterator[httpx.Client]:
    """A client of a service, which starts and stops with the block. What the application raises, the client raises."""
    application: Any = parts.asgi()
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(parts.running()):
        transport = _Transport(portal, httpx.ASGITransport(application))
        with httpx.Client(transport=transport, base_url="http://testserver.local") as client:
            yield client


class _Transport(httpx.BaseTransport):
    """Requests and answers as a whole, each in one call of the event loop."""

    def __init__(self, portal: BlockingPortal, application: httpx.ASGITransport) -> None:
        self._portal = portal
        self._application = application

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return self._portal.call(self._answer, request)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._application.handle_async_request(request)
        sent = b"".join([part async for part in answer.aiter_raw()])
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(sent))
