"""`trust canary`: work whose answer the operator knows; committed to ahead, opened after the reveals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

from cyclopts import App, Parameter

from trust import clock
from trust.cli.connection import OUTPUT, SERVICE, Me, Output, Service
from trust.cli.failures import Usage
from trust.cli.values import duration_ms

if TYPE_CHECKING:
    from trust.client.canaries import Canaries

app = App(name="canary")
Planters = Annotated[tuple[Path, ...], Parameter(name="--planted-by", negative_iterable=())]
Work = Annotated[tuple[str, ...], Parameter(name="--work", negative_iterable=())]


@app.command
def commit(file: Path, /, *, me: Me, work: Work, within: str = "7d", service: Service = SERVICE) -> None:
    """Commit to the answers of tasks that nobody has posted yet. Post and claim them after the next epoch.

    Parameters
    ----------
    file
        Where to keep what opens them, readable by you alone. Lose it and none can be opened.
    work
        TASK=WORKER=pass or TASK=WORKER=fail; may be given several times.
    within
        How long from now all of them will be open, such as 7d.
    """
    from trust.client import Operator
    from trust.client.canaries import Canaries

    with service.client(me.key) as client:
        listed = [_work(each) for each in work]
        secrets = Canaries.made(client.network, clock.now_ms() + duration_ms(within), listed)
        if file.exists() and (before := Canaries.read(file)).work() == listed:
            secrets = before  # an earlier run was not answered
        else:
            secrets.write(file)
        service.accepted(Operator(client, me.seed(), me.actor).commit_canaries(secrets))


def _work(text: str) -> tuple[str, str, Literal["pass", "fail"]]:
    task, _, rest = text.partition("=")
    worker, _, verdict = rest.partition("=")
    if not task or not worker or verdict not in ("pass", "fail"):
        raise Usage(f"{text!r} is no canary: write TASK=WORKER=pass or TASK=WORKER=fail")
    return task, worker, cast(Literal["pass", "fail"], verdict)


@app.command(name="open")
def open_one(
    file: Path, task: str, /, *, me: Me, planted_by: Planters = (), service: Service = SERVICE
) -> None:
    """Open the canary on a task: after the reveals, and before its window is over.

    Parameters
    ----------
    file
        What `trust canary commit` kept.
    task
        The task's id.
    planted_by
        The key files of the task's requester and worker: it binds only who agrees, so both sign. Only where the claim
        ended without a window for it are they not needed.
    """
    from trust.cli.connection import read_keys_of
    from trust.client import Operator

    secrets = _read(file)
    numbers = secrets.numbers_of(task)
    if len(numbers) != 1:
        raise Usage(f"{file} has {len(numbers)} canaries on {task}")
    with service.acting(Operator, me) as operator:
        service.accepted(operator.open_canary(secrets, numbers[0], read_keys_of(planted_by)))


@app.command(name="list")
def list_all(file: Path, /, *, output: Output = OUTPUT) -> None:
    """List the canaries that a file opens; it is secret, and so is this."""
    secrets = _read(file)
    canaries = [
        {"number": each.number, "task": each.task, "worker": each.worker, "answer": each.verdict}
        for each in secrets.answers
    ]
    output.show({**secrets.commitment(), "canaries": canaries})


def _read(file: Path) -> Canaries:
    from trust.client.canaries import Canaries

    return Canaries.read(file)
