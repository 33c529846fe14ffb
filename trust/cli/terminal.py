"""The output of commands: facts as an outline for people or as JSON, and progress on stderr.

Every line of every command goes through here, and what strangers wrote in it is escaped on the way.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from trust.escaping import escaped

_EARLIEST_MS, _LATEST_MS = 946_684_800_000, 253_402_300_799_999
"""From the year 2000 to 9999: other numbers are no times that could be written out."""
PLAIN_STEPS = 20


def show(facts: Any, as_json: bool) -> None:
    """Prints facts on stdout."""
    plain = msgspec.to_builtins(facts)
    if as_json:
        print(as_text(plain), flush=True)
    else:
        say(*outline(plain))


def show_line(facts: Any) -> None:
    """Prints facts on stdout as one line of JSON, at once."""
    print(json.dumps(msgspec.to_builtins(facts), separators=(",", ":")), flush=True)


def as_text(plain: Any) -> str:
    """JSON for a program or a person; it is ASCII, so nothing in it needs to be escaped further."""
    return json.dumps(plain, indent=2)


def say(*lines: str) -> None:
    """Prints lines on stdout, at once."""
    print("\n".join(map(escaped, lines)), flush=True)


def warn(*lines: str) -> None:
    """Prints lines on stderr."""
    print("\n".join(map(escaped, lines)), file=sys.stderr, flush=True)


def show_problem(problem: dict[str, Any]) -> None:
    """Prints what went wrong on stderr as JSON."""
    print(as_text(problem), file=sys.stderr, flush=True)


def give(data: bytes) -> None:
    """Writes a file to stdout byte for byte; to a terminal, where nobody keeps it, escaped."""
    if sys.stdout.isatty():
        say(*data.decode("utf-8", "backslashreplace").splitlines())
        return
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def outline(value: Any, indent: str = "") -> list[str]:
    """Facts as indented lines; times and shares in words beside the numbers."""
    if isinstance(value, Mapping):
        width = max((len(str(name)) for name, inner in value.items() if not _nests(inner)), default=0)
        return [line for name, inner in value.items() for line in _member(str(name), inner, indent, width)]
    if isinstance(value, list):
        return [line for inner in value for line in _element(inner, indent)]
    return [f"{indent}{_plain('', value)}"]


def _member(name: str, value: Any, indent: str, width: int) -> list[str]:
    if _nests(value):
        return [f"{indent}{name}:", *outline(value, indent + "  ")]
    return [f"{indent}{name + ':':<{width + 1}} {_plain(name, value)}"]


def _element(value: Any, indent: str) -> list[str]:
    lines = outline(value, indent + "  ")
    return [f"{indent}- {lines[0].strip()}", *lines[1:]] if lines else [f"{indent}-"]


def _nests(value: Any) -> bool:
    return isinstance(value, Mapping | list) and bool(value) and not _is_short(value)


def _is_short(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(inner, int) for inner in value)


def _plain(name: str, value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int() if name.endswith("_ms") and _EARLIEST_MS <= value <= _LATEST_MS:
            return f"{value} ({datetime.fromtimestamp(value / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC)"
        case int() if name.endswith("_ppm"):
            return f"{value} ({value / 10_000:g} %)"
        case list() | Mapping():
            return ", ".join(map(str, value)) or "none"
        case _:
            return str(value)


class Report(Protocol):
    """Takes the progress of long work: how much is done of how much."""

    def __call__(self, done: int, total: int) -> None: ...


@contextmanager
def progress(what: str) -> Iterator[Report]:
    """A bar on stderr, or a plain line now and then where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield _Lines(what)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Within this block the first Ctrl-C, or SIGTERM, asks for the end; the next one interrupts. What whoever started
    this process has it ignore stays ignored."""
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    former = {number: handler for number, handler in found.items() if handler is not signal.SIG_IGN}

    def restore() -> None:
        for number, handler in former.items():
            signal.signal(number, handler)

    def handle(*_: object) -> None:
        restore()
        stop()

    for number in former:
        signal.signal(number, handle)
    try:
        yield
    finally:
        restore()


class _Lines:
    def __init__(self, what: str) -> None:
        self._what = what
        self._step = -1

    def __call__(self, done: int, total: int) -> None:
        step = PLAIN_STEPS * done // total if total else PLAIN_STEPS
        if step != self._step:
            self._step = step
            warn(f"{self._what}: {done} of {total}")
