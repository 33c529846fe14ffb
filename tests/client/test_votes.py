"""A verifier's memory: on disk before anything is said, never replaced, for one process at a time."""

from __future__ import annotations

import os
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
    second = VoteBook(path, NETWORK, did(0))
    assert second.get("seat_a") == _vote()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_seat_has_one_vote_for_good(tmp_path: Path) -> None:
    book = VoteBook(tmp_path / "votes", NETWORK, did(0))
    book.keep(_vote(verdict="pass"))
    assert book.keep(_vote(verdict="fail")).verdict == "pass"
    book.forget("seat_b")
    assert book.get("seat_b") is None


def test_of_two_copies_of_a_process_the_first_vote_wins_and_both_say_it(tmp_path: Path) -> None:
    book = VoteBook(tmp_path / "votes", NETWORK, did(0))
    ready, go = os.pipe()
    children = []
    for verdict in ("pass", "fail", "pass", "fail"):
        child = os.fork()
        if child == 0:
            os.close(go)
            os.read(ready, 1)
            kept = [book.keep(_vote(f"seat_{n}", verdict)).verdict for n in range(20)]
            (tmp_path / f"said-{os.getpid()}").write_text(",".join(kept), encoding="utf-8")
            os._exit(0)
        children.append(child)
    os.close(go)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    os.close(ready)
    said = {path.read_text(encoding="utf-8") for path in tmp_path.glob("said-*")}
    held = [book.get(f"seat_{n}") for n in range(20)]
    assert said == {",".join(vote.verdict for vote in held if vote)}
    assert None not in held


def test_a_seat_that_was_revealed_is_never_voted_on_again(tmp_path: Path) -> None:
    book = VoteBook(tmp_path / "votes", NETWORK, did(0))
    book.keep(_vote())
    book.forget("seat_a")
    other = VoteBook(tmp_path / "votes", NETWORK, did(0))
    with pytest.raises(ClientError, match="already-revealed"):
        other.get("seat_a")
    with pytest.raises(ClientError, match="already-revealed"):
        other.keep(_vote(verdict="fail"))


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
    assert VoteBook(tmp_path / "votes", NETWORK, did(0)).get("seat_a") is not None
