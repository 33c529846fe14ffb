"""The report of `trust explain --provenance` on a wrong result: as lines of text, as JSON, and as a picture in SVG."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from xml.sax.saxutils import escape

import msgspec

from trust.audit.provenance import PPM, Blame, Output
from trust.core.words import short

WORDS = {True: "right", False: "WRONG", None: "not judged"}
COLOURS = {True: "#2a9d5c", False: "#c8402a", None: "#808080"}
WIDE, HIGH, GAP_X, GAP_Y, EDGE = 190, 44, 60, 18, 12


def facts(blame: Blame) -> dict[str, Any]:
    """Returns the report as JSON values: `first_wrong` is a claim, or null."""
    return {
        "results": list(blame.results),
        "first_wrong": blame.first_wrong and blame.first_wrong.claim,
        "built_on": [output.claim for output in blame.built_on],
        "outputs": [msgspec.to_builtins(output) for output in blame.outputs],
    }


def lines(blame: Blame) -> Iterator[str]:
    """Yields the report for people."""
    counts = {good: sum(output.good is good for output in blame.outputs) for good in WORDS}
    counted = ", ".join(f"{count} {WORDS[good]}" for good, count in counts.items() if count)
    yield f"{len(blame.outputs)} outputs lead to {', '.join(_tasks(blame))}: {counted}."
    for output in blame.outputs:
        yield f"  {_name(output)}: {WORDS[output.good]}; {_check(output)}{_because(output)}"
    yield ""
    if blame.first_wrong is None:
        yield "None of them is known to be wrong."
    else:
        yield from _fault(blame, blame.first_wrong)


def _tasks(blame: Blame) -> Iterator[str]:
    results = set(blame.results)
    return (output.task for output in blame.outputs if output.claim in results)


def _fault(blame: Blame, wrong: Output) -> Iterator[str]:
    yield f"It went wrong in {wrong.task}: {wrong.worker} signed that output, claim {wrong.claim}, entry {wrong.index}."
    if wrong.sources:
        yield f"  Each of the {len(wrong.sources)} outputs that it was made from is {_worst(blame, wrong)}."
    else:
        yield "  It was made from no other output."
    yield f"  Its check: {_check(wrong)}."
    for vote in wrong.votes:
        yield f"    round {vote.round}: {vote.verifier} {f'said {vote.verdict}' if vote.verdict else 'said nothing'}"
    if wrong.losses:
        for party, units in wrong.losses:
            yield f"  It cost {party} {units} units."
    else:
        yield f"  It has cost nobody anything; its claim is {wrong.state}."
    if wrong.open_until_ms:
        yield f"  It can be challenged until {wrong.open_until_ms}."
    elif wrong.state == "accepted":
        yield "  The time for challenges is over, and it stays accepted."
    if not blame.built_on:
        yield "  Nothing was made from it."
        return
    yield f"  Made from it since, and to be looked at again: {len(blame.built_on)} outputs."
    for output in blame.built_on:
        yield f"    {_name(output)}, {output.state}"


def _worst(blame: Blame, wrong: Output) -> str:
    judged = {output.claim: output.good for output in blame.outputs}
    return "right" if all(judged[source] for source in wrong.sources) else "right, or was not judged"


def _name(output: Output) -> str:
    return short(f"{output.task} by {output.worker} (entry {output.index})")


def _check(output: Output) -> str:
    """How an output was checked, or with what chance it was not."""
    skipped = f"{100 - output.rate_ppm / PPM * 100:.1f} %"
    if output.checked is None:
        return f"not drawn yet; with a chance of {skipped} it will not be checked"
    if not output.checked:
        return f"skipped, the chance of which was {skipped}"
    verdicts = [vote.verdict or "nothing" for vote in output.votes]
    return f"checked, its panel said {', '.join(verdicts)}" if verdicts else "checked"


def _because(output: Output) -> str:
    return f" ({output.why})" if output.why else ""


# -- the picture


def svg(blame: Blame) -> str:
    """Returns the outputs as boxes, those that nothing else led to on the left, and an arrow from each to what was made
    from it."""
    outputs = [*blame.outputs, *(each for each in blame.built_on if each not in blame.outputs)]
    places = _places(outputs)
    columns = 1 + max((column for column, _ in places.values()), default=0)
    rows = 1 + max((row for _, row in places.values()), default=0)
    width, height = EDGE * 2 + columns * (WIDE + GAP_X) - GAP_X, EDGE * 2 + rows * (HIGH + GAP_Y) - GAP_Y
    body = [*_arrows(outputs, places), *_boxes(blame, outputs, places)]
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, *body, "</svg>", ""])


def _places(outputs: Iterable[Output]) -> dict[str, tuple[int, int]]:
    """Returns the column of each claim, one more than that of whatever it was made from, and its row there."""
    places: dict[str, tuple[int, int]] = {}
    used: dict[int, int] = {}
    for output in sorted(outputs, key=lambda each: each.index):
        column = 1 + max((places[source][0] for source in output.sources if source in places), default=-1)
        places[output.claim] = column, used.get(column, 0)
        used[column] = used.get(column, 0) + 1
    return places


def _corner(place: tuple[int, int]) -> tuple[int, int]:
    column, row = place
    return EDGE + column * (WIDE + GAP_X), EDGE + row * (HIGH + GAP_Y)


def _arrows(outputs: Iterable[Output], places: dict[str, tuple[int, int]]) -> Iterator[str]:
    for output in outputs:
        x, y = _corner(places[output.claim])
        for source in output.sources:
            if source in places:
                from_x, from_y = _corner(places[source])
                yield (
                    f'<path d="M{from_x + WIDE} {from_y + HIGH // 2} C{from_x + WIDE + GAP_X // 2} {from_y + HIGH // 2}'
                    f' {x - GAP_X // 2} {y + HIGH // 2} {x} {y + HIGH // 2}" stroke="#808080" fill="none"/>'
                )


def _boxes(blame: Blame, outputs: Iterable[Output], places: dict[str, tuple[int, int]]) -> Iterator[str]:
    first = blame.first_wrong and blame.first_wrong.claim
    for output in outputs:
        x, y = _corner(places[output.claim])
        thick = 4 if output.claim == first else 1.5
        yield (
            f'<rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="6" fill="none"'
            f' stroke="{COLOURS[output.good]}" stroke-width="{thick}"/>'
        )
        for down, text in ((18, output.task[:28]), (35, short(f"{output.worker}: {WORDS[output.good]}"))):
            yield f'<text x="{x + 8}" y="{y + down}" fill="#808080">{escape(text)}</text>'
