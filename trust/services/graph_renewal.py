"""The newest graph pass of a process, made again as its log grows (docs/reputation.md 3)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from trust import clock
from trust.storage.engine import Database
from trust.storage.reading import reading

if TYPE_CHECKING:
    from trust.services.graph import Pass, Ratings

REST = 20
"""A pass is made again when the log has grown and this many times as long went by as the last one took."""


class Graph:
    """The last pass of this process, renewed by a job; a read finds what is there and never waits."""

    def __init__(self) -> None:
        self.latest: Pass | None = None
        self._ratings: Ratings | None = None
        self._rest_until_ms = 0
        self._turn = threading.Lock()

    def renew(self, database: Database) -> None:
        """Makes a pass as of the head, where the log has grown and the last pass has been rested from."""
        begun_ms = clock.monotonic_ms()
        if begun_ms < self._rest_until_ms:
            return
        from trust.services import graph  # numpy: a tenth of a service's start

        with self._turn:
            self._ratings = self._ratings or graph.Ratings()
            with reading(database) as reader:
                size = reader.head().size
                if size <= (self.latest.size if self.latest else 0):
                    return
                known = graph.known_of(reader, self._ratings, size)
            self.latest = graph.graph_pass(known)
        ended_ms = clock.monotonic_ms()
        self._rest_until_ms = ended_ms + REST * (ended_ms - begun_ms)
