"""`trust serve`: runs the service until SIGTERM or SIGINT."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from trust import settings
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
    _check_free(chosen.host, chosen.port)
    existing(chosen.database_url)

    from trust.app import serve as run

    run(chosen)


def _check_free(host: str, port: int) -> None:
    """OSError where somebody listens already: the server would share the port with it, and each get some requests."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
