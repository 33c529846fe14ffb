"""What every record of state has: a key, and a table that it is a row of (design.md section 3, State)."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Record(msgspec.Struct, frozen=True):
    """One row of state. `table` names it in SQL; `id` is its key."""

    table: ClassVar[str]
    id: str
