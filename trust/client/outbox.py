"""Statements that were sent and are not known to be decided: on disk before they go out, so a later run sends them.

A statement whose answer was lost may be on the log. Saying the same in new words would do it twice, as with money that
came in under a reference made up for it; the same bytes count once, and their repetition gets the first receipt. A file
stays until the service has decided, and until whoever asked has what it asked for. It is locked by the process that
is at it, so that two who mean two payments make two.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from trust.client.problems import ServiceError
from trust.client.statements import opened
from trust.errors import CODES, RETRY_STATUSES, ClientError, TrustError

T = TypeVar("T")
_OF_THE_MOMENT = ("issued_ms", "expires_ms")
_FROM_NOW = ("deadline_ms", "effective_ms")
"""Times that a command reckons from now on, where a person has typed how long."""
EXPIRED = "expired"


@dataclass(slots=True)
class Kept:
    """A statement on disk, locked by this process; `is_old` where an earlier run sent it."""

    path: Path
    handle: int
    envelope: bytes
    is_old: bool
    is_decided: bool = False

    def drop(self) -> None:
        """Forgets it, and lets it go; once it was let go it may be another's."""
        if self.handle >= 0:
            self.path.unlink(missing_ok=True)
            self.release()

    def release(self) -> None:
        """Lets it go; it stays on disk."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


class Outbox:
    """The statements of one party in the directory `folder`, which is there only while one of them is undecided.

    `within` are the durations that a person typed where a statement holds the times that follow from them: the same
    ones again mean the same statement, although the times are others by then.
    """

    def __init__(self, folder: Path, within: str = "") -> None:
        self.folder = folder
        self.resent = False
        self._within = within
        self._held: list[Kept] = []

    def said_before(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The payload of a statement of this kind with these fields that nobody is at now; {} without one."""
        for kept in self._unheld(kind, fields):
            kept.release()
            return _payload(kept.envelope)
        return {}

    def forget(self, kind: str, **fields: Any) -> None:
        """Drops such statements: what became of them is known otherwise."""
        for kept in self._unheld(kind, fields):
            kept.drop()

    def _unheld(self, kind: str, fields: dict[str, Any]) -> Iterator[Kept]:
        for path in sorted(self.folder.glob("*.json")):
            if (handle := _locked(path)) is None:
                continue
            kept = Kept(path, handle, os.pread(handle, os.fstat(handle).st_size, 0), is_old=True)
            payload = _payload(kept.envelope)
            if payload.get("kind") == kind and fields.items() <= payload.items():
                yield kept
            kept.release()

    def sending(
        self, envelope: bytes, send: Callable[[bytes], Generator[Any, Any, T]]
    ) -> Generator[Any, Any, T]:
        """Sends the statement on disk that says the same, else this one, which is kept first; returns the result."""
        kept = self._keep(envelope)
        try:
            done = yield from send(kept.envelope)
        except TrustError as error:
            kept.is_decided = is_decided(error)
            if error.code != EXPIRED or not kept.is_old:
                raise
        else:
            return done
        kept.drop()  # it was never accepted, and cannot be any more
        return (yield from self.sending(envelope, send))

    def keep(self, envelopes: list[bytes]) -> list[Kept]:
        """Keeps statements that go out together; the caller says of each whether it was decided."""
        return [self._keep(envelope) for envelope in envelopes]

    def settle(self, *, is_good: bool) -> None:
        """Forgets what was decided; where the caller failed after that, what was accepted stays for the next run."""
        for kept in self._held:
            kept.drop() if is_good or kept.is_decided else kept.release()
        self._held.clear()
        with contextlib.suppress(OSError):  # it is not empty, or not there
            self._sweep()
            self.folder.rmdir()

    def _sweep(self) -> None:
        """Drops files that nothing was written into: what they were made for never went out."""
        for path in self.folder.glob("*.json"):
            handle = None if path.stat().st_size else _locked(path)
            if handle is not None:
                is_empty = not os.fstat(handle).st_size
                kept = Kept(path, handle, b"", is_old=True)
                kept.drop() if is_empty else kept.release()

    def _keep(self, envelope: bytes) -> Kept:
        name = self._name(envelope)
        for number in range(1_000):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self.folder / f"{name}-{number}.json"
            handle = _locked(path, create=True)
            if handle is not None:
                break
        else:
            raise ClientError("overloaded", f"a thousand processes send the same from {self.folder}")
        before = os.pread(handle, os.fstat(handle).st_size, 0)
        is_old = bool(_payload(before))
        kept = Kept(path, handle, before if is_old else envelope, is_old)
        self._held.append(kept)
        self.resent |= is_old
        if not is_old:
            try:
                _write(handle, envelope, self.folder)
            except OSError:  # it never went out
                self._held.remove(kept)
                kept.drop()
                raise
        return kept

    def _name(self, envelope: bytes) -> str:
        payload = _payload(envelope)
        left_out = _OF_THE_MOMENT + (_FROM_NOW if self._within else ())
        same = {name: value for name, value in payload.items() if name not in left_out}
        text = json.dumps([self._within, same], sort_keys=True, separators=(",", ":"))
        return f"{payload['kind']}-{sha256(text.encode()).hexdigest()[:32]}"


def is_decided(error: TrustError) -> bool:
    """Returns whether an answer says what became of a statement: the service's own word, other than that it is busy."""
    if not isinstance(error, ServiceError) or error.status in RETRY_STATUSES or error.status >= 500:
        return False
    return error.code in CODES or "refusal" in error.extra


def _payload(envelope: bytes) -> dict[str, Any]:
    """Returns the payload of an envelope; {} where it is none, or not all of it was written."""
    try:
        payload: dict[str, Any] = msgspec.json.decode(opened(envelope).signed.payload)
    except (ClientError, msgspec.MsgspecError):
        return {}
    return payload


def _locked(path: Path, *, create: bool = False) -> int | None:
    """A handle of the file that holds its lock; None where another process has it, or it went meanwhile."""
    try:
        handle = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_nlink:
            return handle
    except BlockingIOError:
        pass
    except OSError:
        os.close(handle)
        raise
    os.close(handle)
    return None


def _write(handle: int, data: bytes, folder: Path) -> None:
    os.ftruncate(handle, 0)
    if os.pwrite(handle, data, 0) != len(data):
        raise OSError(28, "no space left on the device", str(folder))
    os.fsync(handle)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
