"""`trust task`: what is to be done, for how much, until when."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from trust import clock
from trust.cli.connection import SERVICE, Coordinators, Me, ReceiptFile, RelayId, Service, read_seeds
from trust.cli.failures import Usage
from trust.cli.statements import statement
from trust.cli.values import Amount, Count, Share, Units, duration_ms
from trust.core.payloads import TaskCancel

app = App(name="task")


@app.command
def post(
    task: str,
    /,
    *,
    me: Me,
    kind: str,
    spec: Path,
    price: Amount,
    deadline: str = "1h",
    stake: Units | None = None,
    lease: str | None = None,
    items: Count | None = None,
    tolerated_bad_ppm: Share = 0,
    assignee: str | None = None,
    relay: str | None = None,
    receipt: ReceiptFile = None,
    service: Service = SERVICE,
) -> None:
    """Post a task; its price and the fees of a check are set aside from the requester's money.

    Parameters
    ----------
    task
        The task's id: lower-case letters, digits, dots, dashes; unique in the network.
    kind
        The kind of task, such as extract.
    spec
        A file that says what is to be done.
    price
        What the work is paid with, in units.
    deadline
        From now, such as 90s or 2h.
    stake
        The least stake that a claim must lock, in units.
    lease
        How long a worker has, such as 5m.
    items
        Makes it a batch of so many items.
    tolerated_bad_ppm
        The share of bad items that is tolerated in a batch.
    assignee
        The only agent that may claim it.
    relay
        The only relay that may hand it out.
    """
    from trust.client import Requester
    from trust.core.payloads import Items

    if items is None and tolerated_bad_ppm:
        raise Usage("--tolerated-bad-ppm is for batches: give --items too")
    with service.acting(Requester, me, deadline) as requester:
        done = requester.post(
            task,
            kind,
            spec.read_bytes(),
            price_units=price,
            deadline_ms=clock.now_ms() + duration_ms(deadline),
            stake_units=stake,
            lease_ms=duration_ms(lease) if lease else None,
            items=Items(count=items, tolerated_bad_ppm=tolerated_bad_ppm) if items else None,
            assignee=assignee,
            relay=relay,
        )
        service.accepted(done, receipt)


@app.command
def allocate(
    task: str,
    /,
    *,
    relay: RelayId,
    coordinator: Coordinators,
    shortlist: Count = 1,
    exclusive: str = "1m",
    candidate: Annotated[tuple[str, ...], Parameter(negative_iterable=())] = (),
    receipt: ReceiptFile = None,
    service: Service = SERVICE,
) -> None:
    """Have the draw decide who may claim a task first; once a task, by the relay that its posting names.

    Parameters
    ----------
    task
        The task's id.
    coordinator
        A coordinator's key file; as many as the relay's threshold.
    shortlist
        How many are drawn.
    exclusive
        How long only they may claim it, such as 30s.
    candidate
        A DID to draw among, once for each; default: everybody who offers this kind of task.
    """
    from trust.client import Relay

    if not coordinator:
        raise Usage("an allocation needs the relay's signatures: give --coordinator")
    with service.client(coordinator[0]) as client:
        done = Relay(client, relay, read_seeds(coordinator)).allocate(
            task, shortlist=shortlist, exclusive_ms=duration_ms(exclusive), candidates=candidate
        )
        service.accepted(done, receipt)


statement(app, "cancel", TaskCancel, "Take an open task back.", {"task": "The task's id."})


@app.command
def show(task: str, /, *, service: Service = SERVICE) -> None:
    """Show a task and every claim on it."""
    with service.client() as client:
        service.show(client.task(task))
