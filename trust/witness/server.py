"""The witness over HTTP: what logs submit, and what monitors read."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import cast

from trust import journal, listening
from trust.listening import IDLE_MS, REQUEST_MS, Answer
from trust.log.submission import MAX_BODY_BYTES
from trust.witness.store import StoreError
from trust.witness.witness import Witness

PATH = "/add-checkpoint"
_MONITORED = re.compile(r"/([0-9a-f]{64})/checkpoint")
_log = journal.logger("trust.witness")


class _Handler(listening.Handler):
    server_version = "trust-witness"
    max_bytes = MAX_BODY_BYTES

    def allowed(self) -> str:
        if self.path == PATH:
            return "POST"
        return "GET, HEAD" if _MONITORED.fullmatch(self.path) else ""

    def get(self) -> Answer:
        """Answers what monitors read."""
        return self._answer(lambda witness: witness.checkpoint(self.path[1:65]))

    def post(self, body: bytes) -> Answer:
        """Answers what logs submit."""
        return self._answer(lambda witness: witness.add_checkpoint(body))

    def _answer(self, call: Callable[[Witness], Answer]) -> Answer:
        try:
            return call(cast(WitnessServer, self.server).witness)
        except (sqlite3.Error, StoreError) as error:
            _log.error("the store failed", reason=str(error))
            return Answer(503, b"the witness cannot store anything now\n")


class WitnessServer(listening.Server):
    """Serves one witness."""

    def __init__(
        self, host: str, port: int, witness: Witness, idle_ms: int = IDLE_MS, request_ms: int = REQUEST_MS
    ) -> None:
        self.witness = witness
        super().__init__(host, port, _Handler, idle_ms, request_ms)
