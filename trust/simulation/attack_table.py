"""The attacks' figures as tables for people: shares spoiled by scheme, what the rules took for it, goals missed."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from trust.simulation.attacking import AttackResult, Results
from trust.simulation.attacks import PPM
from trust.simulation.running import RULES
from trust.simulation.tally import Figure

COLUMNS = {
    "taken": "tasks taken %",
    "checked": "checked %",
    "checked_ever": "since day 0 %",
    "newcomers_known": "10 tasks in 7 d %",
    "loss_over_gain": "loss/gain %",
    "unserved": "unserved %",
}


def tables(results: Results) -> Iterator[Table]:
    """Two for each share of malicious agents; means with half the width of their 95 % intervals."""
    for share in dict.fromkeys(each.malicious_ppm for each in results.attacks):
        there = [each for each in results.attacks if each.malicious_ppm == share]
        yield _spoiled(results, share, there)
        yield _costs(share, there)


def _spoiled(results: Results, share: int, there: list[AttackResult]) -> Table:
    scale = results.scale
    drawn = Table(
        title=f"spoiled %, {share * 100 // PPM} % malicious, policy {results.policy}, checks {results.checks}: "
        f"{scale.agents} agents x {scale.days} days, {scale.seeds} seeds"
    )
    drawn.add_column("score", no_wrap=True)
    for name in (*(each.attack.name for each in there), "mean", "worst"):
        drawn.add_column(name, justify="right")
    for total in results.summaries:
        if total.malicious_ppm == share:
            cells = [shown(each.schemes[total.scheme]["spoiled"]) for each in there]
            style = "bold" if total.scheme == RULES else None
            drawn.add_row(total.scheme, *cells, shown(total.mean), shown(total.worst), style=style)
    return drawn


def _costs(share: int, there: list[AttackResult]) -> Table:
    drawn = Table(title=f"under the rules, {share * 100 // PPM} % malicious")
    drawn.add_column("attack", no_wrap=True)
    for words in COLUMNS.values():
        drawn.add_column(words, justify="right")
    for each in there:
        drawn.add_row(each.attack.name, *(shown(each.schemes[RULES][measure]) for measure in COLUMNS))
    return drawn


def shown(figure: Figure) -> str:
    """A share in percent."""
    return f"{figure.mean * 100:.1f} ±{(figure.high - figure.mean) * 100:.1f}"


def goals(results: Results) -> list[str]:
    """A sentence for each goal that was missed, or one that says that none was."""
    if not results.missed:
        return ["No goal that this size and these attacks can tell about is missed."]
    return [
        f"Missed in {each.where}: {each.goal} (measured {each.measured.mean:.1%}, "
        f"{each.measured.low:.1%} to {each.measured.high:.1%})"
        for each in results.missed
    ]
