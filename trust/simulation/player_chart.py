"""The chart of those who play the rules, and of what safety costs: SVG below the worlds', if there are any.

Left, each player's gain in units with its interval, against doing nothing and against honest work, to the right of zero
what pays. Right, votes a task by how many were done before, a line for each stake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from xml.sax.saxutils import escape

from trust.simulation.players import PlayerResult
from trust.simulation.running import Results
from trust.simulation.safety import Cost
from trust.simulation.tally import Figure

ROW, HEAD, LEFT, WIDE, GAP = 26, 64, 190, 300, 60
INK = "#808080"
MEASURES = {
    "gain_units": ("against doing nothing", "#c8483c"),
    "against_work_units": ("against honest work", "#4a86c8"),
}
STAKE_COLOURS = ("#2a9d5c", "#d0722b", "#7a5cc8")


def height(results: Results) -> int:
    """How much room it takes, in pixels; 0 where nothing of it was played."""
    return HEAD + ROW * max(len(results.players), 6) + 40 if results.players else 0


def lines(results: Results, top: float) -> Iterator[str]:
    """The chart's elements from a height on."""
    if results.players:
        yield from _gains(results.players, top)
        yield from _costs(results.safety, top, LEFT + WIDE + GAP)


def _text(x: float, y: float, words: str, anchor: str = "start", colour: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float, colour: str = INK, opacity: float = 1.0) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" '
        f'stroke="{colour}" stroke-width="2" stroke-opacity="{opacity}"/>'
    )


# -- gains


def _gains(players: Sequence[PlayerResult], top: float) -> Iterator[str]:
    figures: list[Figure] = [getattr(each, name) for each in players for name in MEASURES]
    low, high = min(0.0, *(each.low for each in figures)), max(0.0, *(each.high for each in figures))
    span = (high - low) or 1.0
    bottom = top + HEAD + ROW * len(players)

    def across(units: float) -> float:
        return LEFT + WIDE * (units - low) / span

    yield _text(LEFT, top + 20, "units gained by who plays the rules")
    for place, (words, colour) in enumerate(MEASURES.values()):
        yield _text(LEFT + 170 * place, top + 40, words, colour=colour)
    yield _line(across(0), top + HEAD - 10, across(0), bottom, opacity=0.4)
    for units in (low, 0.0, high):
        yield _text(across(units), bottom + 16, f"{units:.0f}", "middle")
    for row, player in enumerate(players):
        y = top + HEAD + ROW * (row + 0.5)
        yield _text(LEFT - 14, y + 4, player.name, "end")
        for place, (name, (_, colour)) in enumerate(MEASURES.items()):
            figure: Figure = getattr(player, name)
            at = y + 8 * place - 4
            yield _line(across(figure.low), at, across(figure.high), at, colour)
            yield f'<circle cx="{across(figure.mean):.1f}" cy="{at:.1f}" r="4" fill="{colour}"/>'


# -- costs


def _costs(costs: Sequence[Cost], top: float, left: float) -> Iterator[str]:
    records = sorted({cost.record for cost in costs})
    stakes = list(dict.fromkeys(cost.stake for cost in costs))
    most = max((cost.votes.mean for cost in costs), default=0.0) or 1.0
    bottom = top + HEAD + ROW * 6

    def at(cost: Cost) -> tuple[float, float]:
        across = records.index(cost.record) / max(1, len(records) - 1)
        return left + WIDE * across, bottom - ROW * 6 * cost.votes.mean / most

    yield _text(left, top + 20, "votes a task, by tasks done before and by stake")
    for votes in (0.0, most):
        y = bottom - ROW * 6 * votes / most
        yield _line(left, y, left + WIDE, y, opacity=0.3)
        yield _text(left - 8, y + 4, f"{votes:.1f}", "end")
    for place, record in enumerate(records):
        yield _text(left + WIDE * place / max(1, len(records) - 1), bottom + 16, str(record), "middle")
    for place, stake in enumerate(stakes):
        colour = STAKE_COLOURS[place % len(STAKE_COLOURS)]
        yield _text(left + 90 * place, top + 40, stake, colour=colour)
        points = [at(cost) for cost in costs if cost.stake == stake]
        for one, next_one in pairwise(points):
            yield _line(*one, *next_one, colour)
