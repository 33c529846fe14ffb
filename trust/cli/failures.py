"""How a command ends badly: the exit code of each kind of error, and what a person or a program is told.

docs/exit-codes.md is the table of these codes.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass

from cyclopts import CycloptsError

from trust import stopping
from trust.cli import extras
from trust.cli.terminal import show_problem, warn
from trust.errors import RETRY_STATUSES, ClientError, TrustError, Unusable
from trust.settings import SettingsError

GOOD, FALSE, USAGE, CANNOT_CHECK, INTERRUPTED = 0, 1, 2, 3, 130
TERMINATED = stopping.TERMINATED


class Usage(Exception):
    """A command line that cannot be meant; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Failure:
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
        heading = (
            f"{self.code}: {self.detail}" if self._has_code and self.detail else self.detail or self.code
        )
        warn(f"trust: {heading}", *(f"       {line}" for line in self.reasons), *hints)
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
        case _ if (
            sys.flags.dev_mode and not isinstance(error, CycloptsError) and _failure_of(error).code == "bug"
        ):
            raise error
        case _:
            return _failure_of(error).say(as_json=as_json)


def _discard_stdout() -> None:
    """Sends what is left to be written nowhere, so that the interpreter does not fail on it at its end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        sys.stdout = None


def _failure_of(error: BaseException) -> Failure:
    match error:
        case KeyboardInterrupt():
            return Failure(INTERRUPTED, "interrupted", "interrupted")
        case CycloptsError():
            return Failure(USAGE, "usage", worded(str(error)), hint="see --help")
        case TrustError():
            reasons = tuple(map(worded, error.reasons))
            hint = hint_for(error.code, worded(error.hint))
            return Failure(_code_of(error), error.code, worded(error.detail), reasons, hint)
        case Usage() | SettingsError():
            return Failure(USAGE, "usage", worded(str(error)))
        case Unusable():
            return Failure(CANNOT_CHECK, "cannot-check", worded(str(error)), hint=error.hint)
        case ModuleNotFoundError() if extra := extras.of(error):
            hint = f"install it: pip install '{extras.DISTRIBUTION}[{extra}]'"
            return Failure(
                CANNOT_CHECK,
                "cannot-check",
                f"this needs the extra {extra!r}, which is not installed",
                hint=hint,
            )
        case FileExistsError():
            return Failure(USAGE, "usage", f"{error.filename} is there already: nothing is written over it")
        case _:
            return _system_or_bug(error)


def _system_or_bug(error: BaseException) -> Failure:
    from trust.cli.system_errors import fault_of

    fault = fault_of(error)
    if fault is not None:
        return Failure(CANNOT_CHECK, "system", fault.detail, hint=fault.hint)
    detail = f"{type(error).__name__}: {error}"
    return Failure(CANNOT_CHECK, "bug", detail, hint="this is a bug; PYTHONDEVMODE=1 shows where")


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


# -- the words of the service and of parsers in the language of the command line

HINTS = {
    "malformed": "correct what detail names",
    "invalid-utf8": "write it in UTF-8",
    "unknown-kind": "a release of trust that fits the service's is needed: trust --version",
    "bad-parameter": "correct the argument that detail names",
    "wrong-endpoint": "a release of trust that fits the service's is needed: trust --version",
    "foreign-network": "give the --vkey of this service's network, as trust policy show names it",
    "not-seated": "vote with the seats that trust check list shows",
    "unknown-path": "a newer service, or another address, is needed: check --url",
    "unknown-agent": "register it first: trust agent register",
    "unknown-relay": "the operator registers it first: trust relay register",
    "unknown-task": "check its id; trust task post posts one",
    "unknown-claim": "check its id: trust claim request prints it",
    "unknown-seat": "trust check list shows the seats there are",
    "unknown-policy": "trust policy show names the policy in force",
    "unknown-withdrawal": "check its id: trust stake withdraw prints it",
    "unknown-entry": "the log is not that long yet",
    "unknown-blob": "whoever has the bytes stores them: trust output submit, or trust task post, does",
    "method-not-allowed": "a release of trust that fits the service's is needed: trust --version",
    "not-acceptable": "a release of trust that fits the service's is needed: trust --version",
    "unsupported-type": "a release of trust that fits the service's is needed: trust --version",
    "repeated": "this statement is on the log already",
    "task-split": "its parts are tasks by themselves: trust squad show names them",
    "already-allocated": "a task is allocated once; trust task show says who may claim it",
    "convicted-already": "this fact is on the log already",
    "bad-signature": "check that --key is the party's, and --actor its id",
    "rate-limited": "wait a little, then run the same again",
    "overloaded": "nothing was done: wait a little, then run the same again",
    "storage-full": "nothing was done: the operator must make room; then run the same again",
    "clock-in-doubt": "nothing was done: the operator must see to the service's clock; then run the same again",
    "no-quorum": "too few witnesses have cosigned yet: wait a little, then run the same again",
    "behind": "this replica has not seen that log size yet: run the same again",
    "shutting-down": "the service stops: wait until it is up again, then run the same again",
}
"""Hints about codes for whoever types commands; codes that are not here have hints that fit everybody."""

_REGEX = re.compile(r"Expected `str` matching regex '((?:[^'\\]|\\.)*)'")
_LOOKS = {
    "^did:key:": "a DID, such as did:key:z6Mk...",
    "^[a-z]{3,4}_[a-z2-7]{26}": "an id, such as clm_ and 26 letters and digits",
    "^[0-9a-f]{64}": "64 hex digits",
    "^[a-z0-9][a-z0-9-]{1,31}": "2 to 32 lower-case letters, digits and dashes",
    "^[a-z0-9][a-z0-9._-]{0,63}": "up to 64 lower-case letters, digits, dots and dashes, a letter or digit first",
    "^[ !#-": "a text of up to 256 ASCII characters, without quotation marks and backslashes",
    "^[!#-": "an address of ASCII characters without spaces",
    "^[A-Za-z0-9:/._-]+": "an account: a DID, @handle or operator/bond",
    "^[0-9A-Za-z]+": "letters and digits",
}


def worded(text: str) -> str:
    """A sentence of a parser without its regular expressions."""
    return _REGEX.sub(lambda match: f"expected {_look(match[1])}", text)


def _look(pattern: str) -> str:
    return next(
        (words for begin, words in _LOOKS.items() if pattern.startswith(begin)), "a text of another form"
    )


def hint_for(code: str, hint: str) -> str:
    """Returns the hint about a code in the language of the command line."""
    return HINTS.get(code, hint)
