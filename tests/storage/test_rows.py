"""Records come back from the database as they went in."""

from __future__ import annotations

from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest

from tests.services.statements import policy_of
from trust.core.payloads import Part, Reference
from trust.core.policy import Policy
from trust.core.records import RECORDS, Account, Record
from trust.core.state import Writes
from trust.storage.engine import Database
from trust.storage.projections import Projections
from trust.storage.reading import reading
from trust.storage.rows import CODECS
from trust.storage.state import SqlView
from trust.storage.unit import read_head, unit

LARGEST, SMALLEST = 2**63 - 1, -(2**63)


def sample(type_: Any, number: int) -> Any:
    """A value of a field's type; each number gives another one, at the edges of what a column holds."""
    if type_ is str:
        return f"{number} 'quoted' \"twice\" % ? \\ ü {chr(0x1F600 + number)}"
    if type_ is bytes:
        return bytes(range(256)) * number
    if type_ is int:
        return (LARGEST, SMALLEST, 0)[number % 3]
    if type_ is bool:
        return number % 2 == 1
    if type_ is Policy:
        return policy_of("fast")
    if type_ is Reference:
        return Reference("a2a-task", f"value-{number}")
    if type_ is Part:
        return Part(f"part-{number}", 1 + number)
    if get_origin(type_) is tuple:
        of, *rest = get_args(type_)
        parts = [of] * number if rest == [...] else [of, *rest]
        return tuple(sample(part, number) for part in parts)
    assert not isinstance(type_, UnionType)
    hints = get_type_hints(type_)
    return type_(**{name: sample(hints[name], number) for name in type_.__struct_fields__})


def record_of(kind: type[Record], number: int, id: str = "") -> Record:
    hints = get_type_hints(kind)
    fields = {name: hints[name] for name in kind.__struct_fields__ if name != "id"}
    return kind(id=id or f"id {number}", **{name: sample(type_, number) for name, type_ in fields.items()})


def write(database: Database, writes: Writes) -> None:
    with unit(database) as u:
        u.write_state(writes, Projections())


def stored(database: Database, kind: type[Record], *ids: str) -> list[Record | None]:
    with database.snapshot() as connection:
        view = SqlView(connection, read_head(connection))
        return [view.get(kind, id) for id in ids]


def test_every_record_type_comes_back_as_it_went_in(database: Database) -> None:
    records = [record_of(kind, number) for kind in RECORDS for number in range(3)]
    write(database, {(type(record), record.id): record for record in records})
    for record in records:
        assert stored(database, type(record), record.id) == [record]
        with reading(database) as reader:
            assert reader.record(type(record), record.id) == record


def test_a_record_that_was_put_again_is_the_last_one_and_a_dropped_one_is_gone(database: Database) -> None:
    for kind in RECORDS:
        first, second = record_of(kind, 1, "same"), record_of(kind, 2, "same")
        unchanging = {
            column.name: getattr(first, column.name)
            for column in CODECS[kind].table.columns
            if column.info["fixed"]
        }
        second = msgspec.structs.replace(second, **unchanging)
        write(database, {(kind, "same"): first, (kind, "other"): record_of(kind, 1, "other")})
        write(database, {(kind, "same"): second, (kind, "other"): None})
        assert stored(database, kind, "same", "other") == [second, None]


@pytest.mark.parametrize("count", [1, 99, 100, 101, 250])
def test_any_number_of_rows_is_written_and_read_at_once(database: Database, count: int) -> None:
    records = [Account(f"account {number}", number) for number in range(count)]
    write(database, {(Account, record.id): record for record in records})
    with reading(database) as reader:
        ids = [record.id for record in reversed(records)]
        assert reader.records(Account, [*ids, "nobody"]) == list(reversed(records))
