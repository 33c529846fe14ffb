"""Every error as an RFC 9457 problem, from the one tree of `trust.errors`.

Whatever the framework refuses by itself (no such path, wrong method, a parameter out of range) gets a code of the
same tree. What nobody expected is logged with the request's id and answered as a 500 that says nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from trust import journal
from trust.errors import TrustError
from trust.services.receipts import Refusal
from trust.storage import faults

PROBLEM_TYPE = "application/problem+json"
_encode = msgspec.json.Encoder().encode
_log = journal.logger("trust.api")

_RESERVED = frozenset({"type", "title", "status", "detail", "code", "reasons", "hint", "as_of", "refusal"})
_BY_STATUS = {
    400: "bad-parameter",
    404: "unknown-path",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "too-large",
    415: "unsupported-type",
    429: "rate-limited",
}
_UNEXPECTED: dict[str, object] = {
    "type": "urn:ants:trust:internal",
    "title": "Internal",
    "status": 500,
    "detail": "the service failed on this request; nothing is known about why",
    "code": "internal",
    "reasons": [],
    "hint": "report the Request-Id to the operator; sending the same statement again is safe",
}


def problem(error: TrustError) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of the answer to an error."""
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    return error.status, _encode(error.problem()), headers


def unexpected(scope: Mapping[str, Any], error: BaseException) -> tuple[int, bytes, dict[str, str]]:
    """Returns status, body and headers for an error that should not happen.

    The log line has the request and the traceback, never a body.

    A storage that failed is foreseen: nothing was done, and it may be asked again.
    """
    if (refused := faults.refusal(error)) is not None:
        _log.warning("storage failed", path=scope.get("path"), reason=journal.plain(error))
        return problem(refused)
    _log.error("request failed", method=scope.get("method"), path=scope.get("path"), exc_info=error)
    return 500, _encode(_UNEXPECTED), {}


def from_framework(error: HTTPException) -> TrustError:
    """Returns a refusal of Litestar as an error of our tree."""
    if error.status_code not in _BY_STATUS:
        raise error
    if error.status_code in (404, 405):
        return TrustError(_BY_STATUS[error.status_code])
    # The framework's own detail names its classes; which parameter it was stands beside it.
    reasons = [_reason(each) for each in error.extra or ()] if isinstance(error.extra, list) else []
    return TrustError(_BY_STATUS[error.status_code], "; ".join(reasons) or error.detail, reasons=reasons)


def _reason(part: Any) -> str:
    if isinstance(part, dict):
        return f"{part.get('key', 'request')}: {part.get('message', 'wrong')}"
    return str(part)


def _respond(status: int, body: bytes, headers: dict[str, str]) -> Response[bytes]:
    return Response(body, status_code=status, headers=headers, media_type=PROBLEM_TYPE)


def on_trust_error(_: Request[Any, Any, Any], error: TrustError) -> Response[bytes]:
    """Answers an error of our own tree."""
    return _respond(*problem(error))


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answers an error that Litestar raised."""
    if error.status_code not in _BY_STATUS:
        return on_unexpected(request, error)
    status, body, headers = problem(from_framework(error))
    return _respond(status, body, {**(error.headers or {}), **headers})


def on_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answers any other error."""
    return _respond(*unexpected(request.scope, error))


def refusal_problem(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    """Status and members of a rule's refusal: the facts, the size it is as of, and the signed note."""
    facts = {name: value for name, value in refusal.facts.items() if name not in _RESERVED}
    reasons = [f"{name}: {value}" for name, value in facts.items()]
    extra: dict[str, object] = {**facts, "as_of": refusal.as_of}
    if refusal.note:
        extra["refusal"] = refusal.note.decode()
    error = TrustError(refusal.code, refusal.detail, reasons=reasons, extra=extra)
    return error.status, error.problem()
