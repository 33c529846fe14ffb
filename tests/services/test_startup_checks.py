"""Two databases never go on with one log: whoever knows how far it went is asked before the first signature."""

from __future__ import annotations

import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.core.witnesses import two_of_three
from tests.services.houses import House
from tests.services.witnesses import honest_ones, witnessed_town
from trust import clock
from trust.errors import TrustError
from trust.services import startup_checks
from trust.services.cosigning import Cosigning
from trust.services.headcopy import HeadCopy
from trust.services.notifying import Notifier
from trust.services.startup_checks import Word
from trust.storage.engine import Database
from trust.storage.reading import reading
from trust.storage.unit import Head

TAKE_OVER = Word(take_over=True)


@pytest.fixture
def town_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Witnesses and the clock that asks them go by the machine's time; what they are heard of is not kept."""
    monkeypatch.setattr(clock.process, "note_other", lambda *_: None)


@pytest.fixture
def sqlite_house(sqlite_template: Path, tmp_path: Path) -> House:
    (tmp_path / "living").mkdir()
    return _founded(sqlite_template, tmp_path / "living")


def _founded(template: Path, directory: Path, *, witnessed: bool = False) -> House:
    shutil.copy(template, directory / "trust.db")
    database = Database(f"sqlite:///{directory / 'trust.db'}")
    return House(database, directory, witnessed_town() if witnessed else None).found()


def copied(house: House, directory: Path) -> House:
    """The same log in another directory, as a file system copies it."""
    directory.mkdir()
    house.database.close()
    for path in house.head_file.parent.iterdir():
        if path.is_file():
            shutil.copy(path, directory / path.name)
    return House(Database(f"sqlite:///{directory / 'trust.db'}"), directory, house.town)


def check(house: House, word: Word = Word(), place: str = "", urls: tuple[str, ...] = ()) -> tuple[str, ...]:  # noqa: B008
    cosigning = Cosigning(house.database, Notifier(), urls)
    return startup_checks.check(house.database, house.head_file.parent, HeadCopy(place), cosigning, word)


def head_of(house: House) -> Head:
    with reading(house.database) as reader:
        return reader.head()


def test_a_log_without_its_head_file_starts_only_by_the_operators_word(sqlite_house: House) -> None:
    sqlite_house.head_file.unlink()
    again = House(sqlite_house.database, sqlite_house.head_file.parent, sqlite_house.town)
    with pytest.raises(TrustError, match="is not there") as refused:
        again.sequencer.open()
    assert refused.value.code == "log-frozen"
    assert "--take-over" in str(refused.value.hint)
    assert not sqlite_house.head_file.exists()
    taken = House(sqlite_house.database, sqlite_house.head_file.parent, sqlite_house.town, take_over=True)
    taken.sequencer.open()
    assert sqlite_house.head_file.read_bytes() == head_of(sqlite_house).checkpoint
    again.sequencer.open()


def test_a_head_file_that_is_damaged_is_not_taken_for_none(sqlite_house: House) -> None:
    for data in (b"", b"\xff\xfe", b"half of a check"):
        sqlite_house.head_file.write_bytes(data)
        with pytest.raises(TrustError, match="is damaged"):
            sqlite_house.sequencer.open()


def test_a_copy_says_that_it_is_one_and_starts_only_by_the_operators_word(
    sqlite_house: House, tmp_path: Path
) -> None:
    copy = copied(sqlite_house, tmp_path / "copy")
    startup_checks.mark_copy(tmp_path / "copy", head_of(copy).size, tmp_path / "living")
    with pytest.raises(TrustError, match=r"is a copy of .*living, made when the log had") as refused:
        check(copy)
    assert refused.value.code == "log-frozen"
    assert check(copy, TAKE_OVER) == ()
    startup_checks.taken_over(tmp_path / "copy")
    assert check(copy) == ()


def test_a_checkpoint_that_the_operator_brings_shows_that_the_log_went_on(
    sqlite_house: House, tmp_path: Path
) -> None:
    copy = copied(sqlite_house, tmp_path / "copy")
    seen = tmp_path / "seen"
    seen.write_bytes(head_of(sqlite_house).checkpoint)
    assert check(copy, Word(take_over=True, seen=[seen])) == ()
    (receipt,) = sqlite_house.receipts(sqlite_house.town.post("after-the-copy"))
    seen.write_bytes(receipt.checkpoint)
    with pytest.raises(TrustError, match="were signed"):
        check(copy, Word(take_over=True, seen=[seen]))


def test_the_second_place_of_the_head_refuses_a_directory_that_came_back_with_its_head_file(
    sqlite_house: House, tmp_path: Path
) -> None:
    copy, place = copied(sqlite_house, tmp_path / "copy"), str(tmp_path / "elsewhere")
    second = HeadCopy(place)
    second.start(head_of(sqlite_house))
    sqlite_house.receipts(sqlite_house.town.post("after-the-copy"))
    second.take(head_of(sqlite_house))
    second.stop()
    assert Path(place).read_bytes() == head_of(sqlite_house).checkpoint
    assert check(sqlite_house, place=place) == ()
    with pytest.raises(TrustError, match="elsewhere says that"):
        check(copy, TAKE_OVER, place)


def test_a_second_place_is_never_put_back_and_one_that_fails_fails_nothing(
    sqlite_house: House, tmp_path: Path
) -> None:
    earlier = head_of(sqlite_house)
    sqlite_house.receipts(sqlite_house.town.post("more"))
    place = tmp_path / "elsewhere"
    place.write_bytes(head_of(sqlite_house).checkpoint)
    second = HeadCopy(str(place))
    second.start(earlier)
    second.stop()
    assert place.read_bytes() == head_of(sqlite_house).checkpoint
    broken = HeadCopy(str(tmp_path / "no such directory" / "head"))
    broken.start(earlier)
    broken.take(earlier)
    broken.stop()
    assert broken.sign.shown().wrong


@pytest.mark.usefixtures("town_ms")
def test_witnesses_that_saw_the_log_go_on_refuse_a_copy_whatever_the_word(
    sqlite_template: Path, tmp_path: Path
) -> None:
    (tmp_path / "living").mkdir()
    house = _founded(sqlite_template, tmp_path / "living", witnessed=True)
    copy = copied(house, tmp_path / "copy")
    labels = [line.split()[1] for line in two_of_three() if line.startswith("witness")]
    with honest_ones(tmp_path, house.town.log.verifier, *labels) as urls:
        assert check(copy, TAKE_OVER, urls=tuple(urls)) == ()
        house.receipts(house.town.post("after-the-copy"))
        assert check(house, urls=tuple(urls)) == ()
        for word in (Word(), TAKE_OVER):
            with pytest.raises(TrustError, match="went on elsewhere") as refused:
                check(copy, word, urls=tuple(urls))
            assert refused.value.code == "log-frozen"
    gone = tuple(urls)
    assert "no witness answered" in check(house, urls=gone)[0]
    with pytest.raises(TrustError, match="no witness could be asked"):
        check(house, TAKE_OVER, urls=gone)


def test_the_second_place_may_be_an_address(sqlite_house: House) -> None:
    kept: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200 if self.path in kept else 404, kept.get(self.path, b""))

        def do_PUT(self) -> None:
            kept[self.path] = self.rfile.read(int(self.headers["content-length"]))
            self._answer(204, b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        place = f"http://127.0.0.1:{server.server_address[1]}/head"
        assert HeadCopy(place).read() is None
        second = HeadCopy(place)
        second.start(head_of(sqlite_house))
        second.stop()
        assert kept == {"/head": head_of(sqlite_house).checkpoint}
        assert check(sqlite_house, place=place) == ()
        server.shutdown()
    with pytest.raises(TrustError, match="overloaded: the head copy at http"):
        check(sqlite_house, place=place)
    assert check(sqlite_house, TAKE_OVER, place) == ()
