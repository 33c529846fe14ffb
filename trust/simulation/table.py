"""The figures as a table for people: a line for each scheme in each world, and the goals that were missed."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from trust.simulation.running import RULES, Results
from trust.simulation.tally import Figure

COLUMNS = {
    "bad_accepted": "bad accepted %",
    "honest_rejected": "honest rejected %",
    "honest_shut_out": "honest shut out %",
    "checks_per_task": "votes a task",
    "steady_checks_per_task": "with 20 before",
    "units_per_cheat": "units a cheat",
    "units_per_trusted_cheat": "with a record",
    "seats_short": "seats short %",
}
GAINS = {
    "gain_units": "gain",
    "against_work_units": "against honest work",
    "honest_loss_units": "an honest agent's loss",
    "unpaid_units": "honest work unpaid",
}
COSTS = {
    "check_rate": "check rate %",
    "votes": "votes a task",
    "fees_units": "fees",
    "stake_units": "stake",
    "stake_days": "days locked",
    "verifier_units": "a verifier's lock",
}
_PLAIN = {
    "checks_per_task": 2,
    "steady_checks_per_task": 2,
    "units_per_cheat": 0,
    "units_per_trusted_cheat": 0,
    "votes": 2,
    "stake_days": 2,
    **dict.fromkeys(("fees_units", "stake_units", "verifier_units", *GAINS), 0),
}


def table(results: Results) -> Table:
    """Means with half the width of their 95 % intervals."""
    size = results.size
    title = f"policy {results.policy}: {size.workers} workers x {size.tasks} tasks, {size.seeds} seeds"
    drawn = Table(title=title)
    drawn.add_column("world", no_wrap=True)
    drawn.add_column("scheme", no_wrap=True)
    for words in COLUMNS.values():
        drawn.add_column(words, justify="right")
    for result in results.worlds:
        for scheme, measured in result.schemes.items():
            name = result.world.name if scheme == RULES else ""
            cells = (shown(measure, measured[measure]) for measure in COLUMNS)
            style = "bold" if scheme == RULES else None
            drawn.add_row(name, scheme, *cells, style=style, end_section=scheme == list(result.schemes)[-1])
    return drawn


def strategic(results: Results) -> Iterator[Table]:
    """Returns what players of the rules gain, in units, and what honest work costs; none where none was played."""
    if results.players:
        drawn = _columns("players of the rules: units, with 95 % intervals", ("player",), GAINS)
        for player in results.players:
            name = player.name + (" (operator)" if player.with_operator else "")
            drawn.add_row(name, *(shown(measure, getattr(player, measure)) for measure in GAINS))
        yield drawn
    if results.safety:
        drawn = _columns("the price of safety, a task", ("stake", "tasks done before"), COSTS)
        for cost in results.safety:
            cells = (shown(measure, getattr(cost, measure)) for measure in COSTS)
            drawn.add_row(cost.stake, str(cost.record), *cells)
        yield drawn


def _columns(title: str, names: tuple[str, ...], measures: dict[str, str]) -> Table:
    drawn = Table(title=title)
    for name in names:
        drawn.add_column(name, no_wrap=True)
    for words in measures.values():
        drawn.add_column(words, justify="right")
    return drawn


def shown(measure: str, figure: Figure) -> str:
    """A figure as text; shares in percent."""
    half = figure.high - figure.mean
    if (digits := _PLAIN.get(measure)) is not None:
        return f"{figure.mean:.{digits}f} ±{half:.{digits}f}"
    return f"{figure.mean * 100:.3f} ±{half * 100:.3f}"


def goals(results: Results) -> list[str]:
    """A sentence for each goal that was missed, or one that says that all were reached."""
    if not results.missed:
        return ["Every goal is reached in every world that was played."]
    return [
        f"Missed in {each.world}: {each.goal} (measured {each.measured.mean:g}, "
        f"{each.measured.low:g} to {each.measured.high:g})"
        for each in results.missed
    ]
