"""Bytes that rot in the database are found by the scrub, by `trust log check`, and before they are served or signed."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.services.houses import House
from tests.services.statements import Town
from tests.storage.stores import changed
from trust.errors import TrustError
from trust.services.blobs import Blobs
from trust.services.database_check import differences
from trust.services.scrub import Scrub
from trust.storage import faults
from trust.storage.engine import Database
from trust.storage.reading import Damaged, reading
from trust.storage.unit import aside

BLOB = b"an output"
DIGEST = sha256(BLOB).hexdigest()


@pytest.fixture(scope="module")
def whole(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A network's database with a full tile of entries, a claim, and a blob."""
    house = House(shared_database, tmp_path_factory.mktemp("head")).found()
    house.claimed("claimed", house.town.workers[0])
    house.receipts(*(house.town.post(f"task-{number}") for number in range(260)))
    Blobs(shared_database).put(DIGEST, BLOB, "somebody")
    return shared_database


def a_pass(scrub: Scrub) -> tuple[str, ...]:
    """What one pass over everything finds."""
    ended_ms = scrub.last.ended_ms
    for _ in range(20):
        scrub.turn()
        if scrub.last.ended_ms > ended_ms:
            return scrub.last.damaged
    raise AssertionError("the pass does not end")


def test_a_database_that_is_whole_is_found_whole(whole: Database) -> None:
    scrub = Scrub(whole)
    assert a_pass(scrub) == ()
    with reading(whole) as reader:
        assert (scrub.last.entries, scrub.last.blobs) == (reader.head().size, 1)
    assert list(differences(whole)) == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ('UPDATE entries SET data = :rot WHERE "index" = 17', "entry 17"),
        ('UPDATE entries SET leaf_hash = :rot WHERE "index" = 261', "entry 261"),
        ('DELETE FROM entries WHERE "index" = 18', "entry 18"),
        ("UPDATE tiles SET data = :rot WHERE level = 0", "hash tile 0"),
        ("UPDATE blobs SET data = :rot", f"blob {DIGEST}"),
    ],
)
def test_the_scrub_finds_what_rots_in_entries_tiles_and_blobs(
    whole: Database, statement: str, found: str
) -> None:
    scrub = Scrub(whole)
    with changed(whole, statement):
        assert a_pass(scrub) == (found,)
        assert scrub.warnings() == (f"damaged: {found}: see trust log check",)


BESIDE_THE_LOG = {
    "UPDATE accounts SET balance_units = balance_units + 1 WHERE id = 'operator/bond'": "accounts operator/bond",
    "UPDATE tasks SET state = 'closed' WHERE id = 'task-7'": "tasks task-7 is not what the log leads to",
    "INSERT INTO timers (id, due_ms, kind) VALUES ('none', 1, 'lease')": "timers none is of no entry",
    'UPDATE postings SET change_units = 0 WHERE "index" = 2 AND position = 0': "postings 2/0",
    "UPDATE blobs SET data = :rot": f"blob {DIGEST} does not have its hash",
}
"""Changes of one row each, of a table each, and how the difference that comes of it begins."""


def test_a_check_finds_what_the_tables_say_beside_the_log(whole: Database) -> None:
    with changed(whole, *BESIDE_THE_LOG):
        differing = list(differences(whole))
    assert len(differing) == len(BESIDE_THE_LOG)
    for words in BESIDE_THE_LOG.values():
        assert any(each.startswith(words) for each in differing), (words, differing)
    with changed(whole, "DELETE FROM tasks WHERE id = 'task-7'"):
        assert list(differences(whole)) == ["tasks task-7 is missing"]


def test_a_check_finds_an_index_that_does_not_fit_its_table(tmp_path: Path, sqlite_template: Path) -> None:
    path = tmp_path / "trust.db"
    shutil.copy(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    House(database, tmp_path).found().claimed("task", Town().workers[0])
    database.close()
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode=DELETE")
        [(page,)] = file.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_timers_due'")
        [(width,)] = file.execute("PRAGMA page_size")
    with path.open("r+b") as raw:
        start = (page - 1) * width
        raw.seek(start + 8)  # after a leaf's header: where its first key stands
        raw.seek(start + int.from_bytes(raw.read(2)) + 6)  # after that key's header: its due date
        raw.write(b"rot!")
    again = Database(f"sqlite:///{path}")
    assert next(differences(again)).startswith("the database file is damaged")
    again.close()


def test_what_rotted_is_not_served(whole: Database) -> None:
    with changed(whole, 'UPDATE entries SET data = :rot WHERE "index" = 17', "UPDATE blobs SET data = :rot"):
        with reading(whole) as reader, pytest.raises(Damaged, match="entry 17") as damaged:
            reader.entries(0, 100)
        refused = faults.refusal(damaged.value)
        assert refused is not None
        assert refused.status == 503
        with pytest.raises(Damaged, match="blob"):
            Blobs(whole).get(DIGEST)


def test_what_rotted_is_not_signed_over_in_a_new_tile(database: Database, tmp_path: Path) -> None:
    house = House(database, tmp_path).found()
    house.receipts(house.town.post("rots"))
    with aside(database) as connection:
        connection.execute(text('UPDATE entries SET data = :rot WHERE "index" = 3'), {"rot": b"rot"})
    house.receipts(house.town.post("before-the-tile-is-full"))
    with pytest.raises(TrustError, match="entries from 0 on are not those that were signed"):
        house.decide(*(house.town.post(f"more-{number}") for number in range(256)))
    assert house.sequencer.frozen
