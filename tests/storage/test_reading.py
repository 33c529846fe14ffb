"""Reads agree with the log and with each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.core.flows import Scene
from tests.core.terms import EXACT
from tests.storage.stores import founded
from trust.core.entry import decode_entry
from trust.core.records import Account, Pool, Seat
from trust.core.scorebook import POOL
from trust.log.merkle import leaf_hash
from trust.storage.engine import Database
from trust.storage.projections import actor_of
from trust.storage.reading import Reader, reading


@pytest.fixture(scope="module")
def scene(shared_database: Database) -> Iterator[Scene]:
    """A claim that passed, one that failed, and one that waits for its draw."""
    store, scene = founded(shared_database)
    scene.ended("passes")
    scene.ended("fails", "fail")
    scene.submitted("waits")
    yield scene
    store.close()


@pytest.fixture
def reader(scene: Scene, shared_database: Database) -> Iterator[Reader]:
    with reading(shared_database) as reader:
        yield reader


def test_entries_are_found_by_index_range_and_leaf(scene: Scene, reader: Reader) -> None:
    entries = scene.net.entries
    assert [entry.data for entry in reader.entries(0, len(entries))] == [entry.data for entry in entries]
    assert [entry.index for entry in reader.entries(5, 8)] == [5, 6, 7]
    assert reader.entry(len(entries)) is None
    third = reader.entry(3)
    assert third is not None
    assert third.data == entries[3].data
    assert reader.index_of_leaf(leaf_hash(entries[3].data)) == 3
    assert reader.index_of_leaf(bytes(32)) is None
    assert reader.leaf_hashes(2, 4) == [leaf_hash(entry.data) for entry in entries[2:4]]
    assert reader.tile(0, 0) == b""


def test_a_ledger_adds_up_to_the_balances_and_pages_backwards(scene: Scene, reader: Reader) -> None:
    for account in scene.net.all(Account):
        postings = reader.ledger([account.id], limit=10_000)
        assert sum(posting.change_units for posting in postings) == account.balance_units
        assert [posting.index for posting in postings] == sorted((p.index for p in postings), reverse=True)
    free = [f"agent/{scene.net.operator.did}/free", "external"]
    everything = reader.ledger(free, limit=10_000)
    page = reader.ledger(free, limit=3)
    assert page == everything[:3]
    for number, last in enumerate(everything, 1):
        assert reader.ledger(free, (last.index, last.position), limit=10_000) == everything[number:]


def test_every_balance_in_the_stats_sums_to_zero(scene: Scene, reader: Reader) -> None:
    stats = reader.stats()
    assert sum(units for name, units in stats.items() if name.endswith("_units")) == 0
    assert stats["entries"] == len(scene.net.entries)
    assert (stats["tasks"], stats["claims"]) == (3, 3)


def test_a_timeline_has_every_entry_that_names_its_subject(scene: Scene, reader: Reader) -> None:
    (claim,) = reader.claims_on("fails")
    seats = reader.seats_on(claim.id)
    assert len(seats) == 3
    for subjects in (["fails"], [claim.id], [claim.id, *(seat.id for seat in seats)], [claim.worker]):
        named = [
            entry.index
            for entry in scene.net.entries
            if actor_of(decode_entry(entry.data)) in subjects
            or any(f'"{name}"'.encode() in entry.data.partition(b'"events":')[2] for name in subjects)
        ]
        found = [entry.index for entry in reader.timeline(subjects, limit=1_000)]
        assert set(found) <= set(named)
        assert found == sorted(found)
        assert len(found) >= 3
        assert reader.timeline(subjects, after=found[1], limit=1)[0].index == found[2]


def test_lists_of_seats_page_by_id(scene: Scene, reader: Reader) -> None:
    (claim,) = reader.claims_on("passes")
    for seat in scene.net.all(Seat):
        assert seat in reader.seats_of(seat.agent)
        assert seat not in reader.seats_of(seat.agent, after=seat.id)
        assert seat in reader.seats_of(seat.agent, seat.state)
        assert seat not in reader.seats_of(seat.agent, "open")
    assert [panel.number for panel in reader.rounds_of(claim.id)] == [1]
    assert reader.scores_of(claim.worker)


def test_what_waits_for_a_draw_or_a_seal_is_found(scene: Scene, shared_database: Database) -> None:
    with reading(shared_database) as reader:
        (waiting,) = reader.awaiting_draw()
        assert waiting.task == "waits"
        assert waiting.draw_round == 1
        assert reader.awaiting_seal() == []
        assert reader.next_due_ms() == min(timer.due_ms for timer in scene.net.draft.timers(100))
    dirty = [pool.id for pool in scene.net.all(Pool) if pool.dirty and pool.id != POOL]
    scene.net.now_ms += scene.net.policy.verifiers.epoch_ms
    scene.net.settle()
    with reading(shared_database) as reader:
        assert [pool.id for pool in reader.awaiting_seal()] == sorted(dirty) != []


def test_a_pool_is_read_as_of_any_size(scene: Scene, reader: Reader) -> None:
    pool = f"verifiers/{EXACT}"
    size = len(scene.net.entries)
    now = {slot.number: slot for slot in reader.slots(pool, 0, size)}
    assert now
    for as_of in range(0, size + 1, 7):
        then = {slot.number: slot for slot in reader.slots(pool, 0, as_of)}
        later = {slot.number: slot for slot in reader.slots(pool, as_of, size)}
        assert then | later == now
        assert all(slot.index < as_of for slot in then.values())
