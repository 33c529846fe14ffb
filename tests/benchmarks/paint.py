"""First paint: how long after a visit begins Chromium shows the first text of a page, and what came over the wire.

Each visit is a stranger's: nothing is in the browser's cache. The time is `first-contentful-paint` of the browser's own
PerformancePaintTiming, with the service's work and the network of this machine in it. What a line of plain text takes
in the same way is the least that this browser needs here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from playwright.sync_api import Browser, sync_playwright

from tests.api.processes import serving
from tests.benchmarks.table import Row, at_most, figure, skipped
from tests.web.browser import CHROMIUM, launched

VISITS = 5
LINE = "/a-line-of-text"
TIMEOUT_MS = 60_000
GOAL_MS = 300.0
MAX_BYTES = 100_000
_PAINTED = """() => new Promise((resolve, reject) => {
  const look = () => {
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    if (paint) resolve(paint.startTime);
    else setTimeout(look, 20);
  };
  setTimeout(() => reject(new Error("nothing was painted")), 60_000);
  look();
})"""
_SENT = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .map((each) => each.transferSize).reduce((sum, each) => sum + each, 0)"""


class Visit(NamedTuple):
    """A page's first paint, and what it and the files that it loads took of the wire, heads of answers included."""

    ms: float
    bytes: int


def rows(folder: Path, url: str, vkey: str, paths: Mapping[str, str], size: str) -> list[Row]:
    """A row for each page, by its name, of a service over what is there; `size` says in words how much that is."""
    if CHROMIUM is None:
        return [skipped("first paint", "there is no Chromium here: apt-get install chromium")]
    with (
        serving(folder, url, vkey) as (running, _),
        sync_playwright() as driver,
        launched(driver) as browser,
    ):
        seen: dict[str, list[Visit]] = {LINE: [], **{path: [] for path in paths.values()}}
        _visited(browser, f"{running.base_url}/")  # both have begun
        for _ in range(VISITS):  # in turns: what else the machine does falls on all
            for path, visits in seen.items():
                visits.append(_visited(browser, f"{running.base_url}{path}"))
    line_ms = median(each.ms for each in seen[LINE])
    least = figure(f"first paint of a line of text, {size}", f"{line_ms:.0f} ms", "", line_ms / GOAL_MS)
    return [least, *(_row(name, seen[path]) for name, path in paths.items())]


def _row(name: str, visits: Sequence[Visit]) -> Row:
    ms, sent = median(each.ms for each in visits), max(each.bytes for each in visits)
    return at_most(
        f"first paint of {name}, median of {len(visits)}",
        f"{ms:.0f} ms, {sent / 1_000:.0f} KB",
        f"{GOAL_MS:g} ms, {MAX_BYTES // 1_000} KB",
        max(ms / GOAL_MS, sent / MAX_BYTES),
    )


def _visited(browser: Browser, url: str) -> Visit:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.route(
            f"**{LINE}",
            lambda route: route.fulfill(body="<!doctype html><p>A line", content_type="text/html"),
        )
        answer = page.goto(url, wait_until="load")
        assert answer is not None
        assert answer.status == 200, (url, answer.status)
        return Visit(page.evaluate(_PAINTED), page.evaluate(_SENT))
    finally:
        context.close()
