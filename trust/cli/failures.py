"""How a command ends badly: the exit code of each kind of error, and what a person is told (protocol.md 6)."""

from __future__ import annotations

import os
import sys

from cyclopts import CycloptsError

from trust.audit.report import CannotCheck
from trust.cli.terminal import warn
from trust.client.problems import ServiceError, Unreachable
from trust.errors import RETRY_STATUSES, ClientError, TrustError
from trust.settings import SettingsError
from trust.verify.failures import NotProven, TooNew

GOOD, FALSE, USAGE, CANNOT_CHECK, INTERRUPTED = 0, 1, 2, 3, 130


class Usage(Exception):
    """A command line that cannot be meant; the message says what would be right."""


def report(error: BaseException) -> int:
    """Tells what went wrong on stderr; returns the exit code."""
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else FALSE
        case KeyboardInterrupt():
            return _tell(INTERRUPTED, "interrupted")
        case BrokenPipeError():  # whoever read the answer has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return GOOD
        case CycloptsError():  # told by the parser already
            return USAGE
        case _:
            return _explain(error)


def _explain(error: BaseException) -> int:
    match error:
        case TrustError():
            return _tell(_code_of(error), str(error), *error.reasons, hint=error.hint)
        case Usage() | SettingsError():
            return _tell(USAGE, str(error))
        case CannotCheck():
            return _tell(CANNOT_CHECK, str(error))
        case FileExistsError():
            return _tell(USAGE, f"{error.filename} is there already: nothing is written over it")
        case OSError():
            return _tell(
                CANNOT_CHECK, f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
            )
        case _ if sys.flags.dev_mode:
            raise error
        case _:
            hint = "this is a bug; python -X dev shows where"
            return _tell(CANNOT_CHECK, f"{type(error).__name__}: {error}", hint=hint)


def _code_of(error: TrustError) -> int:
    if isinstance(error, NotProven):
        return FALSE
    if isinstance(error, Unreachable | TooNew) or error.status in RETRY_STATUSES:
        return CANNOT_CHECK
    if isinstance(error, ServiceError) or not isinstance(error, ClientError):
        return FALSE
    return USAGE


def _tell(code: int, *lines: str, hint: str = "") -> int:
    warn(
        f"trust: {lines[0]}", *(f"       {line}" for line in lines[1:]), *([f"hint:  {hint}"] if hint else [])
    )
    return code
