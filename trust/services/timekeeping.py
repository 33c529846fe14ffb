"""How this process comes to believe its clock: what the one before left behind, and what other clocks say.

The file holds one line of JSON: the machine's boot, the time elapsed since, and the wall clock then. It only counts
until the machine starts anew. A database on another machine has a clock of its own; witnesses are heard by whoever asks
them (`cosigning.py`).
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from sqlalchemy.engine import make_url

from trust import clock
from trust.clock import Clock, Memory
from trust.storage.engine import Database
from trust.storage.holdings import clock_skew_ms
from trust.storage.reading import reading

CLOCK_FILE = "clock"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_HERE = frozenset({"", "localhost", "127.0.0.1", "::1"})


class Timekeeping:
    """Keeps the clock of this process; `accept` is the operator's word that it is right at the start."""

    def __init__(
        self, path: Path, database: Database, *, accept: bool = False, of: Clock | None = None
    ) -> None:
        self._path = path
        self._database = database
        self._accept = accept
        self._clock = of or clock.process
        self._boot = _boot()

    def start(self) -> None:
        """Goes on from what the process before left behind, and hears the database."""
        self._clock.resume(_read(self._path), self._boot)
        if self._accept:
            self._clock.accept()
        self._hear()

    def keep(self) -> None:
        """Hears the database again, and leaves behind what the next process should know; OSError where it cannot."""
        self._hear()
        memory = self._clock.memory(self._boot) if self._boot else None
        if memory is not None:
            fresh = self._path.with_name(f"{self._path.name}.new")
            fresh.write_bytes(msgspec.json.encode(memory))
            fresh.replace(self._path)

    def _hear(self) -> None:
        host = make_url(self._database.url).host or ""
        if host in _HERE or host.startswith("/"):
            return  # the same clock as ours
        with reading(self._database) as reader:
            now_ms = self._clock.now_ms()
            self._clock.note_other("the database", now_ms - clock_skew_ms(reader.connection, now_ms))


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _read(path: Path) -> Memory | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Memory)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
