"""`trust task`: what is to be done, for how much, until when."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from trust import clock
from trust.cli.connection import SERVICE, Coordinators, Me, ReceiptFile, RelayId, Service, read_keys_of
from trust.cli.failures import Usage
from trust.cli.lists import gathered, state_of, tell_list
from trust.cli.statements import statement
from trust.cli.values import WHOLE_SHARE, Amount, Count, Share, Units, duration_ms, whole
from trust.core.payloads import TaskCancel

if TYPE_CHECKING:
    from trust.core.payloads import Part

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
    reference: Annotated[tuple[str, ...], Parameter(negative_iterable=())] = (),
    parts: Count | None = None,
    part: Annotated[tuple[str, ...], Parameter(negative_iterable=())] = (),
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
    reference
        What it is called elsewhere, such as a2a-task=7c9e6679; may be given several times.
    parts
        Into how many parts at most a squad may split a batch.
    part
        A part that a squad may take and its share in ppm, such as tests=300000; once for each part.
    """
    from trust.client import Requester
    from trust.core.payloads import Items, Reference

    if items is None and (tolerated_bad_ppm or parts is not None):
        raise Usage("--tolerated-bad-ppm and --parts are for batches: give --items too")
    with service.acting(Requester, me, deadline) as requester:
        done = requester.post(
            task,
            kind,
            spec.read_bytes(),
            price_units=price,
            deadline_ms=clock.now_ms() + duration_ms(deadline),
            stake_units=stake,
            lease_ms=duration_ms(lease) if lease else None,
            items=Items(items, tolerated_bad_ppm, parts or 1) if items else None,
            assignee=assignee,
            relay=relay,
            references=[Reference(*_named_elsewhere(each)) for each in reference],
            parts=[_part(each) for each in part],
        )
        service.accepted(done, receipt)


def _named_elsewhere(text: str) -> tuple[str, str]:
    scheme, equals, value = text.partition("=")
    if not (scheme and equals and value):
        raise Usage(f"--reference is SCHEME=VALUE, such as a2a-task=7c9e6679, not {text!r}")
    return scheme, value


def _part(text: str) -> Part:
    from trust.core.payloads import Part

    name, _, share = text.partition("=")
    return Part(name, whole(share, "share in ppm", 1, WHOLE_SHARE, "--part: "))


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
        done = Relay(client, relay, read_keys_of(coordinator)).allocate(
            task, shortlist=shortlist, exclusive_ms=duration_ms(exclusive), candidates=candidate
        )
        service.accepted(done, receipt)


statement(app, "cancel", TaskCancel, "Take an open task back.", {"task": "The task's id."})


@app.command(name="list")
def list_tasks(
    *,
    state: str = "open",
    kind: str | None = None,
    relay: str | None = None,
    requester: str | None = None,
    most: Count = 100,
    service: Service = SERVICE,
) -> None:
    """List tasks, the newest first: those that are open, unless told otherwise.

    Parameters
    ----------
    state
        open, allocating, claimed, split, closed, or all.
    kind
        The kind of task.
    relay
        Those that only this relay may hand out (rly_...).
    requester
        Who posted them: a DID, or @handle.
    most
        How many at most.
    """
    with service.client() as client:
        asked: dict[str, Any] = {"task_kind": kind, "relay": relay, "requester": requester}
        tasks = gathered("tasks", most, lambda after: client.tasks(state_of(state), **asked, after=after))
    tell_list(service, "tasks", tasks, _line, "no task is like that")


def _line(task: dict[str, Any]) -> str:
    left_s = max(0, task["deadline_ms"] - clock.now_ms()) // 1_000
    left = f", {left_s} s left" if task["state"] != "closed" else f": {task['closed_why']}"
    return f"{task['task']}  {task['task_kind']}, price {task['price_units']}, {task['state']}{left}"


@app.command
def show(task: str, /, *, service: Service = SERVICE) -> None:
    """Show a task and every claim on it."""
    with service.client() as client:
        service.show(client.task(task))
