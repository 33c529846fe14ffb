"""`trust agent`: registration, keys, and what an agent's record says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from trust import settings
from trust.cli.connection import SERVICE, Me, Service

app = App(name="agent")


@app.command
def register(
    *,
    me: Me,
    handle: str | None = None,
    kind: Annotated[tuple[str, ...], Parameter(negative_iterable=())] = (),
    owner: Path | None = None,
    receipt: Path | None = None,
    service: Service = SERVICE,
) -> None:
    """Register an agent; finds the proof of work that the policy asks.

    Parameters
    ----------
    handle
        A name that is unique in the network, shown as @name.
    kind
        A kind of task that the agent takes; may be given several times.
    owner
        The key file of whoever stands behind several agents.
    receipt
        Where to keep the receipt.
    """
    from trust.client import Agent

    with service.client() as client:
        owner_seed = settings.read_seed(owner) if owner else None
        agent = Agent(client, me.seed(), me.actor)
        service.accepted(agent.register(handle, kind, owner_seed), receipt)


@app.command
def rotate(new_key: Path, /, *, me: Me, service: Service = SERVICE) -> None:
    """Give an agent another key.

    Parameters
    ----------
    new_key
        The file of the new key.
    """
    from trust.client import Agent

    with service.client() as client:
        service.accepted(Agent(client, me.seed(), me.actor).rotate(settings.read_seed(new_key)))


@app.command
def revoke(reason: str, /, *, me: Me, service: Service = SERVICE) -> None:
    """Give a registration up, for ever."""
    from trust.client import Agent

    with service.client() as client:
        service.accepted(Agent(client, me.seed(), me.actor).revoke(reason))


@app.command
def show(agent: str, /, *, service: Service = SERVICE) -> None:
    """Show an agent: keys, owner, what it offers, its money.

    Parameters
    ----------
    agent
        A DID, or @handle.
    """
    with service.client() as client:
        service.show(client.agent(agent))


@app.command
def reputation(agent: str, /, *, kind: str | None = None, service: Service = SERVICE) -> None:
    """Show an agent's named scores, in one kind of task or all."""
    with service.client() as client:
        facts = client.reputation(agent, kind)
    if service.json:
        service.show(facts)
        return
    print(f"{facts['agent']} as of entry {facts['as_of']['size'] - 1}")
    for score in facts["scores"]:
        print(f"  {score['role']} of {score['task_kind']}: {_percentages(score)}")
    if not facts["scores"]:
        print("  no observations yet: a newcomer")
    for other in facts["elsewhere"]:
        for score in other["scores"]:
            print(
                f"  {other['network']} says: {score['role']} of {score['task_kind']}: {_percentages(score)}"
            )


def _percentages(score: dict[str, Any]) -> str:
    named = {name.removesuffix("_ppm"): value for name, value in score.items() if name.endswith("_ppm")}
    return ", ".join(
        f"{name} {value / 10_000:.2f} %" for name, value in named.items() if isinstance(value, int)
    )


@app.command(name="explain-score")
def explain_score(agent: str, /, *, kind: str | None = None, service: Service = SERVICE) -> None:
    """Show what an agent's scores are made of, and the entries that moved them most."""
    with service.client() as client:
        service.show(client.reputation(agent, kind))


@app.command
def prove(agent: str, /, *, service: Service = SERVICE) -> None:
    """Write a file to stdout that proves an agent's scores to another network: `trust receipt verify` verifies it."""
    import sys

    with service.client() as client:
        data = client.score_file(agent)
    sys.stdout.buffer.write(data)


@app.command
def bring(agent: str, file: Path, /, *, service: Service = SERVICE) -> None:
    """Show here what another network says about an agent, if the service recognises that network's log.

    Parameters
    ----------
    agent
        A DID, or @handle.
    file
        What `trust agent prove` wrote there.
    """
    with service.client() as client:
        service.show(client.show_elsewhere(agent, file.read_bytes()))
