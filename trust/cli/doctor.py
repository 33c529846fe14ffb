"""`trust doctor`: what is wrong with a service and its machine, in words; it reads only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from trust import settings
from trust.cli.connection import OUTPUT, Output
from trust.cli.extras import need
from trust.cli.failures import FALSE, GOOD
from trust.cli.terminal import say

app = App(name="doctor")


@app.default
def doctor(
    *,
    data: Annotated[Path | None, Parameter(env_var="TRUST_DATA")] = None,
    database: Annotated[str | None, Parameter(env_var="TRUST_DATABASE")] = None,
    output: Output = OUTPUT,
) -> int:
    """Check settings, keys, disk, database, clock, policy, witnesses and the service. Exit 1 where something fails.

    Parameters
    ----------
    data
        The service's data directory; default: trust-data.
    database
        A PostgreSQL URL; default: what trust.toml names, else SQLite in the directory.
    """
    need("server")
    from trust.services.diagnosis import FAIL, examine, unreadable

    try:
        findings = examine(settings.load({"data": data, "database": database}))
    except (settings.SettingsError, OSError) as error:
        findings = [unreadable(error)]
    if output.json or output.field:
        output.show({"good": all(each.level != FAIL for each in findings), "findings": findings})
    else:
        for each in findings:
            advice = f". {each.advice}" if each.advice else ""
            say(f"{each.level:<4}  {each.subject}: {each.detail}{advice}")
    return FALSE if any(each.level == FAIL for each in findings) else GOOD
