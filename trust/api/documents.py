"""The API described: OpenAPI with the bodies that no handler's signature shows, and a page of it that needs no network.

Bodies and answers are bytes to the framework: `envelope_body` and its like say what goes in, `answers.py` what comes
out, and every answer of 4xx and 5xx is the one problem type. A schema is named once and referred to. Patterns are
published without what only Python knows, so that RE2 (Go) and browsers compile them; what is taken does not change.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from html import escape
from typing import Any

import msgspec
from litestar import MediaType, Request
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Reference,
    RequestBody,
    Schema,
)

from trust.api.answers import ANSWERS
from trust.core import payloads, uploads
from trust.core.envelope import MAX_SIGNATURES, PAYLOAD_TYPE

REF = "#/components/schemas/{name}"
_ENVELOPE: dict[str, Any] = {
    "type": "object",
    "description": "A DSSE envelope",
    "required": ["payloadType", "payload", "signatures"],
    "properties": {
        "payloadType": {"type": "string", "const": PAYLOAD_TYPE},
        "payload": {"type": "string", "description": "Canonical base64 of the payload's JSON"},
        "signatures": {
            "type": "array",
            "items": {"$ref": REF.format(name="Signature")},
            "minItems": 1,
            "maxItems": MAX_SIGNATURES,
        },
    },
}
_SIGNATURE: dict[str, Any] = {
    "type": "object",
    "required": ["keyid", "sig"],
    "properties": {"keyid": {"type": "string"}, "sig": {"type": "string"}},
}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "A problem (RFC 9457)",
    "required": ["type", "title", "status", "detail", "code", "reasons", "hint"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Stable: branch on this"},
        "reasons": {"type": "array", "items": {"type": "string"}},
        "hint": {"type": "string"},
        "as_of": {"type": "integer", "description": "The log size that a rule's refusal is as of"},
        "refusal": {"type": "string", "description": "The refusal as a note that the log's key signed"},
    },
}
_DEFAULT: dict[str, Any] = {
    "description": "A problem; each code and its hint stand in trust/errors.py",
    "content": {"application/problem+json": {"schema": {"$ref": REF.format(name="Problem")}}},
}


_NAMED = {"digest": {"pattern": "^[0-9a-f]{64}$"}, "index": {"pattern": "^(0|[1-9][0-9]*)$"}}
_UPLOAD = {"type": "string", "pattern": f"^{uploads.PATTERN}$"}
ABOUT_UPLOADS = "Signs for bytes that no statement names yet: a DID, Unix time in ms, a signature"
_SAID = {"200": "The answer", "201": "Done"}
_PLAIN: dict[Any, dict[str, Any]] = {str: {"type": "string"}, bytes: {"type": "string", "format": "binary"}}
_ONLY_PYTHON = r"(?!\n)"
_CLASS = re.compile(r"\[((?:\\.|[^\]\\])*)\]")
_UNESCAPED = re.compile(r"(?<!\\)([/|(){}])")


def _with_body(body: RequestBody) -> type[Operation]:
    @dataclass
    class WithBody(Operation):
        def __post_init__(self) -> None:
            self.request_body = body

    return WithBody


def _content(schema: Schema | Reference, *media_types: str) -> dict[str, OpenAPIMediaType]:
    return {media_type: OpenAPIMediaType(schema=schema) for media_type in media_types}


def envelope_body(*kinds: str) -> type[Operation]:
    """An operation whose body is one envelope of these kinds."""
    content = _content(Reference(ref=REF.format(name="Envelope")), "application/json")
    return _with_body(RequestBody(content, f"A signed statement: {', '.join(kinds)}", required=True))


def batch_body() -> type[Operation]:
    """An operation whose body is a batch."""
    one = Reference(ref=REF.format(name="Envelope"))
    batch = Schema(type=OpenAPIType.ARRAY, items=one, min_items=1, max_items=1_000)
    content = _content(batch, "application/json") | _content(one, "application/x-ndjson")
    return _with_body(RequestBody(content, "An array, or one envelope a line; at most 4 MiB", required=True))


def json_body(shape: type[msgspec.Struct]) -> type[Operation]:
    """An operation whose body is JSON of a type of our own; its schema is added by `describe`."""
    content = _content(Reference(ref=REF.format(name=shape.__name__)), "application/json")
    BODIES[shape.__name__] = shape
    return _with_body(RequestBody(content, required=True))


def bytes_body() -> type[Operation]:
    """An operation whose body is just bytes."""
    schema = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
    return _with_body(RequestBody(_content(schema, "application/octet-stream"), required=True))


BODIES: dict[str, type[msgspec.Struct]] = {}


class Document(OpenAPIRenderPlugin):
    """The OpenAPI document as JSON."""

    def __init__(self, *, path: str) -> None:
        super().__init__(path=path, media_type=MediaType.JSON)

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        return msgspec.json.encode(describe(openapi_schema))


class Page(OpenAPIRenderPlugin):
    """The OpenAPI document as one HTML page."""

    def __init__(self, *, path: str) -> None:
        super().__init__(path=path, media_type=MediaType.HTML)

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        return page(describe(openapi_schema)).encode()


def describe(framework: dict[str, Any]) -> dict[str, Any]:
    """The whole OpenAPI document: what Litestar knows, the payload types, the answers, and the problems."""
    document: dict[str, Any] = deepcopy(framework)
    kinds = [kind for kind in vars(payloads).values() if _is_payload(kind)]
    answers = list(dict.fromkeys(each for each in ANSWERS.values() if each not in _PLAIN))
    _, shapes = msgspec.json.schema_components([*kinds, *BODIES.values(), *answers], ref_template=REF)
    own = {"Problem": _PROBLEM, "Envelope": _ENVELOPE, "Signature": _SIGNATURE}
    document.setdefault("components", {})["schemas"] = {**own, **shapes}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if isinstance(operation, dict) and "responses" in operation:
                _describe(operation, method.upper(), path)
    upload = {
        "name": uploads.HEADER,
        "in": "header",
        "required": False,
        "description": ABOUT_UPLOADS,
        "schema": _UPLOAD,
    }
    document["paths"]["/v1/blobs/{digest}"]["put"]["parameters"].append(upload)
    published: dict[str, Any] = _published(document)
    return published


def _describe(operation: dict[str, Any], method: str, path: str) -> None:
    """Says of one operation what it takes and answers."""
    operation["operationId"] = _name(method, path)
    shape = ANSWERS[f"{method} {path}"]
    schema = _PLAIN.get(shape) or {"$ref": REF.format(name=shape.__name__)}
    operation["responses"] = {**_good(operation["responses"], schema), "default": _DEFAULT}
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _parameter(parameter["name"], parameter["schema"])


def _name(method: str, path: str) -> str:
    """The name of an operation in clients that are made from the document: getTasks, getTasksByTask."""
    parts = [part for part in path.split("/") if part and part != "v1"]
    named = [f"By{part[1:-1].capitalize()}" if part.startswith("{") else part.capitalize() for part in parts]
    return method.lower() + "".join(named)


def _published(value: Any) -> Any:
    """The document as generators of clients and every dialect of patterns read it."""
    if isinstance(value, dict):
        return {
            key: plain_pattern(each) if key == "pattern" and isinstance(each, str) else _published(each)
            for key, each in value.items()
            if each is not False
            or key != "items"  # the length says it, and generators know no schema `false`
        }
    return [_published(each) for each in value] if isinstance(value, list | tuple) else value


def plain_pattern(pattern: str) -> str:
    """A pattern of ours as RE2 and JavaScript (with any flag) take it: the same texts, but that `$` means the end."""
    return _CLASS.sub(_plain_class, pattern.replace(_ONLY_PYTHON, ""))


def _plain_class(match: re.Match[str]) -> str:
    members = _UNESCAPED.sub(r"\\\1", match[1])
    return f"[{members[:-1]}\\-]" if members.endswith("-") and not members.endswith("\\-") else f"[{members}]"


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema with what the framework cannot tell of it: a number that may be left out is not null, and
    what is not given is no empty text."""
    if any(each.get("type") == "integer" for each in schema.get("oneOf", ())):
        kept = {key: value for key, value in schema.items() if key != "oneOf"}
        return {"type": "integer", "minimum": 0, **kept}
    if schema.get("default") == "":
        schema = {key: value for key, value in schema.items() if key != "default"}
    if "enum" in schema:
        schema = {**schema, "enum": [each for each in schema["enum"] if each]}
    return {**schema, **_NAMED.get(name, {})} if schema == {"type": "string"} else schema


def _good(responses: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The answers that are no problems; what was there already gets 200."""
    good: dict[str, Any] = {}
    for status, response in responses.items():
        if status < "400":
            types = {media_type: {"schema": schema} for media_type in response.get("content", {})}
            good[status] = {"description": _SAID[status], "content": types}
    if "201" in good:
        good["200"] = {**good["201"], "description": "It was there already"}
    return dict(sorted(good.items()))


def _is_payload(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, payloads.Payload) and kind is not payloads.Payload


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body{{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222;background:#fff}}
table{{border-collapse:collapse;width:100%}} td,th{{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd;
vertical-align:top}} code{{font-size:.9em}} @media(prefers-color-scheme:dark){{body{{color:#ddd;background:#181818}}
td,th{{border-color:#444}}}}</style></head><body><h1>{title}</h1>
<p>{intro} The same as <a href="/schema/openapi.json">OpenAPI</a>.</p>{sections}</body></html>"""


def page(document: dict[str, Any]) -> str:
    """The document as one HTML page; it loads nothing."""
    by_tag: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if isinstance(operation, dict):
                by_tag.setdefault(operation.get("tags", ["other"])[0], []).append(
                    _row(path, method, operation)
                )
    sections = "".join(_section(tag, rows) for tag, rows in sorted(by_tag.items()))
    info = document["info"]
    return _PAGE.format(
        title=escape(f"{info['title']} {info['version']}"),
        intro=escape(info.get("description", "")),
        sections=sections,
    )


def _section(tag: str, rows: list[str]) -> str:
    return f"<h2>{escape(tag)}</h2><table>{''.join(rows)}</table>"


def _row(path: str, method: str, operation: dict[str, Any]) -> str:
    parameters = ", ".join(each["name"] for each in operation.get("parameters", []) if each["in"] == "query")
    about = operation.get("summary", "")
    body = operation.get("requestBody", {}).get("description", "")
    details = " ".join(escape(part) for part in (about, body and f"Body: {body}.") if part)
    asked = f"?{escape(parameters)}" if parameters else ""
    cells = f"<code>{method.upper()}</code>", f"<code>{escape(path)}{asked}</code>", details
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
