"""W3C trace context: the trace that a request belongs to stands in every log line about it (docs/operating.md).

A `traceparent` that is not well formed counts as none, as the recommendation asks. Nothing is decided by it, and none
is made where there was none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from structlog.contextvars import bound_contextvars, get_contextvars

from trust import journal

HEADER = b"traceparent"
_VERSION_0 = re.compile(rb"00-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})")
_LATER = re.compile(
    rb"(?!00|ff)[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(-.*)?"
)
_SAMPLED = 1
_log = journal.logger("trust.api")


def traced(headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[Any]:
    """While this is entered, log lines have `trace_id` and `parent_id`, where the headers name one trace."""
    given = [value.strip() for name, value in headers if name.lower() == HEADER]
    match = (_VERSION_0.fullmatch(given[0]) or _LATER.fullmatch(given[0])) if len(given) == 1 else None
    if match is None or not match["trace"].strip(b"0") or not match["parent"].strip(b"0"):
        return nullcontext()
    return bound_contextvars(
        trace_id=match["trace"].decode(),
        parent_id=match["parent"].decode(),
        sampled=bool(int(match["flags"], 16) & _SAMPLED),
    )


def tell(statement: str, **outcome: Any) -> None:
    """Logs what became of a statement, where its request belongs to a trace that is sampled."""
    if get_contextvars().get("sampled"):
        _log.info("statement", statement=statement, **outcome)
