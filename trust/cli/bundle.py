"""`trust bundle`: one file that proves a claim's case to anybody who has the log's key."""

from __future__ import annotations

from cyclopts import App

from trust.cli.connection import SERVICE, ClaimId, Service
from trust.cli.terminal import give

app = App(name="bundle")


@app.default
def bundle(claim: ClaimId, /, *, service: Service = SERVICE) -> None:
    """Write a claim's bundle, verified, to stdout; `trust receipt verify` verifies it again, offline."""
    with service.client() as client:
        data = client.bundle(claim)
    give(data)
