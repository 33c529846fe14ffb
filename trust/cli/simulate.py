"""`trust simulate`: the rules played out against cheats and colluders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from trust.cli.connection import OUTPUT, Output
from trust.cli.failures import Usage
from trust.cli.policy import read_policy
from trust.cli.terminal import progress

if TYPE_CHECKING:
    from trust.simulation.running import Results
    from trust.simulation.worlds import Size, World

app = App(name="simulate")
WIDTH = 160
"""The table's columns need as many characters."""


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
    from trust.core.policy import InvalidPolicy, parse
    from trust.simulation import chart as drawing
    from trust.simulation.running import play
    from trust.simulation.worlds import QUICK, Size

    usual = QUICK if quick else Size()
    asked = (workers, usual.workers), (tasks, usual.tasks), (seeds, usual.seeds)
    size = Size(*(default if given is None else given for given, default in asked))
    try:
        terms = parse(read_policy(policy))
    except InvalidPolicy as error:
        raise Usage(f"{policy}: {error}") from error
    worlds = _worlds(world)
    _check(size, processes)
    with progress("games") as report:
        results = play(worlds, terms, size, processes, report)
    if chart is not None:
        chart.write_text(drawing.svg(results), encoding="utf-8")
    _show(results, output)


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
