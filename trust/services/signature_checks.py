"""Signatures, verified while the batch before is decided (docs/architecture.md 4, step 3).

One thread takes all that waits at once. A few it verifies itself, libsodium lets go of the interpreter's lock
meanwhile; many go to a process beside this one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future

from trust.core import envelope
from trust.core.commands import Incoming, signed_parts
from trust.core.envelope import BadSignature
from trust.errors import TrustError
from trust.services.liveness import Sign, keep_on
from trust.services.signature_process import SignatureProcess, answer

MANY = 16
AT_ONCE = 512
LOOK_S = 1.0
PATIENCE_MS = 60_000
Verdicts = list[BadSignature | None]
_Asked = tuple[Sequence[Incoming], Future[Verdicts]]


class Verifying:
    """`None` in an answer says that every signature of that command holds."""

    def __init__(self) -> None:
        self._process = SignatureProcess()
        self._waiting: deque[_Asked] = deque()
        self._changed = threading.Condition()
        self._open = True
        self.sign = Sign("verifying", PATIENCE_MS)
        self._thread = threading.Thread(target=self._run, name="verify", daemon=True)
        self._thread.start()

    def verify_many(self, commands: Sequence[Incoming]) -> Future[Verdicts]:
        """One verdict for each command, in order."""
        future: Future[Verdicts] = Future()
        with self._changed:
            if not self._open:
                raise TrustError("shutting-down")
            self._waiting.append((commands, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Ends the thread when it has done what it was given."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            keep_on(self.sign, self._turn, time.sleep)
        finally:
            self._process.close()
            with self._changed:
                self._open = False
                left, self._waiting = self._waiting, deque()
            for _, future in left:
                _fail(future, TrustError("shutting-down"))

    def _turn(self) -> bool:
        taken = self._take()
        if taken is None:
            return False
        try:
            self._verify(taken)
        except BaseException as error:
            for _, future in taken:
                _fail(future, error)
            raise
        self.sign.beat()
        return True

    def _take(self) -> list[_Asked] | None:
        """Returns what waits, about AT_ONCE commands at most; nothing after a while, None once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._open, LOOK_S)
            taken: list[_Asked] = []
            count = 0
            while self._waiting and count < AT_ONCE:
                taken.append(self._waiting.popleft())
                count += len(taken[-1][0])
            return taken or ([] if self._open else None)

    def _verify(self, taken: Sequence[_Asked]) -> None:
        """Answers all of these."""
        signed = [part for commands, _ in taken for each in commands for part in signed_parts(each)]
        questions = [question for each in signed for question in envelope.checks(each)]
        answers = self._process.ask(questions) if len(questions) >= MANY else answer(questions)
        holds = iter(answers)
        for commands, future in taken:
            verdicts: Verdicts = [None] * len(commands)
            if 0 in answers:
                verdicts = [_verdict(each, [next(holds) for _ in _signers(each)]) for each in commands]
            if not future.done():
                future.set_result(verdicts)


def _fail(future: Future[Verdicts], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def _signers(command: Incoming) -> Sequence[str]:
    return [signer for part in signed_parts(command) for signer in part.signers]


def _verdict(command: Incoming, holds: Sequence[int]) -> BadSignature | None:
    for did, holding in zip(_signers(command), holds, strict=True):
        if not holding:
            return BadSignature.of(did)
    return None
