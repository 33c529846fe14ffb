"""Records as rows and rows as records, for every record type: columns are the record's fields, in order.

A field that is text, bytes, a number or a truth value is its column; anything nested is JSON text by msgspec.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, get_type_hints

import msgspec
from msgspec.structs import astuple
from sqlalchemy import Table
from sqlmodel import SQLModel

from trust.core.records import RECORDS, Record
from trust.storage.tables import METADATA, STATE

Convert = Callable[[Any], Any]
_encode_json = msgspec.json.Encoder().encode


def table_of(model: type[SQLModel]) -> Table:
    """The table that a model of the log or of a projection describes."""
    return METADATA.tables[str(model.__tablename__)]


def _to_json(value: object) -> str:
    return _encode_json(value).decode()


class Codec:
    """The conversion between a record type and the rows of its table."""

    def __init__(self, kind: type[Record]) -> None:
        hints = get_type_hints(kind)
        types = [hints[name] for name in kind.__struct_fields__]
        self.kind: Final = kind
        self.table: Final[Table] = STATE[kind]
        self._nested: list[tuple[int, Convert]] = [
            (at, msgspec.json.Decoder(type_).decode)
            for at, type_ in enumerate(types)
            if type_ not in (str, int, bytes, bool)
        ]
        # SQLite has no truth values and gives them back as 0 and 1.
        self._restored = [*self._nested, *((at, bool) for at, type_ in enumerate(types) if type_ is bool)]

    def to_row(self, record: Record) -> tuple[Any, ...]:
        """The values of the record's columns."""
        if not self._nested:
            return astuple(record)
        row = list(astuple(record))
        for at, _ in self._nested:
            row[at] = _to_json(row[at])
        return tuple(row)

    def to_record(self, row: Sequence[Any]) -> Record:
        """The record that a row holds."""
        if not self._restored:
            return self.kind(*row)
        values = list(row)
        for at, restore in self._restored:
            values[at] = restore(values[at])
        return self.kind(*values)


CODECS: Final[dict[type[Record], Codec]] = {kind: Codec(kind) for kind in RECORDS}
