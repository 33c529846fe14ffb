"""`trust claim`: a worker's hold on a task. On one machine the coordinators' keys may be here too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from trust.cli.connection import SERVICE, Coordinators, Me, ReceiptFile, RelayId, Service, read_keys_of
from trust.cli.failures import Usage
from trust.cli.lists import gathered, state_of, tell_list
from trust.cli.statements import statement
from trust.cli.values import Count, Units
from trust.core.payloads import ClaimAbandon, ClaimRenew

if TYPE_CHECKING:
    from trust.client import TrustClient

app = App(name="claim")


@app.command
def request(
    task: str,
    /,
    *,
    me: Me,
    relay: RelayId,
    coordinator: Coordinators,
    stake: Units | None = None,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    receipt: ReceiptFile = None,
    confirm: Path | None = None,
    service: Service = SERVICE,
) -> None:
    """Claim a task as worker and relay at once: the first claim in the log wins.

    Parameters
    ----------
    task
        The task's id.
    coordinator
        A coordinator's key file; as many as the relay's threshold.
    stake
        What locks, in units; default: the least that the task and its policy ask.
    dry_run
        Only say what the answer would be.
    confirm
        Where to keep the relay's signed confirmation.
    """
    from trust.client import Relay, Worker

    if not coordinator:
        raise Usage("a claim needs the relay's signatures: give --coordinator")
    with service.client(me.key) as client:
        stake_units = _least_stake(client, task) if stake is None else stake
        request = Worker(client, me.seed(), me.actor).request(task, relay, stake_units)
        through = Relay(client, relay, read_keys_of(coordinator))
        if dry_run:
            service.show(through.preview(request))
            return
        service.granted(through.grant(request), receipt, confirm)


def _least_stake(client: TrustClient, task: str) -> int:
    task_facts = client.task(task)
    pinned = client.policy(task_facts["policy"])
    return max(int(task_facts["stake_units"]), int(pinned["terms"]["claims"]["min_stake_units"]))


CLAIM = {"claim": "The claim's id (clm_...)."}
statement(app, "renew", ClaimRenew, "Ask for another lease.", CLAIM)
statement(app, "abandon", ClaimAbandon, "Give a claim up; after a tenth of the lease this costs.", CLAIM)


@app.command(name="list")
def list_claims(
    *,
    state: str = "open",
    worker: str | None = None,
    kind: str | None = None,
    most: Count = 100,
    service: Service = SERVICE,
) -> None:
    """List claims, the newest first: those that have not ended, unless told otherwise.

    Parameters
    ----------
    state
        open, a state of claims such as checking or accepted, or all.
    worker
        Who holds them: a DID, or @handle.
    kind
        The kind of task.
    most
        How many at most.
    """
    with service.client() as client:
        claims = gathered(
            "claims",
            most,
            lambda after: client.claims(state_of(state), worker=worker, task_kind=kind, after=after),
        )
    tell_list(service, "claims", claims, _line, "no claim is like that")


def _line(claim: dict[str, Any]) -> str:
    verdict = f", {claim['verdict']}" if claim["verdict"] else ""
    return f"{claim['claim']}  {claim['task']}, {claim['state']}{verdict}, stake {claim['stake_units']}"


@app.command
def show(claim: str, /, *, service: Service = SERVICE) -> None:
    """Show a claim: its task, output, rounds and seats, and what is due next."""
    with service.client() as client:
        service.show(client.claim(claim))
