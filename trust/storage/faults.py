"""Which errors are a storage that fails, and what a caller is told then; any other error is a bug of ours.

A database that is busy, restarting, out of reach, cut off in the middle, full or damaged, a session that an operator
ended, a statement that took too long, a disk that is full or does not answer: nothing was decided, and the same bytes
may be sent again. The drivers raise some of these as they are where a connection is opened, so both are known here.
"""

from __future__ import annotations

import errno
import sqlite3
import sys

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    PendingRollbackError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as NoConnection

from trust.errors import TrustError
from trust.storage.engine import NotDurable
from trust.storage.reading import Damaged
from trust.storage.unit import CommitUnknown

FULL_RETRY_S = 30
_FAULTS = (
    DBAPIError,
    NoConnection,
    PendingRollbackError,
    CommitUnknown,
    NotDurable,
    Damaged,
    OSError,
    sqlite3.DatabaseError,
)
_BUGS = (
    *(ProgrammingError, IntegrityError, DataError, NotSupportedError),
    *(sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.DataError, sqlite3.NotSupportedError),
)
_POSTGRES_BUGS = ("ProgrammingError", "IntegrityError", "DataError", "NotSupportedError")
_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FULL_STATE = "53100"  # PostgreSQL's disk_full


def is_storage_fault(error: BaseException) -> bool:
    """Returns whether an error says that the storage failed."""
    return _is_any(error, _FAULTS, "Error") and not _is_any(error, _BUGS, *_POSTGRES_BUGS)


def refusal(error: BaseException) -> TrustError | None:
    """Returns the answer: `storage-full` (507) or `overloaded` (503); None where the storage is not what failed."""
    if not is_storage_fault(error):
        return None
    cause = _cause(error)
    if _is_full(cause):
        return TrustError("storage-full", "the disk of the storage is full", retry_after_s=FULL_RETRY_S)
    return TrustError("overloaded", f"the storage failed: {type(cause).__name__}")


def _cause(error: BaseException) -> BaseException:
    """Returns the errors that the driver or the system raised."""
    if isinstance(error, CommitUnknown) and error.__cause__ is not None:
        return _cause(error.__cause__)
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def _is_full(error: BaseException) -> bool:
    return (
        (isinstance(error, OSError) and error.errno in _FULL_ERRNOS)
        or (isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorname", "") == "SQLITE_FULL")
        or (_is_any(error, (), "Error") and getattr(error, "sqlstate", "") == _FULL_STATE)
    )


def _is_any(error: BaseException, kinds: tuple[type[BaseException], ...], *of_psycopg: str) -> bool:
    """Returns whether an error is of these kinds, or of psycopg's with these names.

    Where psycopg was never loaded, as beside SQLite, no error is its own, and it is not loaded for the question.
    """
    psycopg = sys.modules.get("psycopg")
    return isinstance(error, kinds) or any(
        isinstance(error, getattr(psycopg, name)) for name in of_psycopg if psycopg
    )
