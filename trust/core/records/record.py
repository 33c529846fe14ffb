"""What every record of state has: a key, and a table that it is a row of (design.md section 3, State)."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from trust.core.lifecycle import Life


class Record(msgspec.Struct, frozen=True):
    """One row of state. `table` names it in SQL; `id` is its key; `life` is how its state may change."""

    table: ClassVar[str]
    life: ClassVar[Life | None] = None
    id: str
