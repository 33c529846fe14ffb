"""`trust explain`: what happened to claims or tasks in words, or where a result went wrong."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from trust.cli.connection import SERVICE, Service
from trust.cli.terminal import say
from trust.cli.values import Count

if TYPE_CHECKING:
    from trust.audit.provenance import Judge
    from trust.client import TrustClient

app = App(name="explain")


@app.default
def explain(
    *cases: str,
    provenance: bool = False,
    check: str | None = None,
    seconds: Count = 600,
    picture: Path | None = None,
    service: Service = SERVICE,
) -> None:
    """Tell what happened to claims or tasks, and why; or whose fault a wrong result is.

    The service only says which entries name them; each is proven by its receipt, and told from its own bytes.

    Parameters
    ----------
    cases
        Ids of claims (clm_...) or tasks.
    provenance
        Walk back over everything that the results were made from, to the first wrong output.
    check
        A command that judges one output again, given what it was made from (docs/protocol.md 9.2): it prints a verdict
        as JSON. Without it the verdicts on the log count.
    seconds
        How long that command may take for one output.
    picture
        Where to draw what was made from what, as SVG.
    """
    from trust.cli.failures import Usage

    if not cases:
        raise Usage("name at least one claim or task")
    with service.client() as client:
        if provenance or check or picture:
            _tell_provenance(service, client, cases, check, seconds, picture)
        else:
            _tell_stories(service, client, cases)


def _tell_stories(service: Service, client: TrustClient, cases: Sequence[str]) -> None:
    from trust.verify.story import moment, tell

    for case in cases:
        proven = [client.receipt(entry["index"])[1] for entry in client.timeline(case)]
        summary, lines = tell(case, [(entry.index, entry.data) for entry in proven])
        if service.json:
            service.show({"case": case, "story": summary, "lines": lines})
            continue
        say(*summary, "")
        for (index, at_ms), of_entry in groupby(lines, lambda line: (line.index, line.at_ms)):
            say(f"entry {index}, {moment(at_ms)}", *(f"    {line.words}" for line in of_entry))


def _tell_provenance(
    service: Service,
    client: TrustClient,
    cases: Sequence[str],
    check: str | None,
    seconds: int,
    picture: Path | None,
) -> None:
    from trust.audit import provenance_report
    from trust.audit.provenance import blame

    blamed = blame(client, cases, _judge(client, shlex.split(check), seconds) if check else None)
    if picture is not None:
        picture.write_text(provenance_report.svg(blamed))
    if service.json:
        service.show(provenance_report.facts(blamed))
    else:
        say(*provenance_report.lines(blamed))


def _judge(client: TrustClient, command: Sequence[str], seconds: float) -> Judge:
    from trust.programs.checking import judge
    from trust.programs.command import Limits

    return judge(client, command, Limits(seconds=seconds))
