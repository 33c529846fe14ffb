"""`trust sandbox`: whole networks on this machine, on real processes, sockets and work."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cyclopts import App

from trust.cli.connection import OUTPUT, Output
from trust.cli.failures import Usage
from trust.cli.values import Count, Place

app = App(name="sandbox")
Pattern = Literal["hierarchical", "p2p", "event-driven", "hybrid"]


@app.command
def run(
    pattern: Pattern,
    /,
    *,
    data: Path | None = None,
    agents: Count = 12,
    size: Count = 0,
    seed: Place = 1,
    hosts: Count = 2,
    lazy: Place = 0,
    faults: str = "",
    output: Output = OUTPUT,
) -> int:
    """Run a pattern of coordination: a service, three coordinators of whom two must sign, and agents that review the
    standard library. Exit 0 only if everything held.

    Parameters
    ----------
    pattern
        hierarchical (a router hands out the parts of a batch), p2p (agents agree among themselves), event-driven (all
        consume one feed), hybrid (post, offer, claim, agree on the scope, deliver).
    data
        An empty directory for everything that the run leaves behind; default: trust-sandbox.
    agents
        How many agents there are.
    size
        How many documents there are, for p2p of each agent; default: 24, for p2p 2.
    seed
        Keys follow from it, and what goes wrong when.
    hosts
        In how many processes the agents live.
    lazy
        How many of them deliver without working.
    faults
        What goes wrong meanwhile: "all", or names with commas between them, such as coordinators:2,service-at:claim.
    """
    from trust.sandbox import pattern_run

    directory = _directory(data)
    _check(pattern, faults)
    documents = size or (2 if pattern == "p2p" else 24)
    chosen = pattern_run.Run(pattern, directory, agents, documents, seed, hosts, lazy, faults)
    return pattern_run.run(chosen, as_json=output.json)


def _check(pattern: str, faults: str) -> None:
    import random

    from trust.sandbox.faults import chosen

    if faults and pattern != "hybrid":
        raise Usage("--faults are struck in the hybrid")
    try:
        chosen(faults, random.Random(0))
    except ValueError as error:
        raise Usage(f"--faults: {error}") from error


def _directory(asked: Path | None) -> Path:
    from trust.sandbox.demo import NotEmpty, directory

    try:
        return directory(asked, "trust-sandbox")
    except NotEmpty as error:
        raise Usage(str(error)) from error
