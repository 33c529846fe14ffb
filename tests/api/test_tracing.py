"""W3C trace context from a request to the log lines about it, and to the entry that came of it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from tests.api.house import JSON, House, body_of
from trust import journal
from trust.api import tracing

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged, a JSON object a line."""
    before = structlog.get_config()
    stream = io.StringIO()
    yield stream
    structlog.configure(**before)


def _lines(home: House, stream: io.StringIO, header: str, *, twice: bool = False) -> list[dict[str, object]]:
    """The lines about a task that is posted with this header."""
    lines = journal.configure(stream)
    said = home.task_post(f"traced-{home.now_ms}")
    headers = [*JSON.items(), *[("traceparent", header)] * (2 if twice else 1)]
    answer = home.client.post("/v1/tasks", content=body_of(said), headers=headers)
    assert answer.status_code == 201
    home.client.post("/v1/tasks", content=body_of(home.task_post("x", deadline_ms=1)), headers=headers)
    lines.flush()
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [each for each in told if each["event"] == "statement"]


def test_a_sampled_trace_leads_to_the_entry_and_to_the_refusal(town: House, written: io.StringIO) -> None:
    taken, refused = _lines(town, written, f"00-{TRACE}-{PARENT}-01")
    assert (
        (taken["trace_id"], taken["parent_id"])
        == (refused["trace_id"], refused["parent_id"])
        == (TRACE, PARENT)
    )
    assert taken["kind"] == "task.post"
    entry = town.get("/v1/search", q=taken["statement"])["found"][0]
    assert (entry["kind"], entry["id"]) == ("entry", str(taken["index"]))
    assert refused["refused"] == "bad-deadline"


@pytest.mark.parametrize(
    "header",
    [
        f"00-{TRACE}-{PARENT}-00", f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01-more", "nonsense", "",
    ],
)  # fmt: skip
def test_what_is_not_sampled_or_no_trace_is_not_told(town: House, written: io.StringIO, header: str) -> None:
    assert _lines(town, written, header) == []


def test_two_traces_are_none(town: House, written: io.StringIO) -> None:
    assert _lines(town, written, f"00-{TRACE}-{PARENT}-01", twice=True) == []


def test_a_later_version_of_the_header_is_read_as_far_as_it_is_known() -> None:
    with tracing.traced("GET", [(b"Traceparent", f"01-{TRACE}-{PARENT}-03-more".encode())]):
        assert structlog.contextvars.get_contextvars()["trace_id"] == TRACE
    assert structlog.contextvars.get_contextvars() == {}
