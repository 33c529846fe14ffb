"""Errors of the system in words, with what to do about them: disks, permissions, databases, files, the network.

None of these is a bug of ours, and none says that a log is false.
"""

from __future__ import annotations

import errno
import sqlite3
import sys
from typing import NamedTuple

AGAIN = "run the same again"
_ERRNO = {
    errno.EIO: "the disk, or the line to it, fails: see the system's log, and replace it before anything is lost",
    errno.ENOSPC: f"the disk is full: make room, then {AGAIN}",
    errno.EDQUOT: f"this user's share of the disk is used up: make room, then {AGAIN}",
    errno.EFBIG: "the file system, or ulimit -f, allows no larger file",
    errno.EACCES: "this user may not: run it as the directory's owner, or change its mode",
    errno.EPERM: "this user may not: run it as the file's owner",
    errno.EROFS: "it is mounted read-only: choose a directory that can be written, by --data or as the argument",
    errno.ENOENT: "there is no such file or directory: check the name, or make the directory above it first",
    errno.ENOTDIR: "a part of this path is a file, not a directory",
    errno.EISDIR: "this is a directory: name a file",
    errno.ENOTEMPTY: "the directory is not empty: choose another",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "its symbolic links lead round in a circle",
    errno.EMFILE: "too many files are open: raise ulimit -n",
    errno.ENFILE: "too many files are open on this machine",
    errno.ENOMEM: "there is not enough memory",
    errno.EADDRINUSE: "another program listens there: choose another --port, or stop it",
    errno.EADDRNOTAVAIL: "this machine has no such address: choose another --host",
    errno.ENOLCK: "this file system has no locks: use one that has (not every network file system does)",
    errno.EOPNOTSUPP: "this file system cannot do that: use a local one",
    errno.EBUSY: f"another program holds it: wait, then {AGAIN}",
    errno.ETXTBSY: "another program runs this file",
    errno.ESTALE: f"the network file system lost it: mount it anew, then {AGAIN}",
    errno.ECONNREFUSED: "nobody listens there: check the address, and that it runs",
}
_SQLITE = (
    ("locked", f"another program writes to it: wait, then {AGAIN}"),
    ("busy", f"another program writes to it: wait, then {AGAIN}"),
    ("full", _ERRNO[errno.ENOSPC]),
    ("disk i/o error", f"the disk is full where SQLite could not tell (see df), or {_ERRNO[errno.EIO]}"),
    ("readonly", _ERRNO[errno.EROFS]),
    (
        "unable to open",
        "check that the directory is there and may be written: SQLite makes files beside its own",
    ),
    (
        "malformed",
        "the file is damaged: stop the service, bring back a backup, and run trust log check on it",
    ),
    ("not a database", "name the database file, or its data directory"),
    ("no such table", "this database has no log: trust init makes one"),
    ("no such column", "the tables are another release's: start the service of this release once"),
    ("too big", "the file system, or ulimit -f, allows no larger file"),
    ("out of memory", _ERRNO[errno.ENOMEM]),
)
_POSTGRES = (
    ("password", "check user and password in --database"),
    ("authentication", "check user and password in --database, and the server's pg_hba.conf"),
    ("does not exist", "make the database first, and check its name and user in --database"),
    ("starting up", f"wait until it is up, then {AGAIN}"),
    ("shutting down", f"wait until it is up again, then {AGAIN}"),
    ("too many", "raise max_connections, or give fewer --reader-threads"),
    ("connection", "check host and port in --database, and that the server runs"),
    ("connect", "check host and port in --database, and that the server runs"),
    ("resolve", "check the host in --database"),
    ("permission denied", "grant this user what it needs: CREATE on the schema, and the tables"),
    ("read-only", "this server takes no writes: give the primary's address"),
    ("disk full", _ERRNO[errno.ENOSPC]),
    ("no space", _ERRNO[errno.ENOSPC]),
)


class Fault(NamedTuple):
    """A sentence for people, and what to do."""

    detail: str
    hint: str


def fault_of(error: BaseException) -> Fault | None:
    """Returns what an error of the system means; None where it is none, but ours."""
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, MemoryError):
        return Fault("there is not enough memory", _ERRNO[errno.ENOMEM])
    if isinstance(error, UnicodeError):
        return Fault(f"not a text in UTF-8: {error.reason}" if isinstance(error, UnicodeDecodeError) else str(error),
                     "name a text file; this one is something else, or in another encoding")  # fmt: skip
    return _of_database(error)


def _of_system(error: OSError) -> Fault:
    text = error.strerror or str(error) or type(error).__name__
    where = f"{error.filename}: " if error.filename else ""
    if error.filename2:
        where = f"{error.filename} and {error.filename2}: "
    return Fault(f"{where}{text}", _ERRNO.get(error.errno or 0, ""))


def _of_database(error: BaseException) -> Fault | None:
    if "sqlalchemy" not in sys.modules:  # it comes with an extra; without it no error is a database's
        return None
    from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
    from sqlalchemy.exc import TimeoutError as NoConnection

    from trust.storage.unit import CommitUnknown

    if isinstance(error, CommitUnknown) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, ArgumentError | NoSuchModuleError):
        return Fault(
            f"the database's address: {error}", "give --database postgresql://USER:PASSWORD@HOST/NAME"
        )
    if isinstance(error, NoConnection):
        return Fault("the database gives no connection", f"it is busy: wait, then {AGAIN}")
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(cause, sqlite3.Error):
        return Fault(f"SQLite: {_line(cause)}", _hint(_SQLITE, cause)) if _is_fault(cause) else None
    if type(cause).__module__.startswith("psycopg"):
        return Fault(f"PostgreSQL: {_line(cause)}", _hint(_POSTGRES, cause)) if _is_fault(cause) else None
    if isinstance(error, SQLAlchemyError) or type(error).__name__ == "NotDurable":
        return Fault(str(error).partition("\n")[0], "")
    return None


def _is_fault(cause: BaseException) -> bool:
    """Returns whether a driver says that the database cannot, and not that we asked for nonsense."""
    if type(cause).__name__ in ("OperationalError", "InternalError", "InterfaceError", "DatabaseError"):
        return True
    return any(
        base.__name__ in ("OperationalError", "InternalError") for base in type(cause).__mro__
    ) or bool(_hint(_POSTGRES + _SQLITE, cause))


def _line(cause: BaseException) -> str:
    return " ".join(str(cause).split()) or type(cause).__name__


def _hint(table: tuple[tuple[str, str], ...], cause: BaseException) -> str:
    text = str(cause).lower()
    return next((hint for part, hint in table if part in text), "")
