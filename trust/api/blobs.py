"""Blobs: the bytes of specs, outputs and items, named by their SHA-256 (docs/rules.md 5)."""

from __future__ import annotations

import asyncio

import msgspec
from litestar import Controller, Response, get, put
from litestar.params import FromPath

from trust.api.bodies import HttpRequest, drain, pieces
from trust.api.documents import bytes_body
from trust.api.service import Serving, answer
from trust.api.views.network import blob_limit
from trust.api.views.shapes import HEX32
from trust.core.uploads import HEADER
from trust.errors import TrustError
from trust.storage.reading import Reader

FOR_EVER = "public, max-age=31536000, immutable"
BYTES = "application/octet-stream"
MAX_DIGITS = 16


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
        upload, declared = request.headers.get(HEADER, ""), request.headers.get("content-length", "")
        size = int(declared[:MAX_DIGITS]) if declared.isascii() and declared.isdigit() else 1

        def admit(reader: Reader) -> tuple[int, str]:
            most = min(service.settings.blob_max_bytes, blob_limit(reader))
            if size > most:
                raise TrustError("too-large", f"{size} bytes, a blob has at most {most}")
            return most, service.blobs.admit(reader, digest, size, upload)

        try:
            most, party = await service.run(request, admit)
        except TrustError:
            await drain(request)
            raise
        data = b"".join([piece async for piece in pieces(request, most)])
        is_new = await asyncio.to_thread(service.blobs.put, digest, data, party)
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
            content_disposition="attachment",
        )
