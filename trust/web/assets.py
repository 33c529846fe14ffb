"""The files that pages load, all from this service: one style sheet, scripts, one picture."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from litestar import Response, get
from litestar.params import FromPath

from trust.api.bodies import HttpRequest
from trust.api.service import answer
from trust.errors import TrustError

_DIRECTORY = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILES = {
    path.relative_to(_DIRECTORY).as_posix(): path.read_bytes()
    for path in sorted(_DIRECTORY.rglob("*"))
    if path.suffix in _TYPES
}


@get("/static/{path:path}", include_in_schema=False)
async def asset(request: HttpRequest, path: FromPath[str]) -> Response[bytes]:
    """A file by its name; a browser that has it already is told so."""
    name = str(path).removeprefix("/")
    body = _FILES.get(name)
    if body is None:
        raise TrustError("unknown-path")
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    held = tag in request.headers.get("if-none-match", "").split(", ")
    headers = {"etag": tag, "cache_control": "no-cache"}
    return answer(b"" if held else body, 304 if held else 200, _TYPES[Path(name).suffix], **headers)
