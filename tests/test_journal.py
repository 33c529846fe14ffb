"""A log line can neither raise nor block, whoever reads it."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator

import pytest
import structlog

from trust import journal


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


class Gone(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


class Stalled(io.StringIO):
    """A stream whose reader does not read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = threading.Event()

    def write(self, text: str) -> int:
        self.reads.wait(5)
        return super().write(text)


class Unshowable:
    def __repr__(self) -> str:
        raise ValueError


def test_a_line_is_written_as_json_with_its_fields() -> None:
    stream = io.StringIO()
    lines = journal.configure(stream)
    journal.logger("test").warning("storage failed", reason="disk I/O error")
    lines.flush()
    assert '"event": "storage failed"' in stream.getvalue()
    assert '"reason": "disk I/O error"' in stream.getvalue()


def test_a_reader_that_went_away_is_no_error() -> None:
    lines = journal.configure(Gone())
    for _ in range(3):
        journal.logger("test").error("something", exc_info=ValueError())
    lines.flush()


def test_a_reader_that_stalls_blocks_nobody_and_is_told_how_much_it_missed() -> None:
    stream = Stalled()
    lines = journal.Lines(stream, waiting=10)
    begun = time.monotonic()
    for number in range(100):
        lines.msg(f"line {number}")
    assert time.monotonic() - begun < 1
    stream.reads.set()
    lines.flush()
    lines.msg("later")
    lines.flush()
    assert "lines before this one were dropped" in stream.getvalue()
    assert "later" in stream.getvalue()


def test_a_value_that_cannot_be_shown_costs_the_value_and_not_the_line() -> None:
    stream = io.StringIO()
    lines = journal.configure(stream)
    journal.logger("test").error("it broke", value=Unshowable())
    lines.flush()
    assert "it broke" in stream.getvalue()


def test_the_first_line_of_an_error_that_says_nothing_is_its_type() -> None:
    assert journal.plain(ValueError("one\ntwo")) == "one"
    assert journal.plain(ValueError()) == "ValueError"
