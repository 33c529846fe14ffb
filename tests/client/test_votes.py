"""A verifier's memory: on disk before anything is said, never replaced, for one process at a time."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.factories import NETWORK, did
from trust.client.votes import Vote, VoteBook
from trust.core.payloads import JudgedItem
from trust.errors import ClientError


def _vote(seat: str = "seat_a", verdict: str = "pass") -> Vote:
    item = JudgedItem(index=3, leaf="AA==", good=True)
    return Vote(seat, verdict, "c2FsdA==", (item,), "01" * 32, '{"payloadType":"x"}')


def test_a_vote_that_was_kept_is_there_for_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "bob.votes"
    first = VoteBook(path, NETWORK, did(0))
    assert first.get("seat_a") is None
    first.keep(_vote())
    first.close()
    second = VoteBook(path, NETWORK, did(0))
    assert second.get("seat_a") == _vote()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_seat_has_one_vote_for_good(tmp_path: Path) -> None:
    book = VoteBook(tmp_path / "votes", NETWORK, did(0))
    book.keep(_vote(verdict="pass"))
    assert book.keep(_vote(verdict="fail")).verdict == "pass"
    book.forget("seat_a")
    book.forget("seat_b")
    assert book.get("seat_a") is None


def test_two_processes_do_not_vote_from_one_file(tmp_path: Path) -> None:
    first = VoteBook(tmp_path / "votes", NETWORK, did(0))
    with pytest.raises(ClientError, match="votes-in-use"):
        VoteBook(tmp_path / "votes", NETWORK, did(0))
    first.close()
    VoteBook(tmp_path / "votes", NETWORK, did(0)).close()


@pytest.mark.parametrize("text", ["", "{", '{"v":1}', "\x00"])
def test_a_file_that_cannot_be_read_is_never_written_over(tmp_path: Path, text: str) -> None:
    path = tmp_path / "votes"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ClientError, match="votes-unreadable"):
        VoteBook(path, NETWORK, did(0))
    assert path.read_text(encoding="utf-8") == text


def test_the_votes_of_another_verifier_or_network_are_refused(tmp_path: Path) -> None:
    book = VoteBook(tmp_path / "votes", NETWORK, did(0))
    book.keep(_vote())
    book.close()
    for network, verifier in ((NETWORK, did(1)), ("elsewhere.example/log", did(0))):
        with pytest.raises(ClientError, match="votes-of-another"):
            VoteBook(tmp_path / "votes", network, verifier)


def test_a_write_that_fails_leaves_the_votes_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = VoteBook(tmp_path / "votes", NETWORK, did(0))
    book.keep(_vote("seat_a"))

    def full(handle: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        book.keep(_vote("seat_b"))
    assert book.get("seat_b") is None
    monkeypatch.undo()
    book.close()
    assert VoteBook(tmp_path / "votes", NETWORK, did(0)).get("seat_a") is not None
