"""`trust backup`: a consistent copy of a data directory while the service runs.

The head file goes first: it is a lower bound, so it may lag behind the copied database but never lead it - a service
whose database is behind its head file refuses to start. A backup that is brought back after the original signed more
entries forks the log: compare its head with a witness or a client's receipt first.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from trust import settings
from trust.cli.connection import OUTPUT, VKEY_FILE, Output
from trust.cli.failures import Usage
from trust.cli.terminal import progress

app = App(name="backup")
PAGES = 4_096
DATABASE_FILE = "trust.db"


@app.default
def backup(
    target: Path,
    /,
    *,
    data: Annotated[Path | None, Parameter(env_var="TRUST_DATA")] = None,
    keys: bool = True,
    output: Output = OUTPUT,
) -> None:
    """Copy a data directory into a new one.

    Parameters
    ----------
    target
        The directory to make.
    data
        The directory to copy; default: trust-data.
    keys
        Copy the private keys too.
    """
    from trust.services.founding import HEAD_FILE
    from trust.storage.engine import file_of

    chosen = settings.load({"data": data})
    database = file_of(chosen.database_url)
    if database is None:
        raise Usage("this copies SQLite; for PostgreSQL copy the head file first, then run pg_dump")
    if not database.exists():
        raise FileNotFoundError(2, "there is no database", str(database))
    target.mkdir(mode=0o700, parents=True)
    _copy(chosen.data_dir / HEAD_FILE, target)
    copy_database(database, target / DATABASE_FILE)
    for name in (VKEY_FILE, settings.CONFIG_NAME):
        _copy(chosen.data_dir / name, target)
    for path in sorted(chosen.data_dir.glob("*.key")) if keys else ():
        settings.write_seed(target / path.name, settings.read_seed(path))
    output.show({"copied": str(chosen.data_dir), "to": str(target), "keys": keys})


def _copy(path: Path, target: Path) -> None:
    if path.exists():
        shutil.copy2(path, target / path.name)


def copy_database(source: Path, target: Path) -> None:
    """A snapshot of a SQLite database that others may write to meanwhile; the copy has no write-ahead log."""
    with (
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as read,
        closing(sqlite3.connect(target)) as written,
        progress("copying pages") as report,
    ):
        read.backup(written, pages=PAGES, progress=lambda _, left, total: report(total - left, total))
        written.execute("PRAGMA journal_mode=DELETE")
    target.chmod(0o600)
