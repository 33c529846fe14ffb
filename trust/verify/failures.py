"""Why a file or an answer was not accepted by offline verification."""

from __future__ import annotations

from trust.errors import ClientError

NOT_PROVEN = "not-proven"
TOO_NEW = "too-new"


class NotProven(ClientError):
    """Something does not verify under the key that the caller trusts: do not act on it, and keep it."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            NOT_PROVEN, detail, hint="do not act on it; keep it, it may be evidence against the service"
        )


class TooNew(ClientError):
    """Something needs another release: this says nothing about whether it is true."""

    def __init__(self, detail: str) -> None:
        super().__init__(TOO_NEW, detail, hint="verify it with the release of trust that it needs")
