"""A verifier's memory: what it has decided to vote, on disk before the service hears of it.

A commitment is for good, and its salt is in no place but here: a verifier that forgot it cannot reveal, which costs
what a wrong vote costs. So a vote is written, flushed to the disk and renamed into place first, and a vote that is
there is never replaced: the file is written anew under a lock, after it was read under the same lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from trust.core.payloads import JudgedItem
from trust.errors import ClientError
from trust.files import PRIVATE, write_whole

REMEMBERED = 10_000
"""Seats that are known as revealed; their windows are long over when they are forgotten."""


class Vote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One seat's vote. `salt` is base64 of 32 bytes, `envelope` the `vote.commit` as it was first sent."""

    seat: str
    verdict: str
    salt: str
    items: tuple[JudgedItem, ...]
    commitment: str
    envelope: str


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    v: int
    network: str
    verifier: str
    votes: dict[str, Vote]
    revealed: tuple[str, ...] = ()


class VoteBook:
    """The votes of one verifier in one network, in the file `path` (mode 0600).

    Nothing is remembered between calls: each one reads the file under a lock of its own. So processes may share the
    file, also copies of one process, and what one of them wrote down first is what all of them say.
    """

    def __init__(self, path: Path, network: str, verifier: str) -> None:
        self.path = path
        self._network, self._verifier = network, verifier
        with self._locked():
            self._read()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The file is nobody else's meanwhile. An inherited lock would be both copies', so it is opened anew."""
        handle = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _read(self) -> _Kept:
        if not self.path.exists():
            return _Kept(1, self._network, self._verifier, {})
        try:
            kept = msgspec.json.decode(self.path.read_bytes(), type=_Kept)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ClientError(
                "votes-unreadable", f"{self.path}: {error}", hint="restore it: salts are in it"
            ) from error
        if (kept.v, kept.network, kept.verifier) != (1, self._network, self._verifier):
            raise ClientError(
                "votes-of-another", f"{self.path} has the votes of {kept.verifier} in {kept.network}"
            )
        return kept

    def get(self, seat: str) -> Vote | None:
        """Returns the vote that was decided for a seat; `ClientError` already-revealed where it is forgotten by now."""
        with self._locked():
            kept = self._read()
        self._check_open(kept, seat)
        return kept.votes.get(seat)

    def keep(self, vote: Vote) -> Vote:
        """Writes a vote down, durably, and returns it; where the seat has one already, that one."""
        with self._locked():
            kept = self._read()
            self._check_open(kept, vote.seat)
            before = kept.votes.get(vote.seat)
            if before is None:
                self._write(msgspec.structs.replace(kept, votes=kept.votes | {vote.seat: vote}))
        return before or vote

    def forget(self, seat: str) -> None:
        """Drops the vote of a seat that is revealed; that it was stays known, so that nobody votes there again."""
        with self._locked():
            kept = self._read()
            if seat in kept.votes:
                votes = {name: vote for name, vote in kept.votes.items() if name != seat}
                revealed = (*kept.revealed, seat)[-REMEMBERED:]
                self._write(msgspec.structs.replace(kept, votes=votes, revealed=revealed))

    @staticmethod
    def _check_open(kept: _Kept, seat: str) -> None:
        if seat in kept.revealed:
            raise ClientError("already-revealed", f"the vote of {seat} was revealed", status=409)

    def _write(self, kept: _Kept) -> None:
        write_whole(self.path, msgspec.json.encode(kept), PRIVATE)
