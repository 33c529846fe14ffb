"""A witness answers as C2SP tlog-witness says, and cosigns only what extends the last checkpoint that it cosigned."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.witness.logs import ORIGIN, WITNESS, AskingLog, log_key
from trust import clock
from trust.log.note import NoteError, Signer, add_signatures, encode_base64, open_note, parse_note, sign_note
from trust.log.note import Signature as Line
from trust.log.submission import Submission
from trust.verify.forks import verify_fork
from trust.witness.store import Store, StoreError
from trust.witness.witness import Witness

LOG = AskingLog()
FORKED = AskingLog(fork=b"x")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A witness's directory that knows one log."""
    Store.create(tmp_path / "witness.db")
    store = Store(tmp_path / "witness.db")
    store.add_log(ORIGIN, log_key().verifier)
    store.close()
    return tmp_path


@pytest.fixture
def witness(folder: Path) -> Iterator[Witness]:
    """The witness."""
    store = Store(folder / "witness.db")
    yield Witness(store, WITNESS, folder)
    store.close()


def held(folder: Path) -> bytes | None:
    """What is on disk, seen by somebody else."""
    store = Store(folder / "witness.db")
    try:
        return store.held(ORIGIN)
    finally:
        store.close()


# -- the statuses, in the specification's order


def test_200_is_a_cosignature_that_joins_the_note(witness: Witness, folder: Path) -> None:
    before_s = clock.now_ms() // 1_000
    answer = witness.add_checkpoint(LOG.body(0, 20))
    assert answer.status == 200
    (line,) = answer.body.decode().splitlines()
    assert answer.body.decode() == line + "\n"
    note = LOG.note(20)
    opened = open_note(add_signatures(note, [Line.parse(line)]), [log_key().verifier, WITNESS.verifier])
    cosignature = opened.verified[1]
    assert cosignature.time_s is not None
    assert before_s <= cosignature.time_s <= clock.now_ms() // 1_000
    assert held(folder) == note


def test_the_answer_concatenated_to_the_checkpoint_is_a_note(witness: Witness) -> None:
    body = witness.add_checkpoint(LOG.body(0, 7)).body
    assert open_note(LOG.note(7) + body, [WITNESS.verifier]).text == LOG.checkpoint(7).body()


@pytest.mark.parametrize("sizes", [(0, 1, 2, 300), (0, 128, 256, 257), (0, 0, 5), (0, 9, 9, 9)])
def test_a_log_that_grows_is_cosigned_every_time(witness: Witness, sizes: tuple[int, ...]) -> None:
    old = 0
    for new in sizes[1:]:
        assert witness.add_checkpoint(LOG.body(old, new)).status == 200
        old = new


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old x\n\n" + LOG.note(5),
        b"old 0\n\n",
        b"old 0\n\nhello\n",
        b"old 0\n\n" + LOG.note(5)[:-1],
        b"old 0\n\n" + LOG.note(5).replace(b"\n5\n", b"\n05\n"),
        b"old 0\n\n" + LOG.note(5).replace(b"\n5\n", b"\n-5\n"),
        b"old 0\n\n" + LOG.note(5) + LOG.note(5).split(b"\n\n")[1] * 100,
        LOG.body(6, 5),
    ],
)
def test_400_for_what_is_malformed_and_an_old_size_beyond_the_new_one(
    witness: Witness, folder: Path, body: bytes
) -> None:
    assert witness.add_checkpoint(body).status == 400
    assert held(folder) is None


def test_404_for_a_log_that_the_witness_does_not_know(witness: Witness, folder: Path) -> None:
    stranger = AskingLog("log.example.org/other")
    assert witness.add_checkpoint(stranger.body(0, 5)).status == 404
    assert witness.add_checkpoint(stranger.body(0, 5, log_key())).status == 404
    assert held(folder) is None


@pytest.mark.parametrize(
    "keys", [(log_key("mallory"),), (log_key(origin="log.example.org/other"),), (WITNESS,)]
)
def test_403_where_no_key_of_the_log_signed(witness: Witness, folder: Path, keys: tuple[Signer, ...]) -> None:
    assert witness.add_checkpoint(LOG.body(0, 5, *keys)).status == 403
    assert held(folder) is None


def test_403_for_a_signature_that_does_not_hold(witness: Witness, folder: Path) -> None:
    forged = LOG.note(6).split(b"\n\n")[0] + b"\n\n" + LOG.note(5).split(b"\n\n")[1]
    assert witness.add_checkpoint(b"old 0\n\n" + forged).status == 403
    assert held(folder) is None


def test_409_tells_the_size_that_was_cosigned_last(witness: Witness, folder: Path) -> None:
    assert witness.add_checkpoint(LOG.body(3, 20)).body == b"0\n"
    witness.add_checkpoint(LOG.body(0, 20))
    for old in (0, 19, 21):
        answer = witness.add_checkpoint(LOG.body(old, 30))
        assert answer == (409, b"20\n", "text/x.tlog.size")
    assert held(folder) == LOG.note(20)
    assert witness.add_checkpoint(LOG.body(20, 30)).status == 200


def test_409_for_a_log_that_shrinks(witness: Witness, folder: Path) -> None:
    witness.add_checkpoint(LOG.body(0, 20))
    assert witness.add_checkpoint(LOG.body(0, 10)) == (409, b"20\n", "text/x.tlog.size")
    assert witness.add_checkpoint(LOG.body(10, 10)).status == 409
    assert held(folder) == LOG.note(20)


def test_422_for_an_empty_tree_with_another_root(witness: Witness, folder: Path) -> None:
    text = f"{ORIGIN}\n0\n{encode_base64(bytes(32))}\n"
    assert witness.add_checkpoint(b"old 0\n\n" + sign_note(text, log_key())).status == 422
    assert held(folder) is None


def test_422_for_another_root_of_the_same_size_and_both_notes_convict_the_log(
    witness: Witness, folder: Path
) -> None:
    witness.add_checkpoint(LOG.body(0, 20))
    for old, status in ((20, 422), (20, 422), (0, 409)):
        assert witness.add_checkpoint(FORKED.body(old, 20)).status == status
    assert held(folder) == LOG.note(20)
    (evidence,) = folder.glob("fork-*.json")
    convicted = verify_fork(evidence.read_bytes(), log_key().verifier)
    assert (convicted.size, convicted.held, convicted.other) == (
        20,
        LOG.checkpoint(20).root,
        FORKED.checkpoint(20).root,
    )


def test_evidence_that_cannot_be_written_is_told_and_written_later(
    witness: Witness, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        path.with_name(path.name + ".new").write_text(text[:10], encoding="utf-8")
        raise OSError(28, "No space left on device")

    witness.add_checkpoint(LOG.body(0, 20))
    with monkeypatch.context() as patched, capture_logs() as lines:
        patched.setattr("trust.witness.witness._write_whole", full)
        assert witness.add_checkpoint(FORKED.body(20, 20)).status == 422
    assert list(folder.glob("fork-*.json")) == []
    told = next(line for line in lines if line["event"] == "the log was forked")
    assert told["notes"] == [LOG.note(20).decode(), FORKED.note(20).decode()]
    assert witness.add_checkpoint(LOG.body(20, 30)).status == 200
    (evidence,) = folder.glob("fork-*.json")
    assert verify_fork(evidence.read_bytes(), log_key().verifier).size == 20


@pytest.mark.parametrize("left", [b"", b'{"evidence": "fork", "no', b"\xff"])
def test_a_file_of_evidence_that_was_cut_off_stands_in_nothings_way(
    witness: Witness, folder: Path, left: bytes
) -> None:
    witness.add_checkpoint(LOG.body(0, 20))
    path = folder / f"fork-{sha256(ORIGIN.encode()).hexdigest()[:16]}.json"
    path.write_bytes(left)
    witness.add_checkpoint(FORKED.body(20, 20))
    assert verify_fork(path.read_bytes(), log_key().verifier).size == 20


def test_a_cosignature_is_given_though_no_log_line_can_be_written(witness: Witness) -> None:
    def gone(*_: object) -> str:
        raise BrokenPipeError

    before = structlog.get_config()
    structlog.configure(processors=[gone])
    try:
        assert witness.add_checkpoint(LOG.body(0, 20)).status == 200
    finally:
        structlog.configure(**before)


def test_422_for_a_proof_that_does_not_hold(witness: Witness, folder: Path) -> None:
    witness.add_checkpoint(LOG.body(0, 20))
    good = Submission.parse(LOG.body(20, 30))
    proofs = [(), good.proof[:-1], (*good.proof, bytes(32)), (bytes(32), *good.proof[1:]), good.proof[::-1]]
    for proof in proofs:
        assert witness.add_checkpoint(Submission(20, proof, good.note).encode()).status == 422
    assert witness.add_checkpoint(FORKED.body(20, 30)).status == 422
    assert held(folder) == LOG.note(20)
    assert list(folder.glob("fork-*.json")) == []


def test_422_for_a_proof_where_none_is_due(witness: Witness, folder: Path) -> None:
    assert witness.add_checkpoint(Submission(0, (bytes(32),), LOG.note(5)).encode()).status == 422
    witness.add_checkpoint(LOG.body(0, 20))
    assert witness.add_checkpoint(Submission(20, (bytes(32),), LOG.note(20)).encode()).status == 422


# -- what is stored


def test_signatures_of_unknown_keys_are_ignored_and_never_stored(witness: Witness, folder: Path) -> None:
    others = [Signer(f"stranger.example/{n}", log_key(str(n)).seed) for n in range(30)]
    note = LOG.note(20, *others[:15], log_key(), *others[15:])
    assert witness.add_checkpoint(b"old 0\n\n" + note).status == 200
    assert held(folder) == LOG.note(20)


def test_a_second_key_of_a_log_may_sign(witness: Witness, folder: Path) -> None:
    second = log_key("second")
    assert witness.add_checkpoint(LOG.body(0, 5, second)).status == 403
    store = Store(folder / "witness.db")
    store.add_log(ORIGIN, second.verifier)
    assert witness.add_checkpoint(LOG.body(0, 5, second)).status == 200
    assert witness.add_checkpoint(LOG.body(5, 6)).status == 200


def test_two_logs_do_not_touch_each_other(witness: Witness, folder: Path) -> None:
    other = AskingLog("log.example.org/other", b"y")
    store = Store(folder / "witness.db")
    store.add_log(other.origin, log_key(origin=other.origin).verifier)
    assert witness.add_checkpoint(LOG.body(0, 20)).status == 200
    assert witness.add_checkpoint(other.body(0, 7)).status == 200
    assert witness.add_checkpoint(LOG.body(20, 21)).status == 200
    assert witness.add_checkpoint(other.body(7, 8)).status == 200


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_sent_what_is_held_never_shrinks_and_is_always_of_one_tree(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("any") / "witness.db"
    Store.create(path)
    store = Store(path)
    store.add_log(ORIGIN, log_key().verifier)
    witness, last, history = Witness(store, WITNESS, path.parent), 0, LOG
    for _ in range(12):
        log = data.draw(st.sampled_from([LOG, LOG, FORKED]))
        old = data.draw(st.just(last) | st.integers(0, 40))
        new = data.draw(st.integers(0, 40))
        status = witness.add_checkpoint(log.body(old, new)).status
        history = log if last == 0 else history
        good = old == last and old <= new and (log is history or new == 0)
        assert (status == 200) == good
        last = new if good else last
        assert (store.held(ORIGIN) or b"").partition(b"\n\n")[0] == (
            history.note(last).partition(b"\n\n")[0] if store.held(ORIGIN) else b""
        )
    store.close()


# -- atomic and durable


def test_of_many_submissions_at_once_from_one_size_only_one_tree_is_cosigned(
    witness: Witness, folder: Path
) -> None:
    """Two histories race from size 20; a second process on the same file races with them."""
    witness.add_checkpoint(LOG.body(0, 20))
    rival = Witness(Store(folder / "witness.db"), WITNESS, folder)
    bodies = [LOG.body(20, 20 + step) for step in range(1, 21)]
    statuses: list[int] = []
    barrier = threading.Barrier(len(bodies))

    def submit(at: int) -> None:
        barrier.wait()
        statuses.append((witness, rival)[at % 2].add_checkpoint(bodies[at]).status)

    threads = [threading.Thread(target=submit, args=(at,)) for at in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [409] * 19


def test_nothing_is_cosigned_where_nothing_could_be_stored(witness: Witness, folder: Path) -> None:
    witness.add_checkpoint(LOG.body(0, 20))
    blocker = sqlite3.connect(folder / "witness.db", isolation_level=None)
    blocker.execute("CREATE TRIGGER full BEFORE INSERT ON heads BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(sqlite3.Error):
        witness.add_checkpoint(LOG.body(20, 30))
    blocker.execute("DROP TRIGGER full")
    blocker.close()
    assert held(folder) == LOG.note(20)
    assert witness.add_checkpoint(LOG.body(20, 30)).status == 200


def test_a_store_of_the_release_before_serves_monitors_from_the_next_checkpoint_on(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "witness.db", isolation_level=None)) as database:
        database.executescript("DROP TABLE cosigned; PRAGMA user_version = 1;")
    store = Store(folder / "witness.db")
    witness = Witness(store, WITNESS, folder)
    place = sha256(ORIGIN.encode()).hexdigest()
    assert witness.checkpoint(place).status == 404
    assert witness.add_checkpoint(LOG.body(0, 20)).status == 200
    assert witness.checkpoint(place).body.startswith(LOG.note(20))
    store.close()


def test_the_store_syncs_every_commit(folder: Path) -> None:
    store = Store(folder / "witness.db")
    assert store._connection.execute("PRAGMA synchronous").fetchone()[0] == 3  # EXTRA
    assert store._connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
    store.close()


def test_a_store_that_is_not_there_of_another_release_or_made_twice_is_refused(folder: Path) -> None:
    with pytest.raises(StoreError, match="trust witness init"):
        Store(folder / "none.db")
    with pytest.raises(FileExistsError):
        Store.create(folder / "witness.db")
    with sqlite3.connect(folder / "witness.db") as database:
        database.execute("PRAGMA user_version = 9")
    with pytest.raises(StoreError, match="format 9"):
        Store(folder / "witness.db")


def test_keys_and_origins_that_cannot_be_are_refused(folder: Path) -> None:
    store = Store(folder / "witness.db")
    with pytest.raises(StoreError, match="0x01"):
        store.add_log(ORIGIN, WITNESS.verifier)
    for origin in ("", "a\nb", "x" * 2_000):
        with pytest.raises(StoreError, match="origin"):
            store.add_log(origin, log_key().verifier)
    with pytest.raises(StoreError, match="0x04"):
        Witness(store, log_key(), folder)


def test_the_evidence_names_both_notes_as_they_were_signed(witness: Witness, folder: Path) -> None:
    witness.add_checkpoint(LOG.body(0, 3))
    witness.add_checkpoint(FORKED.body(3, 3))
    fork = json.loads(next(folder.glob("fork-*.json")).read_bytes())
    assert [note.encode() for note in fork["notes"]] == [LOG.note(3), FORKED.note(3)]
    for note in fork["notes"]:
        with pytest.raises(NoteError):
            open_note(note.encode(), [log_key("mallory").verifier])
        assert parse_note(note.encode())
