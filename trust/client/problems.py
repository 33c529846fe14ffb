"""The errors of a client: the service refused, or it could not be reached. (What does not verify:
`trust.verify.failures`.)

All are `TrustError`s. The service's own codes are kept as they come, also those that this release does not know
yet: a client branches on codes that it knows and shows the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trust.errors import ClientError

UNREACHABLE = "unreachable"
_MEMBERS = frozenset({"type", "title", "status", "detail", "code", "reasons", "hint"})


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

    def __init__(
        self, detail: str, hint: str = "check the address, and that the service runs; then try again"
    ) -> None:
        super().__init__(UNREACHABLE, detail, hint=hint)
