"""`trust relay`: groups of coordinators that hand out claims."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from trust.cli.connection import SERVICE, Coordinators, Service, read_key, read_seeds
from trust.cli.failures import Usage
from trust.cli.values import Count

app = App(name="relay")
New = Annotated[tuple[Path, ...], Parameter(name="--new", negative_iterable=())]
Keep = Annotated[tuple[str, ...], Parameter(name="--keep", negative_iterable=())]


@app.command
def update(
    relay: str,
    /,
    *,
    coordinator: Coordinators,
    new: New = (),
    keep: Keep = (),
    name: str = "relay",
    threshold: Count = 1,
    service: Service = SERVICE,
) -> None:
    """Change a relay's group; a suspension ends when those who signed a false confirmation are out of it.

    Parameters
    ----------
    relay
        The relay's id (rly_...).
    coordinator
        The key file of a coordinator who signs the change; as many as the threshold that is in force.
    new
        The key file of a coordinator who joins; may be given several times.
    keep
        The DID of a coordinator who stays; may be given several times.
    name
        What people call it.
    threshold
        How many coordinators must sign from now on.
    """
    from trust.client import Relay
    from trust.client.statements import did_of_seed

    joining = read_seeds(new)
    group = [*keep, *map(did_of_seed, joining)]
    if not coordinator or not group:
        raise Usage("give --coordinator for who signs, and --keep or --new for who is in it from now on")
    with service.client(coordinator[0]) as client:
        changed = Relay(client, relay, read_seeds(coordinator)).update(name, group, threshold, joining)
        service.accepted(changed)


@app.command
def register(
    name: str = "relay",
    /,
    *,
    operator: Path,
    coordinator: Coordinators,
    threshold: Count = 1,
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
    with service.client(operator) as client:
        done = Operator(client, read_key(operator)).register_relay(name, read_seeds(coordinator), threshold)
        service.accepted(done, receipt)
