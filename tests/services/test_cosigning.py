"""What two of three witnesses cosigned counts, whatever the third does; without two, draws wait and nothing else."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from tests.core.witnesses import LABELS, two_of_three, witness
from tests.services.houses import House
from tests.services.logs import check_log
from tests.services.witnesses import Behave, answering, behaving, honest, honest_ones, witnessed_town
from trust import clock
from trust.errors import TrustError
from trust.log import merkle
from trust.log.checkpoint import Checkpoint
from trust.log.note import parse_note, sign_note
from trust.log.proof import verify_proof
from trust.log.quorum import open_with_quorum, parse_quorum
from trust.log.submission import Submission
from trust.services.cosigning import Cosigning
from trust.services.drawing import Drawing
from trust.services.notifying import Notifier
from trust.services.publishing import newest_receipt, published
from trust.storage.cosigned import CosignedHead, keep, newest
from trust.storage.engine import Database
from trust.storage.reading import reading
from trust.storage.unit import aside

QUORUM = parse_quorum(two_of_three())


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path, witnessed_town()).found()


@pytest.fixture
def sqlite_house(sqlite_template: Path, tmp_path: Path) -> Iterator[House]:
    """The same, on SQLite only: what a witness answers has nothing to do with the database."""
    shutil.copy(sqlite_template, tmp_path / "trust.db")
    database = Database(f"sqlite:///{tmp_path / 'trust.db'}")
    yield House(database, tmp_path, witnessed_town()).found()
    database.close()


@pytest.fixture
def ask(database: Database) -> Iterator[Callable[..., Cosigning]]:
    """Makes rounds at these addresses, in this thread."""
    with ExitStack() as stack:

        def make(*urls: str) -> Cosigning:
            cosigning = Cosigning(database, Notifier(), urls)
            stack.callback(cosigning.close)
            return cosigning

        yield make


Ask = Callable[..., Cosigning]


def shown(house: House) -> tuple[Checkpoint, list[str]]:
    """The published checkpoint, and who cosigned it."""
    with reading(house.database) as reader:
        note = published(reader)
    log = house.town.log.verifier
    checkpoint, lines = open_with_quorum(note, log, QUORUM)
    return checkpoint, sorted(line.name[-2:] for line in lines)


def test_a_checkpoint_that_the_quorum_cosigned_is_shown_and_later_receipts_are_under_it(
    house: House, ask: Ask, tmp_path: Path
) -> None:
    with reading(house.database) as reader, pytest.raises(TrustError) as none_yet:
        published(reader)
    assert none_yet.value.code == "no-quorum"
    with honest_ones(tmp_path, house.town.log.verifier, *LABELS) as urls:
        ask(*urls).round()
    checkpoint, names = shown(house)
    assert names == list(LABELS)
    (posted,) = house.receipts(house.town.post("later"))
    assert b"w1" not in posted.checkpoint
    assert shown(house)[0] == checkpoint
    with reading(house.database) as reader:
        covered, fresh = newest_receipt(reader, 3), newest_receipt(reader, posted.index)
    assert covered is not None
    assert fresh is not None
    assert (covered.checkpoint.count(b"\n\xe2\x80\x94"), fresh.checkpoint.count(b"\n\xe2\x80\x94")) == (4, 1)
    for receipt in (covered, fresh):
        verify_proof(merkle.leaf_hash(receipt.entry), receipt.proof, house.town.log.verifier)


def test_a_quiet_log_is_cosigned_anew_and_lacks_nothing_meanwhile(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = [clock.now_ms()]
    monkeypatch.setattr(clock, "now_ms", lambda: now_ms[0])
    told: list[None] = []
    with honest_ones(tmp_path, house.town.log.verifier, *LABELS) as urls:
        cosigning = Cosigning(
            house.database, Notifier(), urls, on_quorum=lambda: told.append(None), refresh_ms=30_000
        )
        times = []
        for later_ms in (0, 29_000, 31_000, 32_000, 62_000):
            monkeypatch.setattr(clock, "now_ms", lambda at_ms=now_ms[0] + later_ms: at_ms)
            cosigning.round()
            assert cosigning.quorum_state().missing_ms == 0
            with reading(house.database) as reader:
                note = published(reader)
            _, lines = open_with_quorum(note, house.town.log.verifier, QUORUM)
            times.append({line.time_s for line in lines})
        cosigning.close()
    began_s = now_ms[0] // 1_000
    oldest = [min(at_s - began_s for at_s in each if at_s is not None) for each in times]
    assert [age_s // 10 for age_s in oldest] == [0, 0, 3, 3, 6]
    assert len(told) == 1  # draws have nothing to wait for


# -- the third one


def slow(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    time.sleep(3)
    handler.send_error(500)


def dripping(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    for _ in body[:100]:
        handler.wfile.write(b"H")
        handler.wfile.flush()
        time.sleep(0.05)


def endless(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"\xe2\x80\x94 someone AAAA\n" * 1_000)


def dripping_body(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in body[:100]:
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


def signing(change: Callable[[str], str], apart_s: int = 0, label: str = "w3") -> Behave:
    """Signs a changed text, with a clock that is wrong by so much."""

    def behave(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        text = change(parse_note(Submission.parse(body).note)[0])
        line = witness(label, "witness.example.org/w3").sign(text, clock.now_ms() // 1_000 + apart_s)
        answering(200, str(line).encode())(handler, body)

    return behave


def another_origin(text: str) -> str:
    return text.replace("trust.example.org/test", "trust.example.org/best", 1)


def another_root(text: str) -> str:
    origin, size, *_ = text.splitlines()
    return Checkpoint(origin, int(size), b"\7" * 32).body()


BAD: dict[str, tuple[Behave, str]] = {
    "slow": (slow, "slow"),
    "dripping": (dripping, "slow"),
    "dripping body": (dripping_body, "slow"),
    "endless": (endless, "wrong"),
    "empty": (answering(200, b""), "wrong"),
    "nonsense": (answering(200, bytes(range(256))), "wrong"),
    "another origin's line": (signing(another_origin), "wrong"),
    "another root's line": (signing(another_root), "wrong"),
    "an unknown key": (signing(str, label="w9"), "wrong"),
    "a clock ahead": (signing(str, 16), "wrong"),
    "a clock behind": (signing(str, -3_600), "wrong"),
    "a redirect": (answering(307, b"", location="http://127.0.0.1:1/add-checkpoint"), "refused"),
    "an error": (answering(500, b"oh"), "refused"),
    "a 409 without a size": (answering(409, b"what?\n"), "wrong"),
    "a 409 with a size beyond the log": (answering(409, b"999999\n"), "ahead"),
    "a 409 with the size that was sent": (answering(409, b"0\n"), "forked"),
    "a 409 for ever": (answering(409, b"3\n"), "forked"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_third_witness_that_answers_badly_changes_nothing(
    sqlite_house: House, tmp_path: Path, kind: str
) -> None:
    house, (behave, word) = sqlite_house, BAD[kind]
    with (
        honest_ones(tmp_path, house.town.log.verifier, "w1", "w2") as urls,
        behaving(behave) as bad,
    ):
        cosigning = Cosigning(house.database, Notifier(), (*urls, bad))
        began_ms = clock.monotonic_ms()
        cosigning.round()
        assert clock.monotonic_ms() - began_ms < 2_500
        cosigning.close()
    checkpoint, names = shown(house)
    with reading(house.database) as reader:
        assert (checkpoint.size, checkpoint.root) == (reader.head().size, reader.head().root)
    assert names == ["w1", "w2"]
    standing = cosigning.quorum_state()
    assert [each.state for each in standing.witnesses] == ["cosigned", "cosigned", word]
    assert standing.missing_ms == 0
    assert standing.witnesses[2].reason.isascii()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://example.org", "http://[", "", "http://a b"])
def test_an_address_where_nobody_listens_or_that_is_none_changes_nothing(
    house: House, ask: Ask, tmp_path: Path, url: str
) -> None:
    with honest_ones(tmp_path, house.town.log.verifier, "w1", "w2") as urls:
        cosigning = ask(*urls, url)
        cosigning.round()
    assert shown(house)[1] == ["w1", "w2"]
    assert cosigning.quorum_state().witnesses[2].state == "unreachable"


def test_one_witness_that_answers_for_itself_twice_is_still_one(
    house: House, ask: Ask, tmp_path: Path
) -> None:
    with honest(tmp_path, "w1", house.town.log.verifier) as url:
        cosigning = ask(url, url + "/", f"{url}/add-checkpoint/..")
        cosigning.round()
    with reading(house.database) as reader, pytest.raises(TrustError):
        published(reader)
    assert cosigning.quorum_state().missing_ms >= 0


# -- sizes


def test_after_a_restart_a_witness_says_itself_how_much_it_saw(
    house: House, ask: Ask, tmp_path: Path
) -> None:
    with honest_ones(tmp_path, house.town.log.verifier, *LABELS) as urls:
        ask(*urls).round()
        house.receipts(house.town.post("one"))
        before = shown(house)[0].size
        ask(*urls).round()
        assert shown(house) == (_head(house), list(LABELS))
    assert _head(house).size == before + 1


def test_who_missed_many_checkpoints_is_brought_up_to_the_newest(
    house: House, ask: Ask, tmp_path: Path
) -> None:
    log = house.town.log.verifier
    with honest_ones(tmp_path, log, "w1", "w2") as urls:
        cosigning = ask(*urls)
        for number in range(3):
            house.receipts(house.town.post(f"task-{number}"))
            cosigning.round()
        with honest(tmp_path, "w3", log) as late:
            house.receipts(house.town.post("last"))
            ask(*urls, late).round()
    assert shown(house)[1] == list(LABELS)


def _head(house: House) -> Checkpoint:
    with reading(house.database) as reader:
        return Checkpoint.parse(parse_note(reader.head().checkpoint)[0])


# -- a missing quorum


def test_without_a_quorum_the_log_goes_on_and_shows_what_was_cosigned_last(
    house: House, ask: Ask, tmp_path: Path
) -> None:
    log = house.town.log.verifier
    with honest(tmp_path, "w1", log) as first:
        with honest(tmp_path, "w2", log) as second:
            port = int(second.rpartition(":")[2])
            cosigning = ask(first, second)
            cosigning.round()
        checkpoint, _ = shown(house)
        house.receipts(house.town.post("while-it-is-gone"))
        cosigning.round()
        time.sleep(0.02)
        assert shown(house)[0] == checkpoint
        assert cosigning.quorum_state().missing_ms >= 20
        with honest(tmp_path, "w2", log, port):
            cosigning.round()
    assert shown(house)[0] == _head(house)
    assert cosigning.quorum_state().missing_ms == 0


def test_cosignatures_on_one_head_are_collected_over_several_rounds(
    house: House, ask: Ask, tmp_path: Path
) -> None:
    log = house.town.log.verifier
    with honest(tmp_path, "w1", log) as first:
        port = int(first.rpartition(":")[2])
        cosigning = ask(first, "http://127.0.0.1:1")
        cosigning.round()
    with honest(tmp_path, "w2", log, port):
        cosigning.round()
    assert shown(house)[1] == ["w1", "w2"]


def test_draws_wait_for_the_quorum_and_are_made_when_it_is_back(
    house: House, ask: Ask, tmp_path: Path
) -> None:
    (worker, _) = house.town.workers
    log = house.town.log.verifier
    draws = Drawing(house.database, house.sequencer, [house.town.draw.seed])
    with honest_ones(tmp_path, log, "w1", "w2") as urls:
        cosigning = ask(*urls)
        cosigning.round()
        house.receipts(house.town.output(house.claimed("a-task", worker), worker))
        house.sequencer.start()
        assert draws.run() == 0
        cosigning.round()
        assert draws.run() == 1
    house.sequencer.stop()
    with reading(house.database) as reader:
        assert reader.awaiting_draw() == []
    assert check_log(house.database, log) is not None


# -- where they are asked, and by how many


def test_without_a_setting_the_policys_own_addresses_are_asked(
    database: Database, tmp_path: Path, ask: Ask
) -> None:
    town = witnessed_town()
    with honest_ones(tmp_path, town.log.verifier, *LABELS) as urls:
        lines = two_of_three()
        named = [f"{line} {url}" for line, url in zip(lines, urls, strict=False)]
        house = House(database, tmp_path, witnessed_town([*named, *lines[3:]])).found()
        ask().round()
    assert shown(house)[1] == list(LABELS)


def test_of_what_replicas_keep_the_largest_stays(house: House) -> None:
    heads = [CosignedHead(0, size, 5, b"%d" % size) for size in (7, 9, 8)]
    for head in heads:
        with aside(house.database) as connection:
            keep(connection, head)
    with reading(house.database) as reader:
        assert newest(reader.connection, 0) == heads[1]
        assert newest(reader.connection, 1) is None


def test_two_replicas_that_ask_at_once_disturb_nobody(house: House, ask: Ask, tmp_path: Path) -> None:
    with honest_ones(tmp_path, house.town.log.verifier, *LABELS) as urls:
        replicas = [Cosigning(house.database, Notifier(), urls) for _ in range(2)]

        def rounds(replica: Cosigning) -> None:
            for _ in range(5):
                replica.round()
            replica.close()

        threads = [threading.Thread(target=rounds, args=(replica,)) for replica in replicas]
        for thread in threads:
            thread.start()
        for number in range(5):
            house.receipts(house.town.post(f"task-{number}"))
            time.sleep(0.03)
        for thread in threads:
            thread.join()
        ask(*urls).round()
    checkpoint, names = shown(house)
    assert checkpoint == _head(house)
    assert len(names) >= 2


def test_a_forked_log_gets_no_cosignature_and_shows_no_checkpoint(
    database: Database, tmp_path: Path, ask: Ask
) -> None:
    log = witnessed_town().log
    with honest_ones(tmp_path, log.verifier, *LABELS) as urls:
        for label in LABELS:
            note = sign_note(Checkpoint(log.name, 1, b"\5" * 32).body(), log)
            body = Submission(0, (), note).encode()
            answer = _posted(f"{urls[LABELS.index(label)]}/add-checkpoint", body)
            assert answer == 200
        House(database, tmp_path, witnessed_town()).found()
        cosigning = ask(*urls)
        cosigning.round()
    assert {each.state for each in cosigning.quorum_state().witnesses} == {"refused"}
    with reading(database) as reader, pytest.raises(TrustError):
        published(reader)


def _posted(url: str, body: bytes) -> int:
    return httpx.post(url, content=body).status_code


def test_claims_are_held_while_no_draw_could_be_made_in_time_and_taken_again_with_the_quorum(
    house: House, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise who is a witness has the operator's bond burned, claim by claim, by keeping silent."""
    now_ms = [clock.monotonic_ms()]
    monkeypatch.setattr(clock, "monotonic_ms", lambda: now_ms[0])
    cosigning = ask("http://127.0.0.1:9")
    assert not cosigning.holds_claims()
    cosigning.round()
    draw_ms = house.town.policy.windows.draw_ms
    now_ms[0] += draw_ms // 4
    assert not cosigning.holds_claims()
    now_ms[0] += 1
    assert cosigning.holds_claims()
    with honest_ones(tmp_path, house.town.log.verifier, *LABELS) as urls:
        cosigning._urls = tuple(urls)
        cosigning.round()
    assert not cosigning.holds_claims()
