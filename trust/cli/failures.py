"""How a command ends badly: the exit code of each kind of error, and what a person or a program is told.

docs/exit-codes.md is the table of these codes.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from cyclopts import CycloptsError

from trust import stopping
from trust.cli.terminal import show_problem, warn
from trust.cli.wording import hint_for, worded
from trust.errors import RETRY_STATUSES, ClientError, TrustError, Unusable
from trust.settings import SettingsError

GOOD, FALSE, USAGE, CANNOT_CHECK, INTERRUPTED = 0, 1, 2, 3, 130
TERMINATED = stopping.TERMINATED


class Usage(Exception):
    """A command line that cannot be meant; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Told:
    """The answer of a command that failed: `code` names its kind, for programs."""

    exit: int
    code: str
    detail: str
    reasons: tuple[str, ...] = ()
    hint: str = ""

    def say(self, *, as_json: bool) -> int:
        """Says it on stderr, as an object of JSON or in lines; returns the exit code."""
        if as_json:
            show_problem(
                {
                    "code": self.code,
                    "detail": self.detail,
                    "reasons": list(self.reasons),
                    "hint": self.hint,
                    "exit": self.exit,
                }
            )
            return self.exit
        hints = [f"hint:  {self.hint}"] if self.hint else []
        said = f"{self.code}: {self.detail}" if self._has_code and self.detail else self.detail or self.code
        warn(f"trust: {said}", *(f"       {line}" for line in self.reasons), *hints)
        return self.exit

    @property
    def _has_code(self) -> bool:
        return self.code not in _UNSAID


_UNSAID = frozenset({"usage", "cannot-check", "system", "bug", "interrupted"})
"""Kinds whose detail says all: lines for people begin with it."""


def report(error: BaseException, *, as_json: bool = False) -> int:
    """Tells what went wrong on stderr; returns the exit code."""
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else FALSE
        case BrokenPipeError():  # whoever read the answer has read enough
            _discard_stdout()
            return GOOD
        case _ if sys.flags.dev_mode and not isinstance(error, CycloptsError) and _told(error).code == "bug":
            raise error
        case _:
            return _told(error).say(as_json=as_json)


def _discard_stdout() -> None:
    """Sends what is left to be written nowhere, so that the interpreter does not fail on it at its end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        sys.stdout = None


def _told(error: BaseException) -> Told:
    match error:
        case KeyboardInterrupt():
            return Told(INTERRUPTED, "interrupted", "interrupted")
        case CycloptsError():
            return Told(USAGE, "usage", worded(str(error)), hint="see --help")
        case TrustError():
            reasons = tuple(map(worded, error.reasons))
            hint = hint_for(error.code, worded(error.hint))
            return Told(_code_of(error), error.code, worded(error.detail), reasons, hint)
        case Usage() | SettingsError():
            return Told(USAGE, "usage", worded(str(error)))
        case Unusable():
            return Told(CANNOT_CHECK, "cannot-check", worded(str(error)), hint=error.hint)
        case FileExistsError():
            return Told(USAGE, "usage", f"{error.filename} is there already: nothing is written over it")
        case _:
            return _system_or_bug(error)


def _system_or_bug(error: BaseException) -> Told:
    from trust.cli.faults import fault_of

    fault = fault_of(error)
    if fault is not None:
        return Told(CANNOT_CHECK, "system", fault.detail, hint=fault.hint)
    said = f"{type(error).__name__}: {error}"
    return Told(CANNOT_CHECK, "bug", said, hint="this is a bug; PYTHONDEVMODE=1 shows where")


def _code_of(error: TrustError) -> int:
    """A lie or a refusal is false; no answer, or none that decides, cannot be checked; the rest is wrong usage."""
    from trust.client.problems import ServiceError, Unreachable
    from trust.verify.failures import NotProven, TooNew

    if isinstance(error, NotProven):
        return FALSE
    if isinstance(error, Unreachable | TooNew) or error.status in RETRY_STATUSES or error.status >= 500:
        return CANNOT_CHECK
    if isinstance(error, ServiceError) and error.code.startswith("http-"):
        return CANNOT_CHECK  # a status without a problem document is another program's
    if isinstance(error, ServiceError) or not isinstance(error, ClientError):
        return FALSE
    return USAGE
