"""What every record of the state is: immutable, one row of one table by its key (design.md section 3)."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Record(msgspec.Struct, frozen=True):
    """One row of state. `table` names it in SQL; `id` is its key."""

    table: ClassVar[str]
    id: str
