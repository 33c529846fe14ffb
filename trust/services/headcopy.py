"""A second place for the last head that was signed: a path on another disk, or an address that takes PUT and gives GET.

The head file lies beside the database, and both may be brought back together from one old snapshot. The copy is written
behind the log, by a thread of its own: it may lag by a moment, and no write waits for it or fails with it. It is never
put back to a smaller head.
"""

from __future__ import annotations

import threading
from pathlib import Path

import httpx

from trust import journal
from trust.errors import TrustError
from trust.log.checkpoint import Checkpoint, CheckpointError
from trust.log.note import NoteError, parse_note
from trust.services import headfile
from trust.services.liveness import Sign, keep_on
from trust.storage.unit import Head

LOOK_S = 1.0
PATIENCE_MS = 60_000
TIMEOUT_S = 5.0
STOP_S = 5.0
_log = journal.logger("trust.headcopy")


class HeadCopy:
    """The copy at `place`; nothing is done where there is none."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.sign = Sign("head copy", PATIENCE_MS, vital=False)
        self._is_url = place.startswith(("http://", "https://"))
        self._wanted: Head | None = None
        self._known = -1
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="head copy", daemon=True)

    def read(self) -> Checkpoint | None:
        """The checkpoint that is there; None where there is none yet. TrustError where nobody can say."""
        try:
            data = self._get()
            return None if data is None else Checkpoint.parse(parse_note(data)[0])
        except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
            raise TrustError(
                "overloaded", f"the head copy at {self.place}: {journal.plain(error)}"
            ) from error
        except (NoteError, CheckpointError, UnicodeDecodeError) as error:
            raise TrustError("log-frozen", f"what lies at {self.place} is no checkpoint: {error}") from error

    def start(self, head: Head) -> None:
        """Copies this head, and whatever is `taken` from now on."""
        if self.place:
            self.take(head)
            self._thread.start()

    def take(self, head: Head) -> None:
        """Wants this head copied; never waits, never raises."""
        self._wanted = head
        self._changed.set()

    def stop(self) -> None:
        """Ends when the last head is copied, or after a while."""
        self._stopping.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def _run(self) -> None:
        keep_on(self.sign, self._turn, self._stopping.wait)

    def _turn(self) -> bool:
        self._changed.wait(LOOK_S)
        self._changed.clear()
        wanted = self._wanted
        if wanted is not None and wanted.size > self._known:
            try:
                self._copy(wanted)
            except (TrustError, OSError, httpx.HTTPError, httpx.InvalidURL) as error:
                self.sign.fail(error)
                _log.warning("the head is not copied", place=self.place, reason=journal.plain(error))
                self._stopping.wait(LOOK_S)
                return not self._stopping.is_set()
        self.sign.beat()
        return not self._stopping.is_set()

    def _copy(self, head: Head) -> None:
        there = self.read()
        if there is None or there.size < head.size:
            self._put(head.checkpoint)
        self._known = head.size

    def _get(self) -> bytes | None:
        if not self._is_url:
            path = Path(self.place)
            return path.read_bytes() if path.exists() else None
        answer = httpx.get(self.place, timeout=TIMEOUT_S)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return answer.raise_for_status().content

    def _put(self, checkpoint: bytes) -> None:
        if self._is_url:
            httpx.put(
                self.place, content=checkpoint, headers={"content-type": "text/plain"}, timeout=TIMEOUT_S
            ).raise_for_status()
        else:
            headfile.write(Path(self.place), checkpoint)
