"""What an audit comes to: a report, or `CannotCheck` where nothing can be said about the log.

A finding names the entry at which the log is not what it should be; without an index it is about the checkpoint
or the tree as a whole. An audit stops at the first one: what follows a lie proves nothing.
"""

from __future__ import annotations

import msgspec


class CannotCheck(Exception):
    """The log could not be read, or needs a newer release: this says nothing about whether it is true (exit 3)."""


class Finding(msgspec.Struct, frozen=True):
    """What is false, and at which entry."""

    index: int | None
    reason: str

    def __str__(self) -> str:
        return f"entry {self.index}: {self.reason}" if self.index is not None else self.reason


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
    commands: dict[str, int]
    statements: dict[str, int]
    signatures: int
    sums: Sums
    elapsed_ms: int
    witnesses: str = ""

    def encode(self) -> bytes:
        """The report as JSON."""
        return msgspec.json.encode(self)
