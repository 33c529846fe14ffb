"""Numbers on the command line: what was typed or an error, never a rounded one."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from cyclopts import Parameter

from trust.cli import GROUPS, run
from trust.cli.failures import USAGE, Usage
from trust.cli.values import MOST, whole


def _handlers() -> Iterator[tuple[str, Any]]:
    for group in GROUPS:
        app = import_module(f"trust.cli.{group}").app
        if app.default_command:
            yield group, app.default_command
        for name in app:
            if not name.startswith("-") and app[name].default_command:
                yield f"{group} {name}", app[name].default_command


def _bare_numbers(hint: Any, *, converted: bool = False) -> bool:
    """Whether a parameter takes an int or a float that no converter of ours makes."""
    if typing.get_origin(hint) is typing.Annotated:
        inner, *notes = typing.get_args(hint)
        own = any(isinstance(note, Parameter) and note.converter for note in notes)
        return _bare_numbers(inner, converted=converted or own)
    if hint in (int, float):
        return not converted
    return any(_bare_numbers(part, converted=converted) for part in typing.get_args(hint))


def test_every_number_of_every_command_goes_through_the_one_converter() -> None:
    handlers = list(_handlers())
    assert len(handlers) > 50
    for name, handler in handlers:
        hints = typing.get_type_hints(handler, include_extras=True)
        taken = inspect.signature(handler).parameters
        assert [each for each in taken if each in hints and _bare_numbers(hints[each])] == [], name


@pytest.mark.parametrize(
    "text", ["10.9", "1e3", "1.0", "-1", "+1", "0x10", " 1", "1_000", "٣", "", "nan", str(MOST + 1)]
)
def test_what_is_no_whole_number_is_an_error(text: str) -> None:
    with pytest.raises(Usage, match="whole number"):
        whole(text, "count", 0)


def test_the_largest_number_stays_as_it_is() -> None:
    assert whole(str(MOST), "count", 0) == MOST


@pytest.mark.parametrize(
    "arguments",
    [
        ["stake", "deposit", "@alice", "10.9"],
        ["stake", "deposit", "@alice", "1e3"],
        ["stake", "withdraw", "0.5"],
        ["task", "post", "t", "--kind", "k", "--spec", "s", "--price", "1.5"],
        ["task", "post", "t", "--kind", "k", "--spec", "s", "--price", "1", "--tolerated-bad-ppm", "0.05"],
        ["task", "post", "t", "--kind", "k", "--spec", "s", "--price", "1", "--stake", "2.5"],
        ["check", "vote", "seat_x", "--bad", "1.5"],
        ["simulate", "reputation", "--malicious", "12.5"],
    ],
)  # fmt: skip
def test_a_number_that_would_be_rounded_is_refused_by_its_name(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*arguments, "--key", "none.key"] if arguments[0] != "simulate" else arguments) == USAGE
    told = capsys.readouterr().err
    assert "whole number" in told
    assert arguments[-1] in told
