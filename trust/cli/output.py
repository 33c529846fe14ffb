"""`trust output`: deliver, open what a panel is to check, accept."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from trust.cli.connection import SERVICE, ClaimId, Me, ReceiptFile, Service
from trust.cli.failures import Usage
from trust.cli.statements import statement
from trust.core.payloads import OutputAccept

app = App(name="output")


def read_items(file: Path | None) -> list[bytes]:
    """A batch's items: the lines of a file."""
    if file is None:
        return []
    items = file.read_bytes().splitlines()
    if not items:
        raise Usage(f"{file} has no lines: a batch has one line for each item")
    return items


@app.command
def submit(
    claim: ClaimId,
    /,
    *files: Path,
    me: Me,
    items: Path | None = None,
    made_from: list[str] | None = None,
    opened: bool = False,
    receipt: ReceiptFile = None,
    service: Service = SERVICE,
) -> None:
    """Deliver the output of a claim; every file is stored in the service first.

    Parameters
    ----------
    files
        What is delivered; each goes by the file's name.
    items
        A batch's items, one a line; keep the file until the claim has ended.
    made_from
        What it was made from: a claim, or the SHA-256 of a blob in hex. May be given several times.
    opened
        Open it at once, whether it will be drawn or not: nothing is left to do where nobody is there when it is.
    """
    from trust.client import Worker

    artifacts = {file.name: file.read_bytes() for file in files}
    if len(artifacts) < max(len(files), 1):
        raise Usage("give at least one file, and each name once")
    with service.acting(Worker, me) as worker:
        service.accepted(
            worker.submit(claim, artifacts, read_items(items), made_from or (), opened=opened), receipt
        )


@app.command(name="open")
def open_drawn(claim: str, /, *, me: Me, items: Path | None = None, service: Service = SERVICE) -> None:
    """Open what waits to be opened: the output, or the drawn items of a batch.

    Parameters
    ----------
    claim
        The claim's id.
    items
        The file that was delivered with --items.
    """
    from trust.client import Worker

    with service.acting(Worker, me) as worker:
        opened = worker.attend(claim, read_items(items))
        service.show({"claim": claim, "entries": [accepted.index for accepted in opened]})


statement(
    app,
    "accept",
    OutputAccept,
    "Be content with an output: gives up the requester's own right to challenge it.",
    {"claim": "The claim's id (clm_...)."},
)
