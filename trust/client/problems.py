"""What a client is told went wrong: the service said no, it could not be reached, or what it said does not verify.

All are `TrustError`s. The service's own codes are kept as they come, also those that this release does not know
yet: a client branches on codes that it knows and shows the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trust.errors import CODES, TrustError, title

UNREACHABLE = "unreachable"
NOT_PROVEN = "not-proven"
TOO_NEW = "too-new"
_MEMBERS = frozenset({"type", "title", "status", "detail", "code", "reasons", "hint"})


class ClientError(TrustError):
    """A `TrustError` whose code need not be in this release's table."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        status: int = 0,
        reasons: tuple[str, ...] = (),
        hint: str = "",
        extra: Mapping[str, object] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        Exception.__init__(self, f"{code}: {detail}" if detail else code)
        self.code = code
        self.status = status
        self.title = title(code)
        self.detail = detail
        self.reasons = reasons
        self.hint = hint or (CODES[code].hint if code in CODES else "")
        self.extra = dict(extra or {})
        self.retry_after_s = retry_after_s


class ServiceError(ClientError):
    """The service answered with a problem (RFC 9457). `extra` has what else it said, such as the winner of a claim."""

    @classmethod
    def of(cls, status: int, problem: Mapping[str, Any], retry_after_s: int | None = None) -> ServiceError:
        """The error of a problem document, or of a result of a batch."""
        return cls(
            str(problem.get("code") or f"http-{status}"),
            str(problem.get("detail") or problem.get("title") or ""),
            status=status,
            reasons=tuple(map(str, problem.get("reasons") or ())),
            hint=str(problem.get("hint") or ""),
            extra={name: value for name, value in problem.items() if name not in _MEMBERS},
            retry_after_s=retry_after_s,
        )


class Unreachable(ClientError):
    """No answer: nothing is known of what the service did. Sending the same bytes again is safe."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            UNREACHABLE, detail, hint="check the address, and that the service runs; then try again"
        )


class NotProven(ClientError):
    """What was shown does not verify under the key that the caller trusts: do not act on it, and keep it."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            NOT_PROVEN, detail, hint="do not act on it; keep it, it may be evidence against the service"
        )


class TooNew(ClientError):
    """What was shown needs a newer release: this says nothing about whether it is true."""

    def __init__(self, detail: str) -> None:
        super().__init__(TOO_NEW, detail, hint="verify it with a newer release of trust")
