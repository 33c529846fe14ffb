"""`trust relay`: groups of coordinators that hand out claims."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from trust import settings
from trust.cli.connection import SERVICE, Coordinators, Service, read_seeds
from trust.cli.failures import Usage

app = App(name="relay")


@app.command
def register(
    name: str = "relay",
    /,
    *,
    operator: Path,
    coordinator: Coordinators,
    threshold: int = 1,
    receipt: Path | None = None,
    service: Service = SERVICE,
) -> None:
    """Register a relay; its id (rly_...) is in the answer.

    Parameters
    ----------
    name
        What people call it.
    operator
        The operator's key file.
    coordinator
        A coordinator's key file; may be given several times.
    threshold
        How many coordinators must sign.
    receipt
        Where to keep the receipt.
    """
    from trust.client import Operator

    if not coordinator:
        raise Usage("a relay has at least one coordinator: give --coordinator")
    with service.client() as client:
        done = Operator(client, settings.read_seed(operator)).register_relay(
            name, read_seeds(coordinator), threshold
        )
        service.accepted(done, receipt)
