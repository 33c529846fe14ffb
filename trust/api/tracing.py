"""W3C trace context: the trace that a request belongs to stands in every log line about it (docs/operating.md 6.4).

A `traceparent` that is not well formed counts as none, as the recommendation asks. Nothing is decided by it, and none
is made where there was none, except for spans (`trust.spans`), where the operator has asked for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from structlog.contextvars import bound_contextvars, get_contextvars

from trust import journal, spans

HEADER = b"traceparent"
_VERSION_0 = re.compile(rb"00-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})")
_LATER = re.compile(
    rb"(?!00|ff)[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(-.*)?"
)
_SAMPLED = 1
_log = journal.logger("trust.api")


@contextmanager
def traced(method: str, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[None]:
    """While this is entered, log lines have `trace_id` and `parent_id`, where the headers name one trace, and spans
    belong to it."""
    given = [value.strip() for name, value in headers if name.lower() == HEADER]
    match = (_VERSION_0.fullmatch(given[0]) or _LATER.fullmatch(given[0])) if len(given) == 1 else None
    if match is None or not match["trace"].strip(b"0") or not match["parent"].strip(b"0"):
        with spans.request(method, None):
            yield
        return
    trace, parent, flags = match["trace"].decode(), match["parent"].decode(), int(match["flags"], 16)
    with (
        bound_contextvars(trace_id=trace, parent_id=parent, sampled=bool(flags & _SAMPLED)),
        spans.request(method, spans.Parent(int(trace, 16), int(parent, 16), flags)),
    ):
        yield


def tell(statement: str, **outcome: Any) -> None:
    """Logs what became of a statement, where its request belongs to a trace that is sampled."""
    if get_contextvars().get("sampled"):
        _log.info("statement", statement=statement, **outcome)
