"""The figures as one SVG: a row a world, a panel a measure, a mark a scheme with its interval.

Shares stand on a square-root scale, so that a tenth of a percent and a fifth can both be seen. Colours are mid-tones
on no background: legible on light and on dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

import msgspec

from trust.simulation import player_chart
from trust.simulation.running import RULES, SCHEMES, Results, WorldResult
from trust.simulation.tally import Figure

ROW, TOP, LEFT, WIDE, GAP = 26, 76, 170, 190, 34
INK = "#808080"
COLOURS = dict(zip(SCHEMES, ("#2a9d5c", "#9a8f97", "#d0722b", "#4a86c8"), strict=True))


class Panel(msgspec.Struct, frozen=True):
    """One measure with the values its scale shows; `power` 0.5 draws square roots."""

    measure: str
    title: str
    ticks: tuple[float, ...]
    power: float
    percent: bool

    def across(self, value: float) -> float:
        """Where a value stands, in pixels from the panel's left; outside its scale at the edge."""
        most = self.ticks[-1]
        return WIDE * float((min(max(value, 0.0), most) / most) ** self.power)


PANELS = (
    Panel("bad_accepted", "bad outputs accepted", (0, 0.005, 0.02, 0.05, 0.1, 0.2), 0.5, True),
    Panel("honest_rejected", "honest work rejected", (0, 0.005, 0.02, 0.05, 0.1, 0.2), 0.5, True),
    Panel("checks_per_task", "votes a task", (0, 1, 2, 3, 4), 1.0, False),
)


def svg(results: Results) -> str:
    """The chart as the text of an SVG file."""
    bottom = TOP + ROW * len(results.worlds) + 40 if results.worlds else 0
    height = bottom + player_chart.height(results)
    width = LEFT + len(PANELS) * (WIDE + GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" fill="{INK}"',
        f' width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
        *(_worlds(results) if results.worlds else ()),
        *player_chart.lines(results, bottom),
    ]
    return "\n".join([*lines, "</svg>", ""])


def _worlds(results: Results) -> Iterator[str]:
    size = results.size
    yield text(
        8, 20, f"policy {results.policy}: {size.workers} workers x {size.tasks} tasks, {size.seeds} seeds"
    )
    yield from _legend()
    yield from _names(results.worlds)
    for place, panel in enumerate(PANELS):
        yield from _panel(panel, LEFT + place * (WIDE + GAP), results.worlds)


def text(x: float, y: float, words: str, anchor: str = "start") -> str:
    """Words at a place, in pixels."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _legend() -> Iterator[str]:
    for place, (scheme, colour) in enumerate(COLOURS.items()):
        x = LEFT + place * 150
        yield f'<circle cx="{x}" cy="36" r="{_radius(scheme)}" fill="{colour}"/>'
        yield text(x + 10, 40, scheme)


def _names(worlds: Sequence[WorldResult]) -> Iterator[str]:
    for row, result in enumerate(worlds):
        yield text(LEFT - 14, _middle(row) + 4, result.world.name, "end")


def _middle(row: int) -> float:
    return TOP + ROW * (row + 0.5)


def _panel(panel: Panel, left: float, worlds: Sequence[WorldResult]) -> Iterator[str]:
    bottom = TOP + ROW * len(worlds)
    yield text(left, TOP - 12, panel.title)
    for tick in panel.ticks:
        x = left + panel.across(tick)
        yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="{INK}" stroke-opacity="0.3"/>'
        label = f"{tick * 100:g}%" if panel.percent else f"{tick:g}"
        yield text(x, bottom + 16, label, "middle")
    for row, result in enumerate(worlds):
        for scheme in reversed(SCHEMES):
            yield from _mark(panel, left, row, scheme, result.schemes[scheme][panel.measure])


def _mark(panel: Panel, left: float, row: int, scheme: str, figure: Figure) -> Iterator[str]:
    low, middle, high = (left + panel.across(value) for value in (figure.low, figure.mean, figure.high))
    colour, y = COLOURS[scheme], _middle(row)
    yield f'<line x1="{low:.1f}" y1="{y}" x2="{high:.1f}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
    yield f'<circle cx="{middle:.1f}" cy="{y}" r="{_radius(scheme)}" fill="{colour}"/>'


def _radius(scheme: str) -> float:
    return 5.0 if scheme == RULES else 3.5
