"""The records of what convicts: canaries that were promised and opened, and facts that convicted (rules.md 5, 8)."""

from __future__ import annotations

from typing import ClassVar

from trust.core.record import Record


class CanaryRoot(Record, frozen=True):
    """A promise of `count` canaries under the Merkle root `id` (hex); `opened` of them are."""

    table: ClassVar[str] = "canary_roots"
    count: int
    opened: int
    open_by_ms: int
    committed_ms: int
    index: int


class Canary(Record, frozen=True):
    """A canary that was opened, `id` is task/worker; `claim` is "" where the answer came to bear on none."""

    table: ClassVar[str] = "canaries"
    root: str
    number: int
    verdict: str
    claim: str
    index: int


class Conviction(Record, frozen=True):
    """A fact that convicted somebody (`id`), which therefore convicts no second time."""

    table: ClassVar[str] = "convictions"
    reporter: str
    index: int
