"""What a benchmark reports: a row that says what was measured, against what, and whether that is enough."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """`ratio` is `measured` over `against`; the goal is `at_least` or `at_most` (0: a figure without a goal)."""

    name: str
    measured: str
    against: str
    ratio: float | None
    goal: str = ""
    met: bool | None = None

    @property
    def verdict(self) -> str:
        if self.met is None:
            return "" if self.ratio is not None else "skipped"
        return "met" if self.met else "missed"


def at_least(name: str, measured: str, against: str, ratio: float, goal: float) -> Row:
    """A row whose ratio is to be this or more."""
    return Row(name, measured, against, ratio, f">= {goal:g}", ratio >= goal)


def at_most(name: str, measured: str, against: str, ratio: float, goal: float = 1.0) -> Row:
    """A row whose ratio is to be this or less."""
    return Row(name, measured, against, ratio, f"<= {goal:g}", ratio <= goal)


def figure(name: str, measured: str, against: str, ratio: float) -> Row:
    """A row without a goal."""
    return Row(name, measured, against, ratio)


def skipped(name: str, reason: str) -> Row:
    """A row that was not measured."""
    return Row(name, reason, "", None)


def show(rows: Iterable[Row]) -> None:
    """Prints the table."""
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("what", "measured", "against"):
        table.add_column(column, overflow="fold")
    for column in ("ratio", "goal", ""):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.name, row.measured, row.against, ratio, row.goal, row.verdict)
    Console(width=None if Console().is_terminal else 150).print(table)
