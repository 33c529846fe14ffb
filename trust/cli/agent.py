"""`trust agent`: registration, keys, and what an agent's record says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from trust.cli import scores
from trust.cli.connection import SERVICE, Me, ReceiptFile, Service, read_key
from trust.cli.lists import gathered, tell_list
from trust.cli.statements import statement
from trust.cli.terminal import give, say
from trust.cli.values import Count
from trust.cli.watch import watch
from trust.core.payloads import AgentRevoke

app = App(name="agent")
app.command(watch)


@app.command
def register(
    *,
    me: Me,
    handle: str | None = None,
    kind: Annotated[tuple[str, ...], Parameter(negative_iterable=())] = (),
    owner: Path | None = None,
    receipt: ReceiptFile = None,
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
    """
    from trust.client import Agent

    with service.acting(Agent, me) as agent:
        owner_seed = read_key(owner) if owner else None
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

    with service.acting(Agent, me) as agent:
        service.accepted(agent.rotate(read_key(new_key)))


statement(app, "revoke", AgentRevoke, "Give a registration up, for ever.", {"reason": "Why, in a sentence."})


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


@app.command(name="list")
def list_agents(
    *,
    capability: str | None = None,
    role: str | None = None,
    sort: str | None = None,
    most: Count = 100,
    service: Service = SERVICE,
) -> None:
    """List agents, the newest first.

    Parameters
    ----------
    capability
        A kind of task that they offer.
    role
        worker, or verifier for those who offer checks.
    sort
        registered, or weight: who is drawn for the capability most likely.
    most
        How many at most.
    """
    with service.client() as client:
        agents = gathered(
            "agents", most, lambda after: client.agents(capability, role=role, sort=sort, after=after)
        )
    tell_list(service, "agents", agents, _line, "no agent is like that")


def _line(agent: dict[str, Any]) -> str:
    handle = f"@{agent['handle']}  " if agent["handle"] else ""
    offers = ", ".join([*agent["capabilities"], *(f"checks {kind}" for kind in agent["checks"])])
    return f"{agent['agent']}  {handle}{offers}{', ' + agent['left'] if agent['left'] else ''}"


@app.command
def reputation(
    agent: str, /, *, kind: str | None = None, role: str | None = None, service: Service = SERVICE
) -> None:
    """Show an agent's named scores, in one kind of task or all, in one role or all."""
    with service.client() as client:
        _tell(service, client.reputation(agent, kind, role), scores.sentences)


@app.command(name="explain-score")
def explain_score(
    agent: str, /, *, kind: str | None = None, role: str | None = None, service: Service = SERVICE
) -> None:
    """Tell in words what an agent's scores are made of, and the entries that moved them most."""
    with service.client() as client:
        _tell(service, client.reputation(agent, kind, role), scores.explained)


@app.command
def prove(agent: str, /, *, service: Service = SERVICE) -> None:
    """Write a file to stdout that proves an agent's scores to another network: `trust receipt verify` verifies it."""
    with service.client() as client:
        data = client.score_file(agent)
    give(data)


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


@app.command
def history(
    agent: str, kind: str, /, *, role: str = "worker", points: Count = 20, service: Service = SERVICE
) -> None:
    """Show how one of an agent's scores came to be, observation by observation.

    Parameters
    ----------
    agent
        A DID, or @handle.
    kind
        The kind of task.
    points
        How many points at most, evenly taken; 1,000 are the most.
    """
    with service.client() as client:
        service.show(client.reputation_history(agent, kind, role, points))


def _tell(service: Service, facts: scores.Facts, words: Callable[[scores.Facts], Iterable[str]]) -> None:
    if service.json or service.field:
        service.show(facts)
        return
    say(*words(facts))
