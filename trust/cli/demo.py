"""`trust demo`: the main job in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from trust.cli.connection import OUTPUT, Output
from trust.cli.extras import need
from trust.cli.failures import Usage

app = App(name="demo")


@app.default
def demo(
    *,
    data: Path | None = None,
    database: Annotated[str, Parameter(env_var="TRUST_DATABASE")] = "",
    witnesses: Annotated[bool, Parameter(negative="")] = False,
    open: Annotated[bool, Parameter(name=("--open", "--serve"), negative="")] = False,  # noqa: A002
    verbose: Annotated[bool, Parameter(name=("--verbose", "-v"), negative="")] = False,
    kill_service_at: Annotated[str, Parameter(show=False)] = "",
    output: Output = OUTPUT,
) -> int:
    """Play a whole network on this machine. Exit 0 only if everything held that it claims.

    Parameters
    ----------
    data
        An empty directory for everything that the demo leaves behind; default: trust-demo.
    database
        A PostgreSQL URL; default: SQLite in the directory.
    witnesses
        With three witnesses, one of which dies: draws wait until the other two have cosigned the log.
    open
        When all is over, go on serving and print the address of the explorer, until interrupted.
    verbose
        Tell the end with tables: ranks, slashes, ledgers, and how the lie was found out.
    """
    from trust.sandbox import demo as sandbox

    need("server")

    try:
        directory = sandbox.directory(data)
    except sandbox.NotEmpty as error:
        raise Usage(str(error)) from error
    options = sandbox.Options(directory, database, kill_service_at, witnesses, open, verbose)
    return sandbox.run(options, as_json=output.json)
