"""`trust claim`: a worker's hold on a task. On one machine the coordinators' keys may be here too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from trust.cli.connection import SERVICE, Coordinators, Me, ReceiptFile, RelayId, Service, read_seeds
from trust.cli.failures import Usage
from trust.cli.statements import statement
from trust.cli.values import Units
from trust.core.payloads import ClaimAbandon, ClaimRenew
from trust.files import write_whole

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
        asked = Worker(client, me.seed(), me.actor).request(task, relay, stake_units)
        through = Relay(client, relay, read_seeds(coordinator))
        if dry_run:
            service.show(through.preview(asked))
            return
        granted = through.grant(asked)
        if confirm is not None:
            write_whole(confirm, granted.confirmation)
        service.accepted(granted.accepted, receipt)


def _least_stake(client: TrustClient, task: str) -> int:
    task_facts = client.task(task)
    pinned = client.policy(task_facts["policy"])
    return max(int(task_facts["stake_units"]), int(pinned["terms"]["claims"]["min_stake_units"]))


CLAIM = {"claim": "The claim's id (clm_...)."}
statement(app, "renew", ClaimRenew, "Ask for another lease.", CLAIM)
statement(app, "abandon", ClaimAbandon, "Give a claim up; after a tenth of the lease this costs.", CLAIM)


@app.command
def show(claim: str, /, *, service: Service = SERVICE) -> None:
    """Show a claim: its task, output, rounds and seats, and what is due next."""
    with service.client() as client:
        service.show(client.claim(claim))
