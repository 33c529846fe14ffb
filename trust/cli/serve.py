"""`trust serve`: runs the service until SIGTERM or SIGINT."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from trust import settings
from trust.cli import serve_checks
from trust.cli.connection import existing
from trust.cli.extras import need
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
    head_copy: str | None = None,
    take_over: bool = False,
    seen: Annotated[tuple[Path, ...], Parameter(negative_iterable=())] = (),
    trust_clock: bool = False,
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
    head_copy
        A second place for the last head that was signed, which outlives this directory: a path on another disk, or an
        address that takes PUT and gives GET.
    take_over
        Go on with the log from this database, which is a copy or has lost its head file: nothing else does.
    seen
        A checkpoint that somebody has of this log; the service starts only where its log extends it. May be repeated.
    trust_clock
        This machine's clock is right, whatever it was compared with.
    """
    need("server")
    given = {"data": data, "database": database, "host": host, "port": port}
    given |= {"witnesses": witnesses, "head_copy": head_copy}
    chosen = settings.load(given)
    with serve_checks.alone(chosen):
        if chosen.otlp:
            need("otel")
        chosen = serve_checks.placed(chosen)
        existing(chosen.database_url)
        serve_checks.await_database(chosen.database_url)
        serve_checks.raise_file_limit()

        from trust.app import serve as run
        from trust.services.startup_checks import Word

        run(chosen, Word(take_over, seen, trust_clock))
