"""A log becomes a database of anybody's: all of it, under the signed tree, or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.audit.networks import World, publish, signer
from tests.audit.stored import store
from tests.tables import make_tables
from trust.audit.fetching import DirectorySource
from trust.audit.log_check import check_log
from trust.audit.replica import Copied, copy
from trust.cli import run
from trust.cli.failures import FALSE, GOOD
from trust.services.rebuilding import rebuild
from trust.storage.engine import Database
from trust.storage.reading import reading
from trust.verify.failures import NotProven

KEY = signer().verifier


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    url = f"sqlite:///{tmp_path / 'mine.db'}"
    make_tables(url)
    database = Database(url)
    yield database
    database.close()


def of_size(world: World, folder: Path, size: int) -> DirectorySource:
    """The log when it had so many entries."""
    return DirectorySource(publish(folder, world.entries[:size], signer()))


def entries_in(database: Database) -> list[bytes]:
    with reading(database) as reader:
        return [stored.data for stored in reader.entries(0, reader.head().size)]


@pytest.mark.parametrize("before", [1, 255, 256, 257, 299, 300])
def test_a_copy_goes_on_where_an_earlier_one_ended(
    world: World, mine: Database, tmp_path: Path, before: int
) -> None:
    assert copy(of_size(world, tmp_path / "then", before), KEY, mine).size == before
    assert check_log(mine, str(KEY)).ok
    done = copy(of_size(world, tmp_path / "now", 300), KEY, mine)
    assert done == Copied(done.origin, 300, world.edge.root().hex(), before)
    assert entries_in(mine) == world.entries
    assert check_log(mine, str(KEY)).ok
    assert rebuild(mine) == 300


def test_of_a_log_that_is_not_the_one_that_is_signed_nothing_is_kept(
    world: World, mine: Database, tmp_path: Path
) -> None:
    changed = [*world.entries]
    changed[7] = changed[7].replace(b'"v":1', b'"v":2')
    folder = publish(tmp_path / "lie", changed, signer())
    (folder / "checkpoint").write_bytes(world.checkpoint())
    with pytest.raises(NotProven, match="do not lead to the root"):
        copy(DirectorySource(folder), KEY, mine)
    assert entries_in(mine) == []


def test_what_is_no_entry_is_not_kept(world: World, mine: Database, tmp_path: Path) -> None:
    for number, junk in enumerate((b"", b"\xff", b"[]", b'{"v":1,"at_ms":1,"command":{},"events":[]}')):
        folder = publish(tmp_path / f"junk-{number}", [*world.entries[:3], junk], signer())
        with pytest.raises(NotProven, match="entry 3"):
            copy(DirectorySource(folder), KEY, mine)
        assert entries_in(mine) == []


def test_a_database_keeps_its_own_log(world: World, mine: Database, tmp_path: Path) -> None:
    copy(of_size(world, tmp_path / "log", 300), KEY, mine)
    with pytest.raises(NotProven, match="300 entries, the log 299"):
        copy(of_size(world, tmp_path / "shorter", 299), KEY, mine)
    other = [*world.entries[:-1], world.entries[-1].replace(b'"v":1', b'"v":2')]
    with pytest.raises(NotProven, match="another log"):
        copy(DirectorySource(publish(tmp_path / "other", other, signer())), KEY, mine)
    longer = publish(tmp_path / "longer", [*other, world.entries[-1]], signer())
    with pytest.raises(NotProven, match="do not lead to the root"):
        copy(DirectorySource(longer), KEY, mine)
    assert entries_in(mine) == world.entries


def test_a_stranger_with_the_files_and_the_key_makes_the_graph_that_the_service_makes(
    world: World, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "service").mkdir()
    store(world, tmp_path / "service")
    mine, its = (["--data", str(tmp_path / name)] for name in ("mine", "service"))
    assert run(["log", "rebuild", *its]) == GOOD
    capsys.readouterr()
    assert run(["log", "copy", str(log), "--vkey", str(KEY), *mine, "--json"]) == GOOD
    assert json.loads(capsys.readouterr().out)["size"] == 300
    told = []
    for where in (mine, its):
        assert run(["log", "graph", *where, "--json"]) == GOOD
        told.append(json.loads(capsys.readouterr().out))
    assert told[0] == told[1]
    assert told[0]["owners"] > 1
    assert run(["log", "copy", str(log), "--vkey", str(signer("another").verifier), *mine]) == FALSE
