"""`trust serve`: runs the service until SIGTERM or SIGINT."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from trust import settings
from trust.cli import starting
from trust.cli.connection import existing
from trust.cli.values import Port

app = App(name="serve")


@app.default
def serve(
    *,
    data: Annotated[Path | None, Parameter(env_var="TRUST_DATA")] = None,
    database: Annotated[str | None, Parameter(env_var="TRUST_DATABASE")] = None,
    host: str | None = None,
    port: Port | None = None,
    witnesses: str | None = None,
) -> None:
    """Run the service. What is not given here comes from TRUST_*, then from DIR/trust.toml.

    Parameters
    ----------
    data
        The directory that trust init made; default: trust-data.
    database
        A PostgreSQL URL; default: SQLite in the directory.
    host
        The address to listen on; default: 127.0.0.1.
    port
        The port to listen on; default: 8400.
    witnesses
        Where to ask for cosignatures: addresses with commas between them; default: those in the policy.
    """
    given = {"data": data, "database": database, "host": host, "port": port, "witnesses": witnesses}
    chosen = settings.load(given)
    with starting.alone(chosen):
        chosen = starting.placed(chosen)
        existing(chosen.database_url)
        starting.await_database(chosen.database_url)
        starting.raise_file_limit()

        from trust.app import serve as run

        run(chosen)
