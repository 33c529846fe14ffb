"""The rulebook reads the same state out of SQL as out of memory."""

from __future__ import annotations

import random

import pytest

from tests.core.flows import Scene
from tests.core.network import Net
from tests.storage.stores import SqlStore
from tests.storage.test_rows import write
from trust.core.records import Account, Claim, Party, Record, Task, Timer
from trust.core.state import Draft, MemoryState, Writes, timer_order
from trust.storage import state
from trust.storage.engine import Database
from trust.storage.state import SqlView
from trust.storage.unit import Head, read_head

HEAD = Head(0, 0, b"", b"")


def accounts(*names: str) -> Writes:
    return {(Account, name): Account(name, len(name)) for name in names}


def test_a_network_over_sql_makes_the_same_log_and_the_same_rows_as_one_in_memory(database: Database) -> None:
    store = SqlStore(database)
    over_sql, in_memory = Scene(Net(store=store)), Scene(Net())
    for scene in (over_sql, in_memory):
        scene.ended("passes")
        scene.ended("fails", "fail")
        scene.claimed("runs-out")
        scene.net.tick(scene.net.policy.claims.lease_ms)
    assert [e.data for e in over_sql.net.entries] == [e.data for e in in_memory.net.entries]
    assert over_sql.net.records() == in_memory.net.records()
    store.close()


def test_what_was_not_loaded_ahead_is_loaded_when_it_is_read_and_counted(database: Database) -> None:
    write(database, accounts("here"))
    with database.snapshot() as connection:
        view = SqlView(connection, HEAD)
        assert view.load([(Account, "here"), (Account, "not here")]) == 1
        assert view.get(Account, "here") == Account("here", 4)
        assert view.get(Account, "not here") is None
        assert view.misses == 0
        assert view.get(Task, "elsewhere") is None
        assert view.get(Task, "elsewhere") is None
        assert view.misses == 1


def test_peeking_never_loads(database: Database) -> None:
    write(database, accounts("here"))
    with database.snapshot() as connection:
        view = SqlView(connection, HEAD)
        assert view.peek(Account, "here") is None
        view.load([(Account, "here")])
        assert view.peek(Account, "here") == Account("here", 4)


def test_what_is_remembered_holds_until_another_hand_moves_the_head(database: Database) -> None:
    write(database, accounts("one"))
    view = SqlView()
    with database.snapshot() as connection:
        view.open(connection, HEAD)
        assert view.get(Account, "one") is not None
    write(database, {(Account, "one"): None})
    with database.snapshot() as connection:
        view.open(connection, HEAD)
        assert view.get(Account, "one") is not None
        view.open(connection, Head(1, 0, b"", b""))
        assert view.get(Account, "one") is None


def test_a_committed_draft_is_remembered_without_a_read(database: Database) -> None:
    with database.snapshot() as connection:
        view = SqlView(connection, HEAD)
        draft = Draft(view)
        draft.put(Account("new", 3))
        draft.size += 1
        view.absorb(draft)
        assert view.size == 1
        assert view.get(Account, "new") == Account("new", 3)
        assert view.misses == 0


def test_what_was_not_asked_for_lately_is_let_go_and_nothing_else(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "REMEMBERED", 20)
    write(database, accounts(*(str(number) for number in range(100))))
    with database.snapshot() as connection:
        view = SqlView(connection, HEAD)
        for number in range(100):
            assert view.get(Account, str(number)) is not None
            assert view.get(Account, "0") is not None
            view.turn()
            remembered = sum(view.peek(Account, str(each)) is not None for each in range(100))
            assert remembered <= 24
        assert view.misses == 100  # the one that is asked for all the time was loaded once


def test_timers_come_in_the_rulebooks_order_on_both_databases(database: Database) -> None:
    names = ["a", "B", "_", "-", "é", "claim/1", "Claim/1", "clm_b", "clm-a", "Z", "z", "0", "~", " "]
    chance = random.Random(1)
    timers = [Timer(name, chance.choice([5, 6]), chance.choice(names)) for name in names]
    writes: dict[tuple[type[Record], str], Record | None] = {(Timer, timer.id): timer for timer in timers}
    write(database, writes)
    memory = MemoryState()
    memory.put_all(timers)
    with database.snapshot() as connection:
        view = SqlView(connection, read_head(connection))
        for limit in (1, 5, 50):
            assert view.timers(limit) == memory.timers(limit) == sorted(timers, key=timer_order)[:limit]


def test_a_view_is_not_read_before_it_is_opened() -> None:
    with pytest.raises(RuntimeError):
        SqlView().get(Party, "anybody")
    assert SqlView().peek(Claim, "any") is None
