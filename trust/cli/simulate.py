"""`trust simulate`: the rules played out against cheats and colluders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from trust.cli.connection import OUTPUT, Output
from trust.cli.failures import Usage
from trust.cli.policy import read_policy
from trust.cli.terminal import progress

if TYPE_CHECKING:
    from trust.core.policy import Policy
    from trust.simulation.attacking import Results as AttackResults
    from trust.simulation.attacks import Attack
    from trust.simulation.running import Results
    from trust.simulation.worlds import Size, World

app = App(name="simulate")
WIDTH = 160
"""The table's columns need as many characters."""
LEAST_AGENTS, LEAST_DAYS = 12, 4
"""Enough for a shortlist of eight among others, and for a second half."""


@app.command
def game(
    *,
    world: Annotated[tuple[str, ...], Parameter(negative_iterable=())] = (),
    workers: int | None = None,
    tasks: int | None = None,
    seeds: int | None = None,
    quick: Annotated[bool, Parameter(negative=())] = False,
    policy: str = "standard",
    processes: int = 1,
    chart: Path | None = None,
    output: Output = OUTPUT,
) -> None:
    """Play worlds of cheats, colluders and lazy verifiers over the real rulebook, beside three plain schemes.

    In full size (400 workers x 100 tasks) a game takes 65 seconds of a core, so a world with ten seeds takes eleven
    minutes, and all worlds six hours, or half of it with --processes 2. A quarter of the workers takes a quarter.

    Parameters
    ----------
    world
        Play only this world, such as constant-20; give it several times for several. Default: all.
    workers
        How many workers there are, a fifth of them cheats; half as many verifiers. Default: 400.
    tasks
        How many tasks each of them has. Default: 100.
    seeds
        How many games are played of each world. Default: 10.
    quick
        A smaller size: 100 workers, 25 tasks, 2 seeds.
    policy
        A TOML file, or the name of a policy that comes with this release.
    processes
        How many games are played at once.
    chart
        Write the figures as an SVG to this file.
    """
    from trust.simulation import chart as drawing
    from trust.simulation.running import play
    from trust.simulation.worlds import QUICK, Size

    usual = QUICK if quick else Size()
    asked = (workers, usual.workers), (tasks, usual.tasks), (seeds, usual.seeds)
    size = Size(*(default if given is None else given for given, default in asked))
    terms = _terms(policy)
    worlds = _worlds(world)
    _check(size, processes)
    with progress("games") as report:
        results = play(worlds, terms, size, processes, report)
    if chart is not None:
        chart.write_text(drawing.svg(results), encoding="utf-8")
    _show(results, output)


@app.command
def reputation(
    *,
    attack: Annotated[tuple[str, ...], Parameter(negative_iterable=())] = (),
    malicious: Annotated[tuple[int, ...], Parameter(negative_iterable=())] = (),
    agents: int | None = None,
    days: int | None = None,
    seeds: int | None = None,
    quick: Annotated[bool, Parameter(negative=())] = False,
    checks: Literal["standard", "tenth", "fortieth"] = "tenth",
    named: Annotated[bool, Parameter(negative=())] = False,
    appeals: Annotated[bool, Parameter(negative=())] = False,
    policy: str = "standard",
    processes: int = 1,
    chart: Path | None = None,
    output: Output = OUTPUT,
) -> None:
    """Play attacks on reputation over the real rulebook, beside published scores on the same events.

    In full size (200 agents x 120 days) a world takes over a minute of a core, with a ring two and a half: all attacks
    with ten seeds take two hours for each share of malicious agents, or one with --processes 2. Half the agents take
    half the time.

    Parameters
    ----------
    attack
        Play only this attack, such as ring-whitewash; give it several times for several. Default: all.
    malicious
        How many percent of the agents are malicious; several times for several. Default: 30.
    agents
        How many agents there are, and tasks a day. Default: 200.
    days
        How many days are played; figures are of the second half. Default: 120.
    seeds
        How many times each world is played. Default: 10.
    quick
        A smaller size: 60 agents, 60 days, 2 seeds.
    checks
        standard: the policy as it is. tenth: nobody is shut out and nobody's first ten tasks are all checked, so that
        about a tenth is. fortieth: also with the policy's check rates lowered to what allows 2.5 %.
    named
        The relay names the eight candidates that the other scores rank, instead of all who offer such work.
    appeals
        A worker whose good work was failed challenges the verdict once.
    policy
        A TOML file, or the name of a policy that comes with this release.
    processes
        How many worlds are played at once.
    chart
        Write the figures as an SVG to this file.
    """
    from trust.simulation import attack_chart
    from trust.simulation.attacking import play
    from trust.simulation.attacks import QUICK, Scale

    usual = QUICK if quick else Scale()
    asked = (agents, usual.agents), (days, usual.days), (seeds, usual.seeds)
    scale = Scale(*(default if given is None else given for given, default in asked))
    shares = tuple(dict.fromkeys(percent * 10_000 for percent in malicious or (30,)))
    terms, attacks = _terms(policy), _attacks(attack)
    _check_scale(scale.agents, scale.days, min(scale.seeds, processes), shares)
    with progress("worlds") as report:
        results = play(
            attacks,
            shares,
            terms,
            checks,
            scale,
            named=named,
            appeals=appeals,
            processes=processes,
            report=report,
        )
    if chart is not None:
        chart.write_text(attack_chart.svg(results), encoding="utf-8")
    _show_attacks(results, output)


def _terms(name: str) -> Policy:
    from trust.core.policy import InvalidPolicy, parse

    try:
        return parse(read_policy(name))
    except InvalidPolicy as error:
        raise Usage(f"{name}: {error}") from error


def _attacks(names: tuple[str, ...]) -> list[Attack]:
    from trust.simulation.attacks import ATTACKS

    unknown = [name for name in names if name not in ATTACKS]
    if unknown:
        raise Usage(f"there is no attack {unknown[0]!r}: name one of {', '.join(ATTACKS)}")
    return [ATTACKS[name] for name in dict.fromkeys(names or ATTACKS)]


def _check_scale(agents: int, days: int, others: int, shares: tuple[int, ...]) -> None:
    if agents < LEAST_AGENTS or days < LEAST_DAYS or others < 1:
        raise Usage(
            f"there are at least {LEAST_AGENTS} agents, {LEAST_DAYS} days, and one seed and one process"
        )
    if not all(0 <= share <= 900_000 for share in shares):
        raise Usage("between 0 and 90 percent of the agents are malicious")


def _show_attacks(results: AttackResults, output: Output) -> None:
    if output.json or output.field:
        import msgspec

        output.show(msgspec.to_builtins(results))
        return
    from rich.console import Console

    from trust.simulation.attack_table import goals, tables

    console = Console(width=max(Console().width, WIDTH))
    for table in tables(results):
        console.print(table)
    for line in goals(results):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _worlds(names: tuple[str, ...]) -> list[World]:
    from trust.simulation.worlds import WORLDS

    unknown = [name for name in names if name not in WORLDS]
    if unknown:
        raise Usage(f"there is no world {unknown[0]!r}: name one of {', '.join(WORLDS)}")
    return [WORLDS[name] for name in names or WORLDS]


def _check(size: Size, processes: int) -> None:
    if min(size.workers, size.tasks, size.seeds, processes) < 1:
        raise Usage("workers, tasks, seeds and processes are at least 1")


def _show(results: Results, output: Output) -> None:
    if output.json or output.field:
        import msgspec

        output.show(msgspec.to_builtins(results))
        return
    from rich.console import Console

    from trust.simulation.table import goals, table

    console = Console(width=max(Console().width, WIDTH))
    console.print(table(results))
    for line in goals(results):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
