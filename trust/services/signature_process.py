"""A process that verifies signatures beside this one: another core, and none of this one's interpreter lock.

libsodium lets go of the lock for the 45 us of a signature, but each time it comes back it takes the lock from whoever
decides, and those changes of hands cost as much as they win. The process holds no state, no key and no connection. It
reads questions from its input and ends with it, however this process ends.

A question is a pickled list of (public key, message, signature), its answer a byte for each: 1 where it holds.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO

from trust.log import ed25519

Question = tuple[bytes, bytes, bytes]
STOP_S = 5
PATIENCE_S = 10.0
"""An answer takes milliseconds: a process that does not give one is stopped, swapped out or lost."""
FAILURES = (OSError, EOFError, ValueError, RuntimeError, pickle.PickleError)


class SignatureProcess:
    """Started at the first question, and again after it failed. For one thread at a time."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, questions: Sequence[Question]) -> bytes:
        """Returns whether each signature holds. One that the process cannot answer is answered here."""
        try:
            return self._exchange(questions)
        except FAILURES:
            self.close()
            return answer(questions)

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is None or process.stdin is None or process.stdout is None:
            return
        process.stdout.close()
        with suppress(OSError):  # it has ended already
            process.stdin.close()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _exchange(self, questions: Sequence[Question]) -> bytes:
        if self._process is None:
            self._process = _started()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        watch = threading.Timer(self._patience_s, self._process.kill)
        watch.daemon = True
        watch.start()
        try:
            pickle.dump(questions, self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
            answered = self._process.stdout.read(len(questions))
        finally:
            watch.cancel()
        if len(answered) < len(questions):
            raise EOFError
        return answered


def answer(questions: Sequence[Question]) -> bytes:
    """A byte for each question: 1 where the signature holds."""
    return bytes([ed25519.verify(*question) for question in questions])


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answers until there are no more questions."""
    while True:
        try:
            asked = pickle.load(questions)
        except EOFError:
            return
        answers.write(answer(asked))
        answers.flush()


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # an interrupt at the terminal is for this process to handle
    )


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
