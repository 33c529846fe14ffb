"""The attacks as one SVG: for each the share spoiled over time under every score, and the newcomers' way up.

Shares stand on a square-root scale. Colours are mid-tones on no background: legible on light and on dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trust.simulation.attacking import SCHEMES, WAY_UP_DAYS, AttackResult, Results
from trust.simulation.attacks import PPM
from trust.simulation.chart import INK, text
from trust.simulation.running import RULES

WIDE, HIGH, GAP, TOP, LEFT, ACROSS = 190, 110, 44, 96, 44, 3
COLOURS = dict(
    zip(
        SCHEMES,
        ("#9a8f97", "#4a86c8", "#8a6fc0", "#d0722b", "#c05a7a", "#b09020", "#2a9d5c"),
        strict=True,
    )
)
TICKS = (0.0, 0.02, 0.1, 0.3, 0.6)
Points = Sequence[tuple[float, float]]


def svg(results: Results) -> str:
    """The chart of the largest share of malicious agents up to 30 %, or of the least, as the text of an SVG file."""
    shares = sorted({each.malicious_ppm for each in results.attacks})
    share = max([each for each in shares if each <= 300_000] or shares[:1])
    there = [each for each in results.attacks if each.malicious_ppm == share]
    rows = -(-(len(there) + 1) // ACROSS)
    width, height = LEFT + ACROSS * (WIDE + GAP), TOP + rows * (HIGH + GAP + 14)
    scale = results.scale
    played = f"{scale.agents} agents, {scale.seeds} seeds, policy {results.policy}"
    title = f"tasks spoiled at {share * 100 // PPM} % malicious agents: {played}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" fill="{INK}"',
        f' width="{width}" height="{height}" font-family="sans-serif" font-size="11">',
        text(8, 20, title),
        *_legend(),
    ]
    for place, each in enumerate(there):
        lines += _spoiled(each, *_corner(place), scale.days)
    lines += _way_up(there, *_corner(len(there)))
    return "\n".join([*lines, "</svg>", ""])


def _corner(place: int) -> tuple[float, float]:
    row, column = divmod(place, ACROSS)
    return LEFT + column * (WIDE + GAP), TOP + row * (HIGH + GAP + 14)


def _legend() -> Iterator[str]:
    for place, (scheme, colour) in enumerate(COLOURS.items()):
        row, column = divmod(place, 4)
        x, y = LEFT + column * 165, 40 + 18 * row
        yield f'<line x1="{x}" y1="{y}" x2="{x + 16}" y2="{y}" stroke="{colour}" stroke-width="{_stroke(scheme)}"/>'
        yield text(x + 22, y + 4, scheme)


def _stroke(scheme: str) -> float:
    return 3.0 if scheme == RULES else 1.5


def _root(share: float) -> float:
    """How high a share stands, from 0 to 1."""
    return float((min(share, TICKS[-1]) / TICKS[-1]) ** 0.5)


def _line(points: Points, left: float, top: float, colour: str, stroke: float) -> str:
    at = " ".join(f"{left + x * WIDE:.1f},{top + (1 - y) * HIGH:.1f}" for x, y in points)
    return f'<polyline points="{at}" fill="none" stroke="{colour}" stroke-width="{stroke}"/>'


def _spoiled(result: AttackResult, left: float, top: float, days: int) -> Iterator[str]:
    yield text(left, top - 6, result.attack.name)
    for tick in TICKS:
        yield from _grid(left, top, _root(tick), f"{tick:.0%}")
    for scheme, shares in result.over_time.items():
        points = [((place + 0.5) / len(shares), _root(share)) for place, share in enumerate(shares)]
        yield _line(points, left, top, COLOURS[scheme], _stroke(scheme))
    yield text(left + WIDE, top + HIGH + 13, f"day {days}", "end")


def _way_up(there: Sequence[AttackResult], left: float, top: float) -> Iterator[str]:
    """The share of newcomers, over all attacks, that had ten tasks so many days after they joined."""
    yield text(left, top - 6, "newcomers with ten tasks")
    for tick in (0.0, 0.5, 1.0):
        yield from _grid(left, top, tick, f"{tick:.0%}")
    means = [sum(shares) / len(there) for shares in zip(*(each.way_up for each in there), strict=True)]
    points = [(day / WAY_UP_DAYS, share) for day, share in enumerate(means)]
    yield _line(points, left, top, COLOURS[RULES], _stroke(RULES))
    yield text(left + WIDE, top + HIGH + 13, f"{WAY_UP_DAYS} days", "end")


def _grid(left: float, top: float, high: float, label: str) -> Iterator[str]:
    y = top + (1 - high) * HIGH
    yield (
        f'<line x1="{left:.1f}" y1="{y:.1f}" x2="{left + WIDE:.1f}" y2="{y:.1f}" '
        f'stroke="{INK}" stroke-opacity="0.3"/>'
    )
    yield text(left - 4, y + 4, label, "end")
