"""`trust beacon`: make the draws of somebody else's log that its service withholds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from trust.cli.connection import OUTPUT, Output, read_seed, read_vkey
from trust.cli.terminal import show_line
from trust.cli.values import duration_ms

app = App(name="beacon")


@app.command
def serve(
    *,
    key: Path,
    log: str,
    vkey: Annotated[str, Parameter(env_var="TRUST_VKEY")],
    data: Path = Path("trust-beacon"),
    interval: str = "10s",
    once: bool = False,
    output: Output = OUTPUT,
) -> None:
    """Follow a log and make the draws whose turn is this key's, until SIGTERM or SIGINT. Prints each that it brought.

    Parameters
    ----------
    key
        The beacon's key file (trust keys new). Its DID stands in the policy of the log, under beacons.keys.
    log
        The address of the service.
    vkey
        The log's verifier key, or a file with it: from somewhere you trust.
    data
        The directory that keeps how far the log is audited.
    interval
        How long to wait between two looks: a small part of windows.draw_ms.
    once
        Look once.
    """
    from msgspec import to_builtins

    from trust.audit import beacon

    def tell(made: beacon.Made) -> None:
        show_line(made) if output.json else output.show(to_builtins(made))

    seed = read_seed(key)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    beacon.serve(log, str(read_vkey(vkey)), seed, data, duration_ms(interval), tell, once=once)
