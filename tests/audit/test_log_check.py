"""`check_log` holds every stored byte of the log against the entries and the signed root."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.audit.networks import World, signer
from tests.audit.stored import store
from tests.core.witnesses import note_of, two_of_three
from trust.audit.log_check import check_log
from trust.audit.report import CannotCheck
from trust.log import merkle
from trust.storage.cosigned import CosignedHead, keep
from trust.storage.engine import Database
from trust.storage.unit import aside

VKEY = str(signer().verifier)


@pytest.fixture
def database(world: World, tmp_path: Path) -> Iterator[Database]:
    """A service's database with the test network's log."""
    opened = Database(store(world, tmp_path))
    yield opened
    opened.close()


def spoil(database: Database, statement: str) -> None:
    """Changes rows behind the service's back."""
    with database.writers.connect() as connection:
        connection.execute(text(statement))
        connection.commit()


def test_a_stored_log_is_whole_under_the_key_of_its_genesis(database: Database, world: World) -> None:
    told: list[tuple[int, int]] = []
    checked = check_log(database, progress=lambda done, total: told.append((done, total)))
    assert checked.ok
    assert (checked.size, checked.root) == (300, world.edge.root().hex())
    assert told[-1] == (300, 300)


def test_a_stored_log_is_whole_under_the_callers_key(database: Database) -> None:
    assert check_log(database, VKEY).ok
    assert "no known key" in check_log(database, str(signer("somebody").verifier)).findings[0].reason


@pytest.mark.parametrize(
    ("statement", "index", "reason"),
    [
        ("UPDATE entries SET data = CAST(data || x'20' AS BLOB) WHERE \"index\" = 7", 7, "leaf hash"),
        ("UPDATE entries SET leaf_hash = zeroblob(32) WHERE \"index\" = 270", 270, "leaf hash"),
        ("UPDATE entries SET at_ms = at_ms + 1 WHERE \"index\" = 9", 9, "time"),
        ("DELETE FROM entries WHERE \"index\" = 12", 12, "missing"),
        ("DELETE FROM entries WHERE \"index\" = 299", 299, "missing"),
        ("UPDATE tiles SET data = zeroblob(8192)", 0, "tile 0 of level 0"),
        ("DELETE FROM tiles", 0, "tile 0 of level 0"),
        ("UPDATE head SET root = zeroblob(32)", None, "the head says"),
        ("UPDATE head SET checkpoint = x'00'", None, "the checkpoint"),
        ("UPDATE head SET size = 299", None, "the head says"),
    ],
)  # fmt: skip
def test_what_was_changed_is_named(
    database: Database, statement: str, index: int | None, reason: str
) -> None:
    spoil(database, statement)
    (finding,) = check_log(database).findings
    assert finding.index == index
    assert reason in finding.reason


def test_an_entry_after_the_head_is_named(database: Database, world: World) -> None:
    spoil(
        database,
        'INSERT INTO entries ("index", at_ms, kind, data, leaf_hash) '
        'SELECT 300, at_ms, kind, data, leaf_hash FROM entries WHERE "index" = 299',
    )
    (finding,) = check_log(database).findings
    assert finding.index == 300


def test_a_checkpoint_of_another_size_is_named(database: Database, world: World, tmp_path: Path) -> None:
    older = World().checkpoint().hex()
    spoil(database, f"UPDATE head SET checkpoint = x'{older}'")
    (finding,) = check_log(database).findings
    assert "checkpoint is of 1 entries" in finding.reason


@pytest.mark.parametrize(
    ("size", "root", "reason"),
    [
        (200, b"", ""),
        (300, b"", ""),
        (200, b"\3" * 32, "has not the root"),
        (301, b"\3" * 32, "is of 301 entries"),
    ],
)
def test_a_cosigned_checkpoint_of_another_tree_is_named(
    database: Database, world: World, size: int, root: bytes, reason: str
) -> None:
    tree = merkle.CompactRange()
    for data in world.entries[:size]:
        tree.append(merkle.leaf_hash(data))
    note = note_of(signer(), size, root or tree.root(), two_of_three(), 1)
    with aside(database) as connection:
        keep(connection, CosignedHead(0, size, 1, note.encode()))
    assert [finding.reason for finding in check_log(database).findings if reason not in finding.reason] == []
    assert check_log(database).ok is not bool(reason)


def test_a_database_without_a_log_cannot_be_checked(tmp_path: Path) -> None:
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(CannotCheck):
        check_log(empty)
    empty.close()
