"""`trust stats`: what the network comes to, and what its coordination costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from trust.cli.connection import SERVICE, Service
from trust.cli.terminal import say, warn
from trust.files import write_whole

app = App(name="stats")
Relays = Annotated[tuple[str, ...], Parameter(name="--relay", negative_iterable=())]


@app.command
def network(*, service: Service = SERVICE) -> None:
    """Show counts of everything, and the sums on each kind of account."""
    with service.client() as client:
        service.show(client.stats())


@app.command
def overhead(
    *, kind: str = "", relay: Relays = (), chart: Path | None = None, service: Service = SERVICE
) -> None:
    """Show what coordination takes of tasks' lives, by the log's own times, and what the numbers speak for.

    Parameters
    ----------
    kind
        Only work of this task kind.
    relay
        The address of a coordinator (http://HOST:PORT), whose messages, bytes and queues are to be shown beside the
        log's times; may be given several times, once for each coordinator of a relay.
    chart
        Where to write the figures as an SVG.
    """
    from trust.cli import overheads

    with service.client() as client:
        pages = [client.overhead(kind or None)]
        while after := pages[-1].get("after"):
            pages.append(client.overhead(kind or None, after))
    facts = overheads.together(pages, [overheads.asked(address) for address in relay])
    if chart is not None:
        write_whole(chart, overheads.svg(facts).encode())
        warn(f"trust: {chart} is written")
    if service.json or service.field:
        service.show(facts)
    else:
        say(*overheads.lines(facts))
