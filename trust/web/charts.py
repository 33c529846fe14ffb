"""Charts as paths of SVG, drawn here: a page needs no script for them, and one path holds all bars of a series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from trust.core.rate import percent
from trust.web.words import units

WIDTH = 480
HEIGHT = 96
PPM = 1_000_000
OTHER_ENDS = ("voided", "abandoned", "expired")


class Chart(NamedTuple):
    """A chart: its title, the names of its series with their classes, a path of each, its largest value, and all of it
    in a sentence."""

    title: str
    keys: list[tuple[str, str]]
    paths: list[tuple[str, str]]
    most: str
    said: str


class Series(NamedTuple):
    """What is drawn in one colour: its name, its class, and a value for each period."""

    name: str
    mark: str
    values: list[int]


def of(periods: Sequence[dict[str, Any]], slots: int) -> list[Chart]:
    """The charts of some periods, the earlier first, at the right end of so many slots."""
    if not periods:
        return []

    def values(name: str) -> list[int]:
        return [*before, *(each[name] or 0 for each in periods)]

    before = [0] * (slots - len(periods))
    others = [sum(each) for each in zip(*map(values, OTHER_ENDS), strict=True)]
    return [
        _bars("Entries", [Series("entries", "plain-bar", values("entries"))]),
        _bars("Tasks that were posted", [Series("tasks", "plain-bar", values("tasks"))]),
        _bars(
            "Claims that ended",
            [
                Series("accepted", "good-bar", values("accepted")),
                Series("rejected", "bad-bar", values("rejected")),
                Series("otherwise", "faint-bar", others),
            ],
        ),
        _shares("Outputs that the draw had checked", values("checked_ppm")),
        _bars("Units that slashes took", [Series("units", "bad-bar", values("slashed_units"))]),
        _area("Pool of fees, in units", values("pool_units")),
        _shares("Coordination's share of claims' lives", values("coordination_ppm")),
        _bars("Agents that registered", [Series("agents", "plain-bar", values("registered"))]),
    ]


def _bars(title: str, series: Sequence[Series]) -> Chart:
    """Bars, one upon the other; the highest stack fills the height."""
    stacks = [sum(each) for each in zip(*(one.values for one in series), strict=True)]
    most = max(stacks, default=0)
    below = [0] * len(stacks)
    paths = []
    for one in series:
        paths.append((one.mark, _path(below, one.values, most)))
        below = [low + value for low, value in zip(below, one.values, strict=True)]
    totals = ", ".join(f"{units(sum(one.values))} {one.name}" for one in series)
    keys = [(one.name, one.mark) for one in series] if len(series) > 1 else []
    return Chart(title, keys, paths, f"at most {units(most)}", f"{title}: {totals}; at most {units(most)}")


def _shares(title: str, values: list[int]) -> Chart:
    """Bars whose height is a share of the whole."""
    most = max(values, default=0)
    path = _path([0] * len(values), values, PPM)
    said = f"{title}: at most {percent(most)}, in the end {percent(values[-1])}"
    return Chart(title, [], [("plain-bar", path)], "of 100 %", said)


def _area(title: str, values: list[int]) -> Chart:
    """What lay there at the end of each period."""
    most = max(values, default=0)
    path = _path([0] * len(values), values, most, gap=False)
    said = f"{title}: {units(values[-1])} in the end, at most {units(most)}"
    return Chart(title, [], [("plain-bar", path)], f"{units(values[-1])} now, at most {units(most)}", said)


def _path(below: Sequence[int], values: Sequence[int], most: int, *, gap: bool = True) -> str:
    """A rectangle for each value that is not 0; what is there is never less than one unit high."""
    parts = []
    slot = WIDTH / len(values)
    width = slot * (0.8 if gap else 1)
    for at, (low, value) in enumerate(zip(below, values, strict=True)):
        if value > 0 < most:
            high = max(1.0, value * HEIGHT / most)
            bottom = HEIGHT - low * HEIGHT / most
            parts.append(f"M{at * slot:.4g} {bottom:.4g}v{-high:.4g}h{width:.4g}v{high:.4g}z")
    return "".join(parts)
