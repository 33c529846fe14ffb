"""`trust treasury listen`: a payment system's signed webhook, and the spool behind it (docs/operating.md 9.2).

It holds no key: what it takes is a file for `trust treasury run`, on the disk before the answer says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec

from trust import clock, listening
from trust.errors import ClientError, TrustError, Unusable
from trust.listening import Answer
from trust.programs.running import Tell
from trust.programs.treasury import MAX_NOTICE_BYTES, Notice, Spool, booked_under, read_notice
from trust.programs.webhooks import check_signed

PATH = "/payments"
PROBLEM_TYPE = "application/problem+json"


class _Handler(listening.Handler):
    server_version = "trust-treasury"
    max_bytes = MAX_NOTICE_BYTES

    def allowed(self) -> str:
        return "POST" if self.path == PATH else ""

    def post(self, body: bytes) -> Answer:
        """Answers a notice: 200 when it is on the disk."""
        door = cast(Door, self.server)
        try:
            check_signed(
                door.secrets,
                {name.lower(): value for name, value in self.headers.items()},
                clock.now_ms() // 1_000,
                body,
            )
            notice = door.take(body)
        except TrustError as error:
            door.tell("refused", why=error.detail, status=error.status)
            return Answer(error.status, msgspec.json.encode(error.problem()), PROBLEM_TYPE)
        reference = booked_under(notice.reference)
        door.tell("noticed", reference=reference, account=notice.account, amount_units=notice.amount_units)
        return Answer(200, msgspec.json.encode({"reference": reference}), "application/json")


class Door(listening.Server):
    """Takes notices that one of the secrets signed into a spool."""

    def __init__(self, host: str, port: int, spool: Spool, secrets: Sequence[bytes], tell: Tell) -> None:
        self.spool, self.secrets, self.tell = spool, secrets, tell
        super().__init__(host, port, _Handler)

    def take(self, body: bytes) -> Notice:
        """Lays a notice down; `ClientError` where it is none, another one of this reference waits, or the disk takes
        nothing."""
        try:
            notice = read_notice(body)
            self.spool.give(notice)
        except ValueError as error:
            raise ClientError(
                "malformed", str(error), status=400, hint="docs/operating.md 9.2 has an example"
            ) from None
        except Unusable:
            raise ClientError(
                "reference-booked",
                f"another notice of {notice.reference[:80]} waits",
                status=409,
                hint="a payment has one account and one amount",
            ) from None
        except OSError as error:
            raise ClientError(
                "storage-full",
                f"nothing can be written: {error.strerror}",
                status=507,
                hint="send it again later",
            ) from None
        return notice
