"""A verifier's memory: what it has decided to vote, on disk before the service hears of it.

A commitment is for good, and its salt is in no place but here: a verifier that forgot it cannot reveal, which costs
what a wrong vote costs. So a vote is written, flushed to the disk and renamed into place first, and a vote that is
there is never replaced. One process at a time holds the file.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec

from trust.core.payloads import JudgedItem
from trust.errors import ClientError


class Vote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One seat's vote. `salt` is base64 of 32 bytes, `envelope` the `vote.commit` as it was first sent."""

    seat: str
    verdict: str
    salt: str
    items: tuple[JudgedItem, ...]
    commitment: str
    envelope: str


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: int
    network: str
    verifier: str
    votes: dict[str, Vote]


class VoteBook:
    """The votes of one verifier in one network, in the file `path` (mode 0600). Close it to let another process in."""

    def __init__(self, path: Path, network: str, verifier: str) -> None:
        self.path = path
        self._lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._take()
            self._kept = self._read(network, verifier)
        except BaseException:
            self.close()
            raise

    def _take(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ClientError(
                "votes-in-use", f"another process votes from {self.path}", hint="one process a verifier"
            ) from error

    def _read(self, network: str, verifier: str) -> _Kept:
        if not self.path.exists():
            return _Kept(1, network, verifier, {})
        try:
            kept = msgspec.json.decode(self.path.read_bytes(), type=_Kept)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ClientError(
                "votes-unreadable", f"{self.path}: {error}", hint="restore it: salts are in it"
            ) from error
        if (kept.v, kept.network, kept.verifier) != (1, network, verifier):
            raise ClientError(
                "votes-of-another", f"{self.path} has the votes of {kept.verifier} in {kept.network}"
            )
        return kept

    def close(self) -> None:
        """Lets the file go."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def get(self, seat: str) -> Vote | None:
        """What was decided for a seat."""
        return self._kept.votes.get(seat)

    def keep(self, vote: Vote) -> Vote:
        """Writes a vote down, durably, and returns it; where the seat has one already, that one."""
        kept = self._kept.votes.get(vote.seat)
        if kept is None:
            self._write(self._kept.votes | {vote.seat: vote})
        return kept or vote

    def forget(self, seat: str) -> None:
        """Drops the vote of a seat that is revealed."""
        if seat in self._kept.votes:
            self._write({name: vote for name, vote in self._kept.votes.items() if name != seat})

    def _write(self, votes: dict[str, Vote]) -> None:
        kept = msgspec.structs.replace(self._kept, votes=votes)
        fresh = self.path.with_name(self.path.name + ".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(kept))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        self._kept = kept
