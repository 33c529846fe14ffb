"""The pages in a real browser: followed live, read on a phone, by keyboard, in the dark, without a script, and proven.

Needs Chromium as a command (`apt-get install chromium`); Playwright drives it. Where there is none, this is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.api.house import House, found, settings_for
from tests.api.processes import serving
from tests.web.browser import CHROMIUM, launched
from trust.core import payloads

pytestmark = pytest.mark.journey

PHONE = {"width": 360, "height": 740}
PATIENCE_MS = 20_000


@dataclass
class Visit:
    """A running service and a browser."""

    url: str
    town: House
    browser: Browser
    vkey: str
    claim: str
    complaints: list[str] = field(default_factory=list)
    pages: dict[str, Page | None] = field(default_factory=dict)

    @contextmanager
    def page(self, **how: Any) -> Iterator[Page]:
        """The page of a visitor who remembers nothing, one for all who visit in the same way: each takes a process of
        the browser. What the browser complains about is kept."""
        page = self.pages.setdefault(repr(how), None) or self._opened(how)
        try:
            yield page
        finally:
            page.unroute_all()
            if how.get("java_script_enabled", True):
                page.evaluate("localStorage.clear()")
            page.goto("about:blank")

    def _opened(self, how: dict[str, Any]) -> Page:
        context = self.browser.new_context(base_url=self.url, **how)
        context.set_default_timeout(PATIENCE_MS)
        page = self.pages[repr(how)] = context.new_page()
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """A service as a process, with a rejected claim, and a browser."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    directory = tmp_path_factory.mktemp("browser")
    url = f"sqlite:///{directory / 'trust.db'}"
    windows: dict[str, Any] = {
        "score_epoch_ms": 600_000,
        "open_ms": 20_000,
        "commit_ms": 20_000,
        "reveal_ms": 20_000,
    }
    vkey = found(settings_for(directory, url), unbonding_ms=900_000, **windows)
    with serving(directory, url, vkey) as (running, town), sync_playwright() as driver:
        town.settle_in()
        rejected = town.checked("task-fail", "fail")
        with launched(driver) as browser:
            yield Visit(running.base_url, town, browser, vkey, rejected)


@pytest.fixture(autouse=True)
def without_complaints(visit: Visit) -> Iterator[None]:
    """No page may break its own content-security policy, or fail in its script."""
    visit.complaints.clear()
    yield
    assert visit.complaints == []


def test_without_a_script_a_search_leads_to_a_claim_and_its_story(visit: Visit) -> None:
    with visit.page(java_script_enabled=False) as page:
        page.goto("/")
        page.get_by_role("searchbox").fill(visit.claim)
        page.get_by_role("button", name="Search").click()
        expect(page).to_have_url(f"{visit.url}/claims/{visit.claim}")
        expect(page.get_by_text("The claim is rejected: the work failed.")).to_be_visible()
        expect(page.locator("[data-verify]")).to_be_hidden()


def test_a_claim_is_followed_to_its_verdict_without_a_reload(visit: Visit) -> None:
    town = visit.town
    claim = town.delivered("task-live")
    with visit.page() as page:
        page.goto(f"/claims/{claim}")
        page.evaluate("window.stayed = true")
        town.wait(lambda: town.get(f"/v1/claims/{claim}")["rounds"])
        town.done("/v1/outputs", town.say(payloads.OutputOpen, town.workers[0], claim=claim))
        expect(page.get_by_text("The verifiers commit to their verdicts")).to_be_visible()
        expect(page.locator(".due .left")).to_contain_text("in ")
        town.vote(claim, "fail")
        expect(page.locator("h1 .state")).to_have_text("rejected")
        assert page.evaluate("window.stayed")


SERIOUS = {"serious", "critical"}
EVERYTHING: dict[str, Any] = {"resultTypes": ["violations"]}
CONTRAST: dict[str, Any] = {**EVERYTHING, "runOnly": {"type": "rule", "values": ["color-contrast"]}}


@pytest.mark.parametrize("inspects", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_every_kind_of_page_fits_a_phone_and_axe_finds_nothing_serious_in_light_and_dark(
    visit: Visit, inspects: int
) -> None:
    """axe takes a second of CPU a page: it inspects those with most in them, or, where what is slow runs, all."""
    town = visit.town
    rich = ("/", f"/claims/{visit.claim}", f"/agents/{town.workers[0].did}")
    others = (
        "/claims", "/tasks", "/agents", "/relays", "/entries", "/stats", "/convictions", "/due", "/tasks/task-fail",
        f"/relays/{town.relay}", "/entries/30", "/policy", "/witnesses", "/search?q=task", "/claims/none",
    )  # fmt: skip
    found: dict[tuple[str, str], list[str]] = {}
    with visit.page(viewport=PHONE) as page:
        for number, path in enumerate((*rich, *others)):
            page.emulate_media(color_scheme="light")
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
            if number < inspects:
                page.evaluate(Axe().axe_script)
                found[path, "light"] = _serious(page, EVERYTHING)
                page.emulate_media(color_scheme="dark")
                found[path, "dark"] = _serious(page, CONTRAST)
    visit.complaints[:] = [
        each for each in visit.complaints if "404" not in each
    ]  # the page of an error is one
    assert {where: what for where, what in found.items() if what} == {}


def _serious(page: Page, options: dict[str, Any]) -> list[str]:
    """What axe-core finds on a page that keeps somebody from using it."""
    found = page.evaluate("async (options) => (await axe.run(document, options)).violations", options)
    return [
        f"{each['id']}: {node['html'][:120]}"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]


def test_the_keyboard_alone_reaches_the_content_and_the_search(visit: Visit) -> None:
    with visit.page() as page:
        page.goto("/")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="To the content")).to_be_focused()
        for _ in range(2):
            page.keyboard.press("Tab")
        page.keyboard.type("task-fail")
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{visit.url}/tasks/task-fail")


def test_who_likes_it_dark_gets_it_dark(visit: Visit) -> None:
    grounds = []
    with visit.page() as page:
        page.goto("/")
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(21, 24, 27)", "rgb(255, 255, 255)"]


def test_times_are_told_in_the_readers_zone_too(visit: Visit) -> None:
    with visit.page(timezone_id="Pacific/Auckland", locale="en-GB") as page:
        page.goto(f"/claims/{visit.claim}")
        expect(page.locator(".facts time").first).to_contain_text("UTC")
        expect(page.locator(".facts .zone").first).to_contain_text("here")


def test_an_entry_is_proven_in_the_page_and_another_logs_key_is_refused(visit: Visit) -> None:
    with visit.page() as page:
        page.goto(f"/claims/{visit.claim}")
        section = page.locator("[data-verify]")
        section.get_by_label("The log's verifier key").fill(visit.vkey)
        section.get_by_role("button", name="Verify").click()
        expect(section.locator("[data-verdict=proven]")).to_be_visible()
        expect(section.locator(".failed")).to_have_count(0)
        name, _, rest = visit.vkey.partition("+")
        section.get_by_label("The log's verifier key").fill(f"{name}.other+{rest}")
        section.get_by_role("button", name="Verify").click()
        expect(section.locator(".failed").first).to_be_visible()
        expect(section.locator("[data-verdict=proven]")).to_have_count(0)


def test_lists_and_files_are_proven_in_the_page_too_and_a_changed_file_is_refused(visit: Visit) -> None:
    bundle = visit.town.client.get(f"/v1/claims/{visit.claim}/bundle").content
    with visit.page() as page:
        page.goto("/agents")
        section = page.locator("[data-verify]")
        section.get_by_label("The log's verifier key").fill(visit.vkey)
        section.get_by_role("button", name="Verify").click()
        expect(section.locator("[data-verdict=proven]")).to_be_visible()
        expect(section.locator(".held", has_text="is on the log (")).to_have_count(
            len(visit.town.get("/v1/agents")["agents"])
        )
        files = section.locator("input[type=file]")
        files.set_input_files({"name": "case.json", "mimeType": "application/json", "buffer": bundle})
        expect(section.locator("[data-verdict=proven]")).to_contain_text("case.json: bundle")
        changed = bundle.replace(visit.claim.encode(), b"clm_" + b"a" * 26, 1)
        files.set_input_files({"name": "changed.json", "mimeType": "application/json", "buffer": changed})
        expect(section.locator("[data-verdict=refused]")).to_contain_text("REFUSED")
        page.evaluate(
            """async (text) => {
              const data = new DataTransfer();
              data.items.add(new File([text], "dropped.json"));
              document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
            }""",
            bundle.decode(),
        )
        expect(section.locator("[data-verdict=proven]")).to_contain_text("dropped.json: bundle")


def test_a_service_that_lies_about_an_entry_is_refused_in_the_page(visit: Visit) -> None:
    other = visit.town.client.get("/v1/receipts/2").text
    with visit.page() as page:
        page.route(
            "**/v1/receipts/3", lambda route: route.fulfill(body=other, content_type="application/json")
        )
        page.goto("/entries/3")
        section = page.locator("[data-verify]")
        section.get_by_label("The log's verifier key").fill(visit.vkey)
        section.get_by_role("button", name="Verify").click()
        expect(section.locator(".failed")).to_contain_text("it is entry 2")
        expect(section.locator("[data-verdict=proven]")).to_have_count(0)
