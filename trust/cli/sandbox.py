"""`trust sandbox`: whole networks on this machine, on real processes, sockets and work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from trust.cli.connection import OUTPUT, Output
from trust.cli.failures import Usage
from trust.cli.terminal import say
from trust.cli.values import Count, Percent, Place, duration_ms

app = App(name="sandbox")
Pattern = Literal["hierarchical", "p2p", "event-driven", "hybrid"]
Patterns = Annotated[tuple[Pattern, ...], Parameter(name="--pattern", negative_iterable=())]


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


@app.command
def compare(
    *,
    data: Path | None = None,
    agents: Count = 8,
    size: Count = 32,
    seed: Place = 1,
    pattern: Patterns = (),
    losses: bool = True,
    chart: Path | None = None,
    output: Output = OUTPUT,
) -> int:
    """Run the four patterns side by side on the same documents: latency, throughput, the cost of coordination, and
    what survives the loss of a part. Exit 0 only if everything held.

    Parameters
    ----------
    data
        An empty directory for everything that the runs leave behind; default: trust-sandbox.
    agents
        How many agents there are.
    size
        How many documents there are in all; eight times as many while parts are lost.
    seed
        Keys follow from it.
    pattern
        Only this pattern; may be given several times.
    losses
        Whether parts are to be lost, in a second run of each pattern.
    chart
        Where to write the figures as an SVG.
    """
    import asyncio

    import msgspec

    from trust.cli.failures import FALSE, GOOD
    from trust.files import write_whole
    from trust.sandbox import comparing, console
    from trust.sandbox.processes import ProcessFailed

    directory = _directory(data)
    try:
        results = asyncio.run(
            comparing.compare(directory, agents, size, seed, console.teller(True), pattern, losses)
        )
    except (ProcessFailed, TimeoutError, asyncio.CancelledError) as error:
        console.failed(f"{type(error).__name__}: {error}", directory)
        return FALSE
    if chart is not None:
        write_whole(chart, comparing.svg(results).encode())
    if output.json or output.field:
        output.show({"patterns": msgspec.to_builtins(results)})
    else:
        say(*comparing.markdown(results))
    return GOOD if all(each.held for each in results) else FALSE


@app.command
def speculate(
    *,
    wait: str = "40ms",
    work: str = "400ms",
    check: str = "2s",
    window: str = "300ms",
    build: str = "1500ms",
    bad: Percent = 10,
    worth: Count = 100,
    attempts: Count = 1_000,
    seed: Place = 1,
    output: Output = OUTPUT,
) -> None:
    """Measure what starting early saves and throws away, and say from which chance on it pays.

    The SDK's own contexts are played in virtual time; beside each figure stands its closed form.

    Parameters
    ----------
    wait
        The mean time from asking for a claim to its decision.
    work
        The mean time of a worker's work.
    check
        The mean time of a check, to its verdict.
    window
        The time in which a verdict, or an output that is not checked, may be challenged.
    build
        The mean time of a consumer's work on an output.
    bad
        How many of a hundred outputs are bad.
    worth
        What 100 ms of saved time are worth in ms of work.
    attempts
        How many attempts there are at each chance.
    seed
        All chance follows from it.
    """
    import msgspec

    from trust.sandbox import speculating
    from trust.sandbox.tabulating import speculation

    terms = speculating.Terms(
        wait_ms=_least_ms(wait),
        work_ms=_least_ms(work),
        check_ms=_least_ms(check),
        window_ms=_least_ms(window),
        build_ms=_least_ms(build),
        bad=bad / 100,
        worth=worth / 100,
        attempts=attempts,
        seed=seed,
    )
    result = speculating.measured(terms)
    if output.json or output.field:
        output.show(msgspec.to_builtins(result))
    else:
        say(*speculation(result))


@app.command
def learn(*, rounds: Count = 200, seeds: Count = 3, seed: Place = 1, output: Output = OUTPUT) -> None:
    """Have a bandit learn which pattern and how many first offers suit each kind of work; print its regret.

    It sees what GET /v1/stats/overhead says of its own choices, in a model of the four patterns. Advice only.

    Parameters
    ----------
    rounds
        How often it chooses, for each kind; at least 20.
    seeds
        How many times the whole is played.
    seed
        The first seed.
    """
    import msgspec

    from trust.sandbox import learning
    from trust.sandbox.tabulating import learned

    if rounds < 2 * len(learning.ARMS):
        raise Usage(f"--rounds: each of the {len(learning.ARMS)} choices is tried twice first")
    results = learning.learned(rounds, seeds, seed)
    if output.json or output.field:
        output.show({"rounds": rounds, "seeds": seeds, "kinds": msgspec.to_builtins(results)})
    else:
        say(*learned(results, rounds, seeds))


def _least_ms(text: str) -> int:
    """A duration of at least 1 ms."""
    span_ms = duration_ms(text)
    if not span_ms:
        raise Usage(f"{text!r}: at least 1ms")
    return span_ms


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
