"""The result of an audit: a report, or `CannotCheck` where nothing can be said about the log.

The audit's steps are named here and nowhere else; each that is taken has its line in the report. They advance together,
piece by piece of the log, so where one of them finds something the others end there too: they found nothing up to that
point, and what would follow a lie proves nothing. Only the last two come after all entries.

A finding names the entry at which the log is not what it should be; without an index it is about the checkpoint, the
tree as a whole, or what the service answers.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

from trust.errors import Unusable

Progress = Callable[[int, int], None]
"""Told how many entries of how many are done."""


def silent(done: int, total: int) -> None:
    """Progress that nobody hears of."""
    del done, total


class CannotCheck(Unusable):
    """The log could not be read, or needs a newer release: this says nothing about whether it is true (exit 3)."""


class Step(StrEnum):
    """The checks, in order."""

    KEYS = "keys and origin"
    TREE = "tree"
    CHECKPOINTS = "checkpoints"
    STATEMENTS = "statements"
    DECISIONS = "decisions"
    DRAWS = "draws"
    POSTINGS = "postings"
    WITNESSES = "witnesses"
    ANSWERS = "answers"


_AFTER_ENTRIES = (Step.WITNESSES, Step.ANSWERS)


class Finding(msgspec.Struct, frozen=True):
    """Something false: at which entry, why, and which step found it."""

    index: int | None
    reason: str
    step: Step = Step.TREE

    def __str__(self) -> str:
        return f"entry {self.index}: {self.reason}" if self.index is not None else self.reason

    def marked(self, line: Line) -> Line:
        """A line of the report, false where it is that of this finding's step."""
        return Line(line.step, line.counted, False, str(self)) if line.step is self.step else line


class Line(msgspec.Struct, frozen=True):
    """One step of the report: what was counted, and `ok`: None where it did not come to its end, or was not taken."""

    step: Step
    counted: str
    ok: bool | None
    finding: str = ""

    def __str__(self) -> str:
        outcome = {True: "good", False: "FALSE", None: "not done"}[self.ok]
        return f"{self.step:<16} {outcome}: {self.finding or self.counted}"


def lines(counted: dict[Step, str], finding: Finding | None, skipped: frozenset[Step]) -> tuple[Line, ...]:
    """A line for every step that was counted: the one with the finding is false, and then what follows is not done."""

    order = list(Step)

    def line(step: Step) -> Line:
        if finding is not None and finding.step is step:
            return Line(step, counted[step], False, str(finding))
        ended = finding is not None and (
            finding.step not in _AFTER_ENTRIES or order.index(step) > order.index(finding.step)
        )
        return Line(step, counted[step], None if step in skipped or ended else True)

    return tuple(line(step) for step in order if step in counted)


class Sums(msgspec.Struct, frozen=True):
    """The money after the last entry, in units: `total` is 0 where nothing was made from nothing."""

    accounts: int = 0
    total: int = 0
    external: int = 0
    burnt: int = 0
    overdrawn: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A finished audit. `replayed` entries up to `size` were decided again; those before them at an earlier audit.

    `commands` counts entries by what caused them, `statements` by what was said, since the first entry. `witnesses`
    names those of the caller's policy that cosigned the checkpoint, where he brought one.
    """

    ok: bool
    origin: str
    size: int
    root: str
    checked: int
    replayed: int
    findings: tuple[Finding, ...]
    steps: tuple[Line, ...]
    commands: dict[str, int]
    statements: dict[str, int]
    signatures: int
    sums: Sums
    elapsed_ms: int
    witnesses: str = ""

    def encode(self) -> bytes:
        """The report as JSON."""
        return msgspec.json.encode(self)
