"""Blobs: the bytes of specs, outputs and items, named by their SHA-256 (rules.md 5)."""

from __future__ import annotations

import asyncio

import msgspec
from litestar import Controller, Response, get, put
from litestar.params import FromPath

from trust.api.bodies import HttpRequest, pieces
from trust.api.documents import bytes_body
from trust.api.service import Serving, answer
from trust.api.views.network import blob_limit
from trust.api.views.shapes import HEX32
from trust.errors import TrustError

FOR_EVER = "public, max-age=31536000, immutable"
BYTES = "application/octet-stream"


class BlobController(Controller):
    """Bytes in, the same bytes out; anyone may read them, and nobody can change them."""

    path = "/v1/blobs"
    tags = ("agent",)

    @put(
        "/{digest:str}",
        operation_class=bytes_body(),
        status_code=201,
        summary="Store bytes under their SHA-256",
    )
    async def put_blob(
        self, request: HttpRequest, service: Serving, digest: FromPath[str]
    ) -> Response[bytes]:
        if not HEX32.fullmatch(digest):
            raise TrustError("digest-mismatch", "a blob is named by 64 lower-case hexadecimal digits")
        most = min(service.settings.blob_max_bytes, await service.run(request, blob_limit))
        data = b"".join([piece async for piece in pieces(request, most)])
        is_new = await asyncio.to_thread(service.blobs.put, digest, data)
        body = msgspec.json.encode({"sha256": digest, "size_bytes": len(data)})
        return answer(body, 201 if is_new else 200)

    @get("/{digest:str}", media_type=BYTES, summary="The bytes with this SHA-256")
    async def get_blob(self, service: Serving, digest: FromPath[str]) -> Response[bytes]:
        if not HEX32.fullmatch(digest):
            raise TrustError("unknown-blob", f"there is no blob {digest[:80]!r}")
        data = await service.on_reader(service.blobs.get, digest)
        return answer(
            data,
            media_type=BYTES,
            cache_control=FOR_EVER,
            x_content_type_options="nosniff",
            content_disposition="attachment",
        )
