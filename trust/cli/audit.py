"""`trust audit`: trusts nobody but the key that it is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from trust.cli.connection import OUTPUT, LogKey, Output, read_vkey, read_witnesses, source_at
from trust.cli.failures import FALSE, GOOD
from trust.cli.terminal import progress, say
from trust.cli.values import Place

if TYPE_CHECKING:
    from trust.audit.report import Report

app = App(name="audit")


@app.default
def audit(
    source: str,
    /,
    *,
    key: LogKey,
    state: Annotated[Path | None, Parameter(name="--from")] = None,
    witnesses: Path | None = None,
    sample: Place = 200,
    all_reads: Annotated[bool, Parameter(negative=())] = False,
    output: Output = OUTPUT,
) -> int:
    """Fetch a log, verify every hash and signature, decide every entry again, and hold what the service answers
    against that. Exit 1 at the first lie.

    Parameters
    ----------
    source
        The address of a service, a directory of the log's files, or a data directory.
    state
        A directory that keeps what this audit saw, so that the next one goes on from there.
    witnesses
        A file with the witnesses that you trust and their quorum (C2SP tlog-policy): the checkpoint must have it.
    sample
        How many agents, claims and tasks to ask the service about; the log's root chooses which.
    all_reads
        Ask about every one of them.
    """
    vkey, quorum = str(read_vkey(key)), read_witnesses(witnesses)

    from trust.audit.auditing import audit as examine

    with source_at(source) as opened, progress("auditing entries") as report:
        finished = examine(opened, vkey, state, report, quorum, None if all_reads else sample)
    if output.json:
        output.show(finished)
    else:
        say(*_lines(finished))
    return GOOD if finished.ok else FALSE


def _lines(report: Report) -> list[str]:
    lines = [f"log {report.origin}: {report.size} entries, root {report.root}"]
    lines += map(str, report.steps)
    lines.append(f"took {report.elapsed_ms} ms")
    return lines
