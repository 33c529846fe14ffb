"""`trust simulate`: the rules played out against cheats and colluders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from cyclopts import App, Parameter

from trust.cli.connection import OUTPUT, Output
from trust.cli.failures import Usage
from trust.cli.policy import read_policy
from trust.cli.terminal import interruptible, progress, say
from trust.cli.values import Count, Percent, Place
from trust.files import write_whole

if TYPE_CHECKING:
    from msgspec import Struct
    from rich.table import Table

    from trust.core.policy import Policy
    from trust.simulation.exploit.corpus import Corpus
    from trust.simulation.worlds import Size

app = App(name="simulate")
Known = TypeVar("Known")
Sized = TypeVar("Sized", bound="Struct")
WIDTH = 160
"""The table's columns need as many characters."""
MOST_STORIES = 6
"""How many of a log's claims are told, the last ones."""
LEAST_AGENTS, LEAST_DAYS = 12, 4
"""Enough for a shortlist of eight among others, and for a second half."""


@app.command
def game(
    *,
    world: Annotated[tuple[str, ...], Parameter(negative_iterable=())] = (),
    player: Annotated[tuple[str, ...], Parameter(negative_iterable=())] = (),
    workers: Count | None = None,
    tasks: Count | None = None,
    seeds: Count | None = None,
    quick: Annotated[bool, Parameter(negative=())] = False,
    policy: str = "standard",
    processes: Count = 1,
    chart: Path | None = None,
    output: Output = OUTPUT,
) -> None:
    """Play worlds of cheats, colluders and lazy verifiers, and players who use the rules, over the real rulebook.

    Worlds stand beside three plain schemes. Players' gains are in units, against doing nothing and against honest work.

    In full size (400 workers x 100 tasks) a game takes 65 seconds of a core, so a world with ten seeds takes eleven
    minutes, and all worlds six hours, or half of it with --processes 2. A quarter of the workers takes a quarter.

    Parameters
    ----------
    world
        Play only this world, such as constant-20; several times for several. Default: all, or none with --player.
    player
        Play only this player of the rules, such as burst or "fresh names"; several times for several. With players also
        what safety costs honest work is measured. Default: all, or none with --world.
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
    from trust.simulation import table
    from trust.simulation.players import PLAYERS
    from trust.simulation.running import play
    from trust.simulation.worlds import QUICK, WORLDS, Size

    size = _sized(QUICK if quick else Size(), workers=workers, tasks=tasks, seeds=seeds)
    terms = _terms(policy)
    worlds = _named("world", WORLDS, world) if world or not player else []
    players = _named("player", PLAYERS, player) if player or not world else []
    _check(size, processes)
    with progress("games") as report:
        results = play(worlds, terms, size, processes, report, players)
    if chart is not None:
        write_whole(chart, (drawing.svg(results)).encode())
    tables = [*([table.table(results)] if worlds else []), *table.strategic(results)]
    _show(results, tables, table.goals(results), output)


@app.command
def reputation(
    *,
    attack: Annotated[tuple[str, ...], Parameter(negative_iterable=())] = (),
    malicious: Annotated[tuple[Percent, ...], Parameter(negative_iterable=())] = (),
    agents: Count | None = None,
    days: Count | None = None,
    seeds: Count | None = None,
    quick: Annotated[bool, Parameter(negative=())] = False,
    checks: Literal["standard", "tenth", "fortieth"] = "tenth",
    named: Annotated[bool, Parameter(negative=())] = False,
    appeals: Annotated[bool, Parameter(negative=())] = False,
    policy: str = "standard",
    processes: Count = 1,
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
    from trust.simulation import attack_chart, attack_table
    from trust.simulation.attacking import play
    from trust.simulation.attacks import ATTACKS, QUICK, Scale

    scale = _sized(QUICK if quick else Scale(), agents=agents, days=days, seeds=seeds)
    shares = tuple(dict.fromkeys(percent * 10_000 for percent in malicious or (30,)))
    terms, attacks = _terms(policy), _named("attack", ATTACKS, tuple(dict.fromkeys(attack)))
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
        write_whole(chart, (attack_chart.svg(results)).encode())
    _show(results, attack_table.tables(results), attack_table.goals(results), output)


@app.command
def exploit(
    *,
    games: Count = 10_000,
    seed: Place = 1,
    operator: Annotated[bool, Parameter(negative=())] = False,
    without: Annotated[tuple[str, ...], Parameter(negative_iterable=())] = (),
    policy: str = "standard",
    processes: Count = 1,
    corpus: Path | None = None,
    log: Path | None = None,
    output: Output = OUTPUT,
) -> None:
    """Search for a way to gain by the rules: a coalition plays any act there is against honest agents.

    Histories of acts are made up by chance, and those that gained most are changed and joined. What the coalition
    earned honestly is no gain. Prints the best histories in words, their gain with its interval, and how claims ended.
    A core plays some hundred games a second: 10,000 games take less than two minutes, a million less than three hours,
    or half of it with --processes 2. Ctrl-C ends the search with its generation: the result is that of a search for
    as many games as it tells.

    Parameters
    ----------
    games
        How many games are played. Default: 10,000.
    seed
        From which everything follows. Default: 1.
    operator
        The coalition has the operator in it.
    without
        Leave an act out, such as post or task.allocate; several times for several.
    policy
        A TOML file, or the name of a policy that comes with this release.
    processes
        How many processes play. They find the same.
    corpus
        Begin with the histories in this file, and leave there what was kept, so that a later search goes on from it.
    log
        Write the log of the best history to this file, an entry a line, and tell what became of its claims.
    """
    from trust.simulation.exploit.search import Search

    terms = _terms(policy)
    begun = _corpus(corpus, terms, operator, without)
    _keep(corpus, begun)  # what cannot be written is better known before a search of hours
    search = Search(terms, games, seed, operator, without, beginnings=begun.histories)
    with progress("games") as report, interruptible(search.stop):
        result = search.run(processes, report)
    kept = begun.followed(result.games, search.archive.histories())
    entries = search.entries_of(result.best.moves) if log is not None else []
    if log is not None:
        log.write_bytes(b"".join(entry + b"\n" for entry in entries))
    if output.json or output.field:
        from msgspec import to_builtins

        output.show(to_builtins(result))
    else:
        from trust.simulation.exploit import telling

        say(*telling.lines(result))
        if corpus is not None:
            say(f"{corpus}: {len(kept.histories)} histories, of {kept.over.games} games")
        if entries:
            say("", *_stories(entries))
    _keep(corpus, kept)


def _corpus(path: Path | None, terms: Policy, operator: bool, without: Sequence[str]) -> Corpus:
    """Returns what earlier searches kept in a file; nothing where there is none yet."""
    from trust.simulation.exploit.corpus import Corpus, InvalidCorpus, Over, decode
    from trust.simulation.exploit.moves import Maker

    over = Over.of(terms, operator)
    if path is None or not path.exists():
        return Corpus(over)
    try:
        return decode(path.read_bytes(), over, Maker(operator, without))
    except InvalidCorpus as error:
        raise Usage(f"{path} is no corpus: {error}") from error


def _keep(path: Path | None, corpus: Corpus) -> None:
    if path is not None:
        write_whole(path, corpus.encode())


def _stories(entries: Sequence[bytes]) -> Iterable[str]:
    """Yields the story of each claim in a log, as `trust explain` tells it."""
    from trust.core.entry import decode_entry
    from trust.core.events import ClaimOpened
    from trust.verify.story import tell

    numbered = list(enumerate(entries))
    decoded = (decode_entry(data) for data in entries)
    claims = [event.claim for entry in decoded for event in entry.events if isinstance(event, ClaimOpened)]
    for claim in claims[-MOST_STORIES:]:
        yield from (f"{claim}:", *(f"  {line}" for line in tell(claim, numbered).summary))


def _sized(usual: Sized, **asked: int | None) -> Sized:
    from msgspec.structs import replace

    return replace(usual, **{name: number for name, number in asked.items() if number is not None})


def _terms(name: str) -> Policy:
    from trust.core.policy import InvalidPolicy, parse

    try:
        return parse(read_policy(name))
    except InvalidPolicy as error:
        raise Usage(f"{name}: {error}") from error


def _named(noun: str, known: Mapping[str, Known], names: tuple[str, ...]) -> list[Known]:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Usage(f"there is no {noun} {unknown[0]!r}: name one of {', '.join(known)}")
    return [known[name] for name in names or known]


def _check_scale(agents: int, days: int, others: int, shares: tuple[int, ...]) -> None:
    if agents < LEAST_AGENTS or days < LEAST_DAYS or others < 1:
        raise Usage(
            f"there are at least {LEAST_AGENTS} agents, {LEAST_DAYS} days, and one seed and one process"
        )
    if not all(0 <= share <= 900_000 for share in shares):
        raise Usage("between 0 and 90 percent of the agents are malicious")


def _check(size: Size, processes: int) -> None:
    if min(size.workers, size.tasks, size.seeds, processes) < 1:
        raise Usage("workers, tasks, seeds and processes are at least 1")


def _show(results: Struct, tables: Iterable[Table], goals: Sequence[str], output: Output) -> None:
    if output.json or output.field:
        import msgspec

        output.show(msgspec.to_builtins(results))
        return
    from rich.console import Console

    console = Console(width=max(Console().width, WIDTH))
    for table in tables:
        console.print(table)
    for line in goals:
        say(line)
