"""Spans of OpenTelemetry; nothing, at no cost, where nobody asked for them (docs/operating.md 6.8).

Of the tracer only its holder here is known to the rest of the program; the package is loaded by `begin`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple, cast

from trust import clock, journal

Values = Mapping[str, str | int | bool]
_OFF: AbstractContextManager[None] = nullcontext()


class Parent(NamedTuple):
    """The span of a caller, by its W3C `traceparent`."""

    trace_id: int
    span_id: int
    flags: int


class _Making:
    """`tracer` is None where no spans are made."""

    tracer: Any = None


def begin(endpoint: str, version: str) -> Any:
    """Has spans sent to a collector (OTLP over HTTP), named and sampled as the OTEL_* environment variables say.

    Returns the provider, which sends what is left when the process ends.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    told = logging.getLogger("opentelemetry")
    told.addHandler(_Told())
    told.propagate = False
    resource = Resource({"service.name": "trust", "service.version": version})
    provider = TracerProvider(resource=resource.merge(OTELResourceDetector().detect()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    use(provider)
    return provider


def use(provider: Any) -> None:
    """Has spans made by a provider; none from now on where it is None."""
    _Making.tracer = provider and provider.get_tracer("trust")


class _Told(logging.Handler):
    """What the exporter has to say, such as a collector that does not answer, as a line of the journal."""

    def emit(self, record: logging.LogRecord) -> None:
        journal.logger("trust.spans").warning("spans", said=record.getMessage())


def request(method: str, parent: Parent | None) -> AbstractContextManager[Any]:
    """A span for what is done meanwhile, of the caller's trace where it named one."""
    return _OFF if _Making.tracer is None else _request(method, parent)


@contextmanager
def _request(method: str, parent: Parent | None) -> Iterator[None]:
    from opentelemetry import trace

    context = None
    if parent is not None:
        far = trace.SpanContext(parent.trace_id, parent.span_id, True, trace.TraceFlags(parent.flags & 1))
        context = trace.set_span_in_context(trace.NonRecordingSpan(far))
    named = {"http.request.method": method}
    with _Making.tracer.start_as_current_span(
        method, context, trace.SpanKind.SERVER, attributes=named, record_exception=False
    ):
        yield


def answered(method: str, route: str, status: int) -> None:
    """Says of the request's span which route it took, and how it ended."""
    if _Making.tracer is None:
        return
    from opentelemetry import trace

    span = trace.get_current_span()
    span.update_name(f"{method} {route}")
    span.set_attributes({"http.route": route, "http.response.status_code": status})
    if status >= 500:
        span.set_status(trace.StatusCode.ERROR)


def span(name: str, **values: str | int | bool) -> AbstractContextManager[Any]:
    """A span inside of the one that is current."""
    if _Making.tracer is None:
        return _OFF
    made = _Making.tracer.start_as_current_span(name, attributes=_named(values), record_exception=False)
    return cast(AbstractContextManager[Any], made)


def here() -> Any:
    """Where spans of other threads belong; None where they belong nowhere."""
    if _Making.tracer is None:
        return None
    from opentelemetry import context, trace

    return context.get_current() if trace.get_current_span().is_recording() else None


def now_ns() -> int:
    """The time at which a span begins that is told of later; 0 where none is made."""
    return clock.wall_ns() if _Making.tracer is not None else 0


def past(name: str, where: Any, begun_ns: int, values: Values) -> Any:
    """Tells of a span that has ended by now; returns where those inside of it belong."""
    from opentelemetry import trace

    made = _Making.tracer.start_span(name, where, attributes=_named(values), start_time=begun_ns)
    made.end()
    return trace.set_span_in_context(made, where)


def _named(values: Values) -> dict[str, str | int | bool]:
    return {f"trust.{name}": value for name, value in values.items()}
