"""The write path when something fails: nothing is lost, nothing is forked, nobody else is harmed."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from tests.services.houses import House
from tests.services.logs import check_log, check_receipt, size_of
from tests.services.statements import Party, Town
from trust.core import rulebook
from trust.core.identity import did_of
from trust.errors import TrustError
from trust.log.note import Signer
from trust.services import headfile
from trust.services.inbox import Submission
from trust.services.receipts import Outcome, Receipt
from trust.services.sequencing import Sequencer
from trust.storage.engine import Database
from trust.storage.unit import unit


class Broken(Exception):
    pass


def test_a_command_that_breaks_the_rulebook_harms_nobody_else(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = house.town.post("bad"), house.town.post("good")
    decide = rulebook.decide

    def breaking(batch: Any, incoming: Any, at_ms: int) -> Any:
        if incoming is bad:
            raise Broken
        return decide(batch, incoming, at_ms)

    monkeypatch.setattr(rulebook, "decide", breaking)
    submissions = [Submission([bad]), Submission([good])]
    house.sequencer.serve(submissions)
    assert isinstance(submissions[0].answer.exception(timeout=0), Broken)
    assert isinstance(submissions[1].answer.result(timeout=0)[0], Receipt)


def lose_commits(monkeypatch: pytest.MonkeyPatch, *, after_the_fact: bool) -> None:
    """The next commit ends in an error, of which nobody can tell whether it came before or after the fact."""
    commit = Connection.commit

    def lost(connection: Connection) -> None:
        monkeypatch.setattr(Connection, "commit", commit)
        if after_the_fact:
            commit(connection)
        raise OperationalError("COMMIT", None, Exception("connection lost"))

    monkeypatch.setattr(Connection, "commit", lost)


def test_step_12_a_commit_without_an_answer_that_happened_is_answered_with_receipts(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_commits(monkeypatch, after_the_fact=True)
    (receipt,) = house.receipts(house.town.post("task"))
    check_receipt(house.database, house.town.log.verifier, receipt)


def test_step_12_a_commit_without_an_answer_that_did_not_happen_is_sent_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = house.town.post("task")
    before = size_of(house.database)
    lose_commits(monkeypatch, after_the_fact=False)
    with pytest.raises(TrustError, match="overloaded"):
        house.decide(said)
    assert size_of(house.database) == before
    (receipt,) = house.receipts(said)
    assert (receipt.index, receipt.repeated) == (before, False)


def test_a_head_that_does_not_extend_what_was_seen_freezes_the_log(
    database: Database, tmp_path: Path
) -> None:
    house = House(database, tmp_path).found()
    with unit(database) as u:
        u.append([], [], msgspec.structs.replace(u.head, root=bytes(32)))
    for _ in range(2):
        with pytest.raises(TrustError, match="log-frozen"):
            house.decide(house.town.post("task"))
    assert house.sequencer.frozen
    with pytest.raises(TrustError, match="log-frozen"):
        house.sequencer.submit([house.town.post("task")])


def test_a_database_that_went_back_freezes_a_process_that_saw_more(
    tmp_path: Path, sqlite_template: Path
) -> None:
    file, backup = tmp_path / "trust.db", tmp_path / "backup.db"
    shutil.copy(sqlite_template, file)
    database = Database(f"sqlite:///{file}")
    house = House(database, tmp_path).found()
    with database.writers.connect() as connection:
        connection.connection.execute(f"VACUUM INTO '{backup}'")
    house.receipts(house.town.post("after-the-backup"))
    database.close()
    for name in ("trust.db-wal", "trust.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(backup, file)
    with pytest.raises(TrustError, match="log-frozen"):
        house.decide(house.town.post("task"))
    restarted = House(Database(f"sqlite:///{file}"), tmp_path, house.town)
    with pytest.raises(TrustError, match="were signed") as refused:
        restarted.sequencer.start()
    assert "bring back the newer database" in str(refused.value.problem()["hint"])
    restarted.database.close()


def test_another_logs_database_is_refused_at_the_start(tmp_path: Path, sqlite_template: Path) -> None:
    houses = []
    for name, policy in (("one", "fast"), ("two", "sandbox")):
        (tmp_path / name).mkdir()
        shutil.copy(sqlite_template, tmp_path / name / "trust.db")
        database = Database(f"sqlite:///{tmp_path / name / 'trust.db'}")
        houses.append(House(database, tmp_path / name, Town(policy=policy)).found())
    one, two = houses
    mixed = House(two.database, one.head_file.parent, one.town)
    with pytest.raises(TrustError, match="are not the ones whose root stands in"):
        mixed.sequencer.start()
    for house in houses:
        house.database.close()


def test_a_process_without_the_logs_key_signs_nothing(database: Database, tmp_path: Path) -> None:
    house = House(database, tmp_path).found()
    stranger = House(database, tmp_path, Town())
    stranger.town.log = type(house.town.log)(house.town.log.name, Party("another log").seed)
    stranger = House(database, tmp_path, stranger.town)
    stranger.sequencer.open()
    before = size_of(database)
    with pytest.raises(TrustError, match="does not hold the log's key"):
        stranger.decide(house.town.post("task"))
    assert size_of(database) == before


def test_a_process_without_the_logs_key_says_which_it_wants_and_goes_on_when_it_is_there(
    database: Database, tmp_path: Path
) -> None:
    house = House(database, tmp_path).found()
    own, held = house.town.log, list[Signer]()
    other = Signer(own.name, Party("another log").seed)
    waiting = Sequencer(
        database, [other], house.head_file, now_ms=lambda: house.town.now_ms, more_signers=lambda: held
    )
    waiting.open()

    def decided(task: str) -> list[Outcome]:
        submission = Submission([house.town.post(task)])
        waiting.serve([submission])
        return submission.answer.result(timeout=0)

    for _ in range(2):
        with pytest.raises(
            TrustError, match=f"the log's key {did_of(own.verifier.public_key)}: lay its file"
        ):
            decided("too-early")
        assert waiting.frozen
    held.append(own)
    waiting._idle_ms()
    assert not waiting.frozen
    assert isinstance(decided("in-time")[0], Receipt)


def test_a_log_has_one_genesis_and_nothing_before_it(database: Database, tmp_path: Path) -> None:
    house = House(database, tmp_path)
    house.sequencer.open()
    with pytest.raises(TrustError, match="no genesis"):
        house.decide(house.town.register(house.town.requester))
    house.sequencer.create(house.town.genesis())
    with pytest.raises(TrustError, match="has its genesis"):
        house.sequencer.create(house.town.genesis())


@pytest.mark.postgres
def test_a_connection_that_is_lost_under_the_lock_loses_nothing_and_keeps_nothing_locked(
    postgres_url: str, tmp_path: Path
) -> None:
    database = Database(postgres_url)
    cut: list[bool] = []

    def cut_once(step: int) -> None:
        if step == 9 and cut:
            cut.pop()
            with Database(postgres_url).readers.connect() as other:
                other.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND state = 'idle in transaction'"
                )

    house = House(database, tmp_path, after_step=cut_once).found()
    said = house.town.post("task")
    cut.append(True)
    with pytest.raises(TrustError, match="overloaded"):
        house.decide(said)
    (receipt,) = house.receipts(said)
    assert not receipt.repeated
    check_log(database, house.town.log.verifier)
    database.close()


def test_step_13_a_head_file_that_cannot_be_written_lets_nothing_be_committed(house: House) -> None:
    said, before = house.town.post("task"), size_of(house.database)
    fresh = house.head_file.with_name("head.new")
    fresh.mkdir()  # in the way of the next head file, as a full or read-only disk would be
    for _ in range(2):
        with pytest.raises(TrustError, match="overloaded: the storage failed: IsADirectoryError"):
            house.decide(said)
        assert size_of(house.database) == before
    fresh.rmdir()
    (receipt,) = house.receipts(said)
    assert (receipt.index, receipt.repeated) == (before, False)


def test_step_13_a_disk_that_is_full_is_told_as_that(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    said, before = house.town.post("task"), size_of(house.database)
    with monkeypatch.context() as patched:
        patched.setattr(headfile, "_write", full)
        with pytest.raises(TrustError, match="storage-full") as refused:
            house.decide(said)
    assert refused.value.status == 507
    assert refused.value.retry_after_s
    assert size_of(house.database) == before
    house.receipts(said)


def test_step_13_what_is_committed_is_answered_though_the_head_file_is_not_in_its_place(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr(headfile, "_replace", fail)
        house.receipts(house.town.post("committed"))
        before = size_of(house.database)
        with pytest.raises(TrustError, match="overloaded"):
            house.decide(house.town.post("not-committed"))
        assert size_of(house.database) == before
    house.receipts(house.town.post("later"))
    known = headfile.read(house.head_file)
    assert known is not None
    assert known.size == size_of(house.database)


def test_a_data_directory_that_cannot_be_written_is_told_at_the_start(house: House) -> None:
    house.head_file.with_name("head.new").mkdir()
    again = House(house.database, house.head_file.parent, house.town)
    with pytest.raises(IsADirectoryError):
        again.sequencer.open()
    house.head_file.with_name("head.new").rmdir()


def test_a_follower_that_breaks_takes_no_receipt_with_it(house: House) -> None:
    def breaks(_: object) -> None:
        raise RuntimeError

    house.sequencer._on_append = breaks
    house.receipts(house.town.post("task"))
