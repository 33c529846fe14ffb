"""A transaction is all or nothing, and the head's lock is held by one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from tests.storage.test_rows import stored
from trust.core.records import Account
from trust.log.merkle import leaf_hash
from trust.log.tiles import FullTile
from trust.storage import unit as unit_module
from trust.storage.engine import Database
from trust.storage.projections import Projections
from trust.storage.reading import reading
from trust.storage.unit import CommitUnknown, Head, StoredEntry, Unit, aside, read_head, unit

ENTRY = StoredEntry(0, 5, "genesis", b"entry", leaf_hash(b"entry"))
HEAD = Head(1, 5, leaf_hash(b"entry"), b"note")
TILE = FullTile(0, 0, bytes(8_192))


def write_all(u: Unit) -> None:
    u.append([ENTRY], [TILE], HEAD)
    u.write_state({(Account, "burn"): Account("burn", 7)}, Projections())


def fail_after(u: Unit, act: Callable[[Unit], None]) -> None:
    act(u)
    raise ZeroDivisionError


def test_entries_tiles_head_and_state_are_there_after_the_commit(database: Database) -> None:
    with unit(database) as u:
        write_all(u)
    with reading(database) as reader:
        assert reader.head() == HEAD
        assert reader.entries(0, 9) == [ENTRY]
        assert reader.tile(0, 0) == TILE.data
    assert stored(database, Account, "burn") == [Account("burn", 7)]


def test_nothing_is_there_when_the_unit_fails(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), unit(database) as u:
        fail_after(u, write_all)
    with reading(database) as reader:
        assert reader.head().size == 0
        assert reader.entries(0, 9) == []
    assert stored(database, Account, "burn") == [None]


def test_an_entry_is_never_written_twice(database: Database) -> None:
    with unit(database) as u:
        write_all(u)
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"), unit(database) as u:
        u.append([ENTRY], [], HEAD)


def test_a_unit_that_wrote_nothing_does_not_commit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_module, "_commit", lambda connection: pytest.fail("committed"))
    with unit(database) as u:
        assert u.head.size == 0


def test_the_second_unit_waits_for_the_first_and_sees_what_it_left(migrated_url: str) -> None:
    first, second = Database(migrated_url), Database(migrated_url)
    seen: list[int] = []

    def follow() -> None:
        with unit(second) as u:
            seen.append(u.head.size)

    with unit(first) as u:
        thread = threading.Thread(target=follow)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        write_all(u)
    thread.join(10)
    assert seen == [1]
    first.close()
    second.close()


def test_an_error_at_commit_is_told_apart_from_every_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: Connection) -> None:
        raise OperationalError("COMMIT", None, Exception("connection lost"))

    monkeypatch.setattr(Connection, "commit", fail)
    with pytest.raises(CommitUnknown), aside(database) as connection:
        read_head(connection)
