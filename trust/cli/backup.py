"""`trust backup`: a consistent copy of a data directory while the service runs.

The head file goes first: it is a lower bound, so it may lag behind the copied database but never lead it - a service
whose database is behind its head file refuses to start. A backup that goes on after the original signed more entries
forks the log, so the copy says that it is one: it starts only by an explicit word (`trust serve --take-over`).

The database is copied inside one read transaction: whatever is written meanwhile, the copy ends. PostgreSQL is dumped
by its own `pg_dump`, which does the same. The directory gets its name when all of it is there and on the disk.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated

from cyclopts import App, Parameter

from trust import settings
from trust.cli.connection import OUTPUT, VKEY_FILE, Output
from trust.cli.failures import Usage
from trust.cli.terminal import progress

app = App(name="backup")
PAGES = 4_096
DATABASE_FILE = "trust.db"
DUMP_FILE = "trust.dump"
"""A dump of PostgreSQL in the custom format, for `pg_restore`."""
_PASSWORD_MARKS, _ESCAPED = re.compile(r"([:\\])"), r"\\\1"


@app.default
def backup(
    target: Path,
    /,
    *,
    data: Annotated[Path | None, Parameter(env_var="TRUST_DATA")] = None,
    database: Annotated[str | None, Parameter(env_var="TRUST_DATABASE")] = None,
    keys: bool = True,
    output: Output = OUTPUT,
) -> None:
    """Copy a data directory into a new one, with its database; PostgreSQL is dumped by `pg_dump`.

    Parameters
    ----------
    target
        The directory to make.
    data
        The directory to copy; default: trust-data.
    database
        A PostgreSQL URL; default: what trust.toml names, else SQLite in the directory.
    keys
        Copy the private keys too.
    """
    from trust.services.genesis import HEAD_FILE
    from trust.services.startup_checks import mark_copy
    from trust.storage.engine import file_of

    chosen = settings.load({"data": data, "database": database})
    file = file_of(chosen.database_url)
    if file is not None and not file.exists():
        raise FileNotFoundError(2, "there is no database", str(file))
    if target.exists():
        raise FileExistsError(17, "there already", str(target))
    fresh = target.with_name(f"{target.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)  # what an earlier backup could not finish
    fresh.mkdir(mode=0o700, parents=True)
    _copy(chosen.data_dir / HEAD_FILE, fresh)
    if file is None:
        size = dump_database(chosen.database_url, fresh / DUMP_FILE)
    else:
        size = copy_database(file, fresh / DATABASE_FILE)
    mark_copy(fresh, size, chosen.data_dir.resolve())
    for name in (VKEY_FILE, settings.CONFIG_NAME):
        _copy(chosen.data_dir / name, fresh)
    for path in sorted(chosen.data_dir.glob("*.key")) if keys else ():
        settings.copy_key(path, fresh / path.name)
    _sync(fresh)
    fresh.rename(target)
    _sync(target.parent)
    output.show({"copied": str(chosen.data_dir), "to": str(target), "keys": keys, "size": size})


def _sync(directory: Path) -> None:
    """Has what lies in a directory, and its names, on the disk."""
    for path in (*(each for each in directory.iterdir() if each.is_file()), directory):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _copy(path: Path, target: Path) -> None:
    if path.exists():
        shutil.copy2(path, target / path.name)


def copy_database(source: Path, target: Path) -> int:
    """A snapshot of a SQLite database that others may write to meanwhile; the copy has no write-ahead log.

    Returns how many entries the log in it has.
    """
    with (
        closing(
            sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
        ) as read,
        closing(sqlite3.connect(target)) as written,
        progress("copying pages") as report,
    ):
        read.execute("BEGIN")  # held to the end: nobody's writes make the copy start over
        size = int(read.execute("SELECT size FROM head").fetchone()[0])
        read.backup(written, pages=PAGES, progress=lambda _, left, total: report(total - left, total))
        read.execute("ROLLBACK")
        written.execute("PRAGMA journal_mode=DELETE")
    for left in target.parent.glob(
        f"{target.name}-*"
    ):  # a journal that SQLite could not delete, and said nothing
        raise OSError(errno.EIO, "the copy could not be finished", str(left))
    target.chmod(0o600)
    return size


def dump_database(url: str, target: Path) -> int:
    """Writes a dump of a PostgreSQL database that others may write to meanwhile, by the `pg_dump` of this machine.

    Returns how many entries the log had when it began. Usage where there is no `pg_dump`; OSError where it fails.
    """
    from sqlalchemy.engine import make_url

    from trust.storage.engine import Database
    from trust.storage.reading import reading

    program = shutil.which("pg_dump")
    if program is None:
        raise Usage("there is no pg_dump here: install PostgreSQL's client, of the server's version or newer")
    opened = Database(url, 1)
    try:
        with reading(opened) as reader:
            size = reader.head().size
    finally:
        opened.close()
    address = make_url(url).set(drivername="postgresql")
    with NamedTemporaryFile("w", encoding="utf-8") as passwords:  # a command line is for everybody to see
        if address.password:
            passwords.write(f"*:*:*:*:{_PASSWORD_MARKS.sub(_ESCAPED, str(address.password))}\n")
            passwords.flush()
            address = address.set(password=None).update_query_dict({"passfile": passwords.name})
        where = address.render_as_string(hide_password=False)
        command = [program, "--format=custom", "--no-owner", "--no-privileges", f"--file={target}", where]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        reason = next(iter(done.stderr.strip().splitlines()), f"exit {done.returncode}")
        raise OSError(errno.EIO, f"pg_dump failed: {reason}", str(target))
    target.chmod(0o600)
    return size
