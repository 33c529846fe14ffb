"""The pictures of docs/explorer.md, taken in Chromium from the network that `trust demo` plays; that of statistics from
one with two days behind it.

`uv run python -m tests.web.pictures` plays both, which takes a minute, and takes all of them.
"""

from __future__ import annotations

import base64
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.api.processes import serving
from tests.storage.stores import SqlStore
from tests.tables import make_tables
from tests.web.browser import launched
from tests.web.past import HOUR_MS, played, signed
from trust import clock
from trust.storage.engine import Database

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
MAX_BYTES = 80_000
WIDTH = 900
MARGIN = 16
HOURS, CASES = 46, 2
"""How long the past is, and about how many cases an hour has."""
_TOLD = re.compile(r"log key (?P<vkey>\S+)|the lie +(?P<url>http://\S+)/claims/(?P<claim>\S+)")


class Picture(NamedTuple):
    """What a picture shows: a page, from one of its elements down to another, which is left out; of the demo's network,
    or of one with a past."""

    name: str
    path: str
    begins: str
    ends: str
    of_past: bool = False


def pictures(claim: str, liar: str) -> list[Picture]:
    """What is shown of a network, in the order of docs/explorer.md."""
    case = f"/claims/{claim}"
    return [
        Picture("claim", case, "body", "h2:text('The draw')"),
        Picture("draw", case, "h2:text('The draw')", "h2:text('The money')"),
        Picture("money", case, "h2:text('The money')", "h2:text('The output')"),
        Picture("agent", f"/agents/{liar}", "body", "h2:text('Money')"),
        Picture("statistics", "/stats", "body", "h2:text('Where the units lie')", of_past=True),
        Picture("verify", "/entries/0", "[data-verify]", "footer"),
    ]


def main() -> None:
    """Takes every picture; fails where one is too large."""
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as driver, launched(driver) as browser:
        with _played() as told:
            page = _page(browser, told["url"])
            worker = page.request.get(f"/v1/claims/{told['claim']}").json()["worker"]
            chosen = pictures(told["claim"], worker)
            for picture in (each for each in chosen if not each.of_past):
                page.goto(picture.path, wait_until="load")
                if picture.name == "verify":
                    _verified(page, told["vkey"])
                _keep(picture, _taken(page, picture))
        with _lived() as url:
            page = _page(browser, url)
            for picture in (each for each in chosen if each.of_past):
                page.goto(picture.path, wait_until="load")
                _keep(picture, _taken(page, picture))


def _page(browser: Browser, url: str) -> Page:
    return browser.new_page(base_url=url, viewport={"width": WIDTH, "height": 800})


@contextmanager
def _lived() -> Iterator[str]:
    """The address of a service over a network with a past."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'trust.db'}"
        make_tables(url)
        database = Database(url)
        town = played(database, clock.now_ms() - HOURS * HOUR_MS, HOURS, CASES)
        assert isinstance(town.net.store, SqlStore)
        town.net.store.close()
        signed(database, folder)
        database.close()
        with serving(folder, url, "") as (running, _):
            yield running.base_url


@contextmanager
def _played() -> Iterator[dict[str, str]]:
    """A demo that was played and goes on serving: its address, its log's key and the claim of its liar."""
    with TemporaryDirectory() as folder:
        program = "from trust.cli import main; main()"
        command = [sys.executable, "-c", program, "demo", "--open", "--data", f"{folder}/demo"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
            told: dict[str, str] = {}
            for line in demo.stdout or ():
                if found := _TOLD.search(line):
                    told |= {name: word for name, word in found.groupdict().items() if word}
                if "claim" in told:
                    break
            try:
                yield told
            finally:
                demo.send_signal(signal.SIGINT)


def _verified(page: Page, vkey: str) -> None:
    section = page.locator("[data-verify]")
    section.get_by_label("The log's verifier key").fill(vkey)
    section.get_by_role("button", name="Verify").click()
    expect(section.locator("[data-verdict=proven]")).to_be_visible()


def _keep(picture: Picture, data: bytes) -> None:
    assert len(data) <= MAX_BYTES, (picture.name, len(data))
    (FOLDER / f"{picture.name}.webp").write_bytes(data)
    print(f"{picture.name}: {len(data):,} bytes")


def _taken(page: Page, picture: Picture) -> bytes:
    """The bytes of a picture, as WebP."""
    top = _top(page, picture.begins)
    bottom = _top(page, picture.ends)
    clip = {"x": 0, "y": top, "width": WIDTH, "height": bottom - top, "scale": 1}
    asked = {"format": "webp", "quality": 50, "clip": clip, "captureBeyondViewport": True}
    answer = page.context.new_cdp_session(page).send("Page.captureScreenshot", asked)
    return base64.b64decode(answer["data"])


def _top(page: Page, selector: str) -> float:
    """Where an element begins, in pixels of the page, with some room above it."""
    top: float = page.locator(selector).first.evaluate("each => each.getBoundingClientRect().y + scrollY")
    return max(0.0, top - MARGIN)


if __name__ == "__main__":
    main()
