"""Spans of OpenTelemetry: from a request to the entry that came of it, in the caller's trace."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.api.house import JSON, House, body_of
from tests.cli.served import serving
from trust import spans
from trust.client.wire import Request, Response
from trust.services.batch_spans import MOST

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def made() -> Iterator[InMemorySpanExporter]:
    """The spans that are made during a test."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans.use(provider)
    yield exporter
    spans.use(None)


def tree(exporter: InMemorySpanExporter) -> dict[str, list[ReadableSpan]]:
    """Spans by the name of the one around them."""
    found = exporter.get_finished_spans()
    names = {each.context.span_id: each.name for each in found if each.context}
    inside: dict[str, list[ReadableSpan]] = {}
    for each in found:
        inside.setdefault(names.get(each.parent.span_id, "") if each.parent else "", []).append(each)
    return inside


def of(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def test_a_request_leads_to_its_entry_in_the_callers_trace(town: House, made: InMemorySpanExporter) -> None:
    said = town.task_post("spanned")
    headers = JSON | {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    index = town.client.post("/v1/tasks", content=body_of(said), headers=headers).json()["receipt"]["index"]
    inside = tree(made)
    (request,) = inside[""]
    assert request.context
    assert request.parent
    assert (f"{request.context.trace_id:032x}", f"{request.parent.span_id:016x}") == (TRACE, PARENT)
    assert (request.name, of(request)["http.response.status_code"]) == ("POST /v1/tasks", 201)
    admission, batch = inside["POST /v1/tasks"]
    assert (admission.name, of(admission), batch.name) == ("admission", {"trust.statements": 1}, "batch")
    assert of(batch)["trust.batch.statements"] == 1
    (entry,) = inside["batch"]
    kind = {"trust.kind": "task.post", "trust.index": index, "trust.repeated": False}
    assert (entry.name, of(entry)) == ("entry", kind | {"trust.statement": said.id})
    times = [each for span in (request, batch, entry) for each in (span.start_time, span.end_time)]
    assert all(times)
    assert request.start_time <= batch.start_time <= batch.end_time <= request.end_time  # type: ignore[operator]


def test_a_refusal_and_what_is_malformed_are_told_without_what_was_said(
    town: House, made: InMemorySpanExporter
) -> None:
    town.post_to("/v1/tasks", town.task_post("x", deadline_ms=1))
    (refusal,) = tree(made)["batch"]
    assert (refusal.name, of(refusal)["trust.refused"]) == ("refusal", "bad-deadline")
    made.clear()
    town.client.post("/v1/tasks", content=b'{"secret":', headers=JSON)
    assert [each.name for each in made.get_finished_spans()] == ["admission", "POST /v1/tasks"]
    assert not [each for span in made.get_finished_spans() for each in span.events]


def test_a_batch_of_many_has_a_bounded_number_of_spans(town: House, made: InMemorySpanExporter) -> None:
    town.all_done(town.task_post(f"many-{n}") for n in range(MOST + 5))
    inside = tree(made)
    assert len(inside["batch"]) == MOST
    (batch,) = [each for each in inside["POST /v1/statements"] if each.name == "batch"]
    assert of(batch)["trust.statements"] == MOST + 5


def test_a_trace_that_is_not_sampled_has_no_spans(town: House, made: InMemorySpanExporter) -> None:
    headers = JSON | {"traceparent": f"00-{TRACE}-{PARENT}-00"}
    town.client.post("/v1/tasks", content=body_of(town.task_post("unseen")), headers=headers)
    assert made.get_finished_spans() == ()


def test_a_collector_gets_the_spans_and_a_dead_one_costs_a_line_in_the_journal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[Request] = []
    lines: list[str] = []
    monkeypatch.setattr(spans._Told, "emit", lambda _, record: lines.append(record.getMessage()))

    def collect(request: Request) -> Response:
        said.append(request)
        return Response(200 if len(said) == 1 else 400)

    with serving(collect) as url:
        provider = spans.begin(f"{url}/v1/traces", "1")
        try:
            for _ in range(2):
                with spans.request("GET", None):
                    spans.answered("GET", "/v1/stats", 200)
                provider.force_flush(5_000)
        finally:
            spans.use(None)
            provider.shutdown()
    assert [each.path for each in said] == ["/v1/traces"] * 2
    assert b"GET /v1/stats" in said[0].body
    assert len(lines) == 1


def test_where_nobody_asked_for_spans_nothing_of_it_is_loaded(town: House) -> None:
    assert spans.here() is None
    assert (spans.now_ns(), spans.span("a")) == (0, spans.span("b"))
    code = "import sys, trust.app; print(*[each for each in sys.modules if 'opentelemetry' in each])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
