"""Every free text tries to be markup, and is shown as text: of each kind of statement and event, and of what else pages
show that others wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import pytest
from playwright.sync_api import Route, expect, sync_playwright
from sqlalchemy import insert

from tests.api.house import found, settings_for
from tests.asgi import client_of
from tests.services.statements import Party
from tests.web import hostile
from tests.web.browser import CHROMIUM, launched
from tests.web.documents import Document, read
from tests.web.hostile import markup
from trust import app
from trust.core import payloads
from trust.core.policy import Policy
from trust.services.cosigning import QuorumState, WitnessState
from trust.storage import tables
from trust.storage.reading import reading
from trust.storage.unit import aside
from trust.verify.scores import AgentScores
from trust.web import network
from trust.web.rendering import POLICY, whole

OWN = {
    "a", "body", "button", "caption", "circle", "code", "dd", "details", "div", "dl", "dt", "figcaption", "figure",
    "footer", "form", "h1", "h2", "h3", "head", "header", "html", "input", "label", "li", "link", "main", "meta",
    "meter", "nav", "noscript", "ol", "p", "path", "pre", "rect", "script", "section", "span", "strong", "summary",
    "svg", "table", "tbody", "td", "textarea", "th", "thead", "time", "title", "tr", "ul",
}  # fmt: skip
"""The elements that pages are made of; `b` and `img` are not among them."""
FREE = frozenset(
    {
        "agent.revoke.reason",
        "canary.open.leaf",
        "canary.open.path",
        "canary.open.preimage",
        "evidence.submit.notes",
        "evidence.submit.statements",
        "items.open.items.leaf",
        "items.open.items.path",
        "output.submit.artifacts.name",
        "output.submit.artifacts.uri",
        "policy.adopt.toml",
        "policy.witnesses.quorum",
        "relay.attest.statement",
        "task.post.references.value",
        "task.post.spec_uri",
        "verdict.challenge.reason",
        "vote.reveal.items.leaf",
        "vote.reveal.salt",
    }
)
"""Beside `network`, which is the log's own name, the fields of statements whose text may hold markup.

Whoever adds one looks at where pages show it: the page of its entry is tried here, there may be others."""


class Served(NamedTuple):
    """A service over a log of hostile texts, and the indexes of its entries by kind."""

    client: Any
    indexes: dict[str, int]
    parts: app.App


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("hostile")
    url = f"sqlite:///{directory / 'trust.db'}"
    settings = settings_for(directory, url)
    found(settings)
    indexes = hostile.append(directory, url)
    parts = app.build(settings)
    with client_of(parts) as client:
        yield Served(client, indexes, parts)


def _checked(path: str, answer: Any) -> Document:
    """A page as a browser takes it apart: every element and attribute in it is of our own making."""
    assert answer.headers["content-security-policy"] == POLICY, path
    assert answer.headers["content-type"] == "text/html; charset=utf-8", path
    return _own(path, answer.text)


def _own(path: str, text: str) -> Document:
    document = read(path, text)
    assert document.wrong == [], path
    assert {tag for tag, _ in document.elements} <= OWN, path
    assert all(not name.startswith("on") for _, given in document.elements for name in given), path
    return document


def test_every_field_that_may_hold_markup_is_known() -> None:
    free = {each for name, kind in payloads.KINDS.items() for each in hostile.free_texts(kind, name)}
    free |= set(hostile.free_texts(Policy, "policy"))
    assert {each for each in free if not each.endswith(".network")} == FREE


@pytest.mark.parametrize(
    ("pattern", "free"),
    [
        (None, True),
        (r"^[a-z]+$(?!\n)", False),
        (r"^(a|b<)$", True),
        (r"^[^a]$", True),
        (r"^.$", True),
        (r"^[!-~]{1,9}$", True),
        (r"^(rly_[a-z2-7]{26})?$", False),
        (r"^\S$", True),
    ],
)
def test_a_pattern_that_lets_markup_in_is_seen(pattern: str | None, free: bool) -> None:
    assert hostile.admits_markup(pattern) is free


def test_the_page_of_every_kind_of_statement_shows_its_texts_as_text(served: Served) -> None:
    for name, kind in payloads.KINDS.items():
        path = f"/entries/{served.indexes[name]}"
        document = _checked(path, served.client.get(path))
        for field in set(hostile.free_texts(kind, name)) - hostile.ENVELOPES:
            assert f"ran('{field}')" in document.text, field


def test_the_page_of_every_kind_of_event_and_the_log_show_their_texts_as_text(served: Served) -> None:
    shown = 0
    for name, index in served.indexes.items():
        if name not in payloads.KINDS:
            path = f"/entries/{index}"
            shown += _checked(path, served.client.get(path)).text.count(f"ran('{name}.")
    assert shown > len(served.indexes)
    path = "/entries"
    while path:
        document = _checked(path, served.client.get(path))
        path = document.after


def test_what_a_witness_calls_itself_and_says_is_text(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = WitnessState(markup("url"), (markup("name"),), "refused", markup("reason"), -1)
    monkeypatch.setattr(network, "cosigned_head", lambda _: (True, None))
    with reading(served.parts.database) as reader:
        page = network.witnesses_page(reader, QuorumState(1, (state,)))
        page = replace(page, data={**page.data, "lines": (markup("lines"),)})
        document = _own("/witnesses", whole(page, reader, "/witnesses", "").decode())
    for place in ("name", "reason", "lines"):
        assert markup(place) in document.text, place


def test_what_another_network_calls_itself_is_text(served: Served) -> None:
    operator = served.client.get("/v1/policy").json()["operator"]
    shown = AgentScores(markup("network"), operator, 0, 0, 0, "", ())
    with aside(served.parts.database) as connection:
        row = {"agent": operator, "network": "elsewhere", "shown": msgspec.json.encode(shown).decode()}
        connection.execute(insert(tables.Elsewhere).values(row))
    path = f"/agents/{operator}"
    assert markup("network") in _checked(path, served.client.get(path)).text


@pytest.mark.parametrize("place", ["/search?q=", "/claims/", "/tasks/", "/agents/", "/relays/", "/entries/"])
def test_what_a_caller_asks_for_is_text_wherever_it_is_said_back(served: Served, place: str) -> None:
    answer = served.client.get(f"{place}{hostile.quoted(markup('asked'))}")
    assert answer.status_code in (200, 400, 404)
    _checked(place, answer)


def test_a_blob_is_a_file_to_save_and_never_a_page(served: Served) -> None:
    data = f"<!doctype html><script>{markup('blob')}</script>".encode()
    digest = sha256(data).hexdigest()
    served.parts.service.blobs.put(digest, data, Party("worker 0").did)
    answer = served.client.get(f"/v1/blobs/{digest}")
    assert (answer.status_code, answer.content) == (200, data)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_json_that_pages_link_is_never_taken_for_a_page(served: Served) -> None:
    index = served.indexes["agent.revoke"]
    for path in (f"/v1/receipts/{index}", "/v1/entries", f"/v1/search?q={hostile.quoted(markup('q'))}"):
        answer = served.client.get(path)
        assert answer.headers["content-type"].startswith(("application/json", "application/problem+json")), (
            path
        )
        assert answer.headers["x-content-type-options"] == "nosniff", path


@pytest.mark.journey
def test_nothing_of_it_runs_in_chromium_not_of_a_file_that_is_dropped_either(served: Served) -> None:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    kinds = sorted({".".join(field.split(".")[:2]) for field in FREE} & payloads.KINDS.keys())
    together = _together([f"/entries/{served.indexes[kind]}" for kind in kinds], served)
    word = hostile.quoted(markup("word"))
    complaints: list[str] = []
    with sync_playwright() as driver, launched(driver) as browser:
        page = browser.new_page()
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.add_init_script("window.ran = (place) => console.error(`ran ${place}`)")
        page.route("**/*", lambda route: _answered(served, together, route))
        for path in (TOGETHER, "/entries", f"/search?q={word}", f"/?after={word}"):
            page.goto(f"http://trust.example{path}")
            assert page.locator("[onload], [onerror], img, b").count() == 0, path
            assert path != TOGETHER or page.locator("main").count() == len(kinds)
        page.goto("http://trust.example/entries/0")
        section = page.locator("[data-verify]")
        section.get_by_label("The log's verifier key").fill(served.client.get("/version").json()["vkey"])
        receipt = served.client.get(f"/v1/receipts/{served.indexes['agent.revoke']}").content
        for content in (receipt, markup("file").encode()):
            dropped = {"name": f"{markup('name')}.json", "mimeType": "application/json", "buffer": content}
            section.locator("input[type=file]").set_input_files(dropped)  # type: ignore[arg-type]
            expect(section.locator("[data-verdict]").last).to_be_visible()
        assert page.locator("[onload], [onerror], img, b").count() == 0
    assert complaints == []


TOGETHER = "/entries/together"


def _together(paths: list[str], served: Served) -> bytes:
    """The first of these pages, with what is in the others after it: to load a page takes a fifth of a second."""
    first, *others = (served.client.get(path).text for path in paths)
    mains = [text[text.index("<main") : text.index("</main>") + len("</main>")] for text in others]
    return str(first).replace("</main>", "".join(["</main>", *mains]), 1).encode()


def _answered(served: Served, together: bytes, route: Route) -> None:
    """Has the browser get from the service in this process what it asks for; the stream of events has nothing."""
    address = urlsplit(route.request.url)
    if address.path == "/v1/events":
        route.fulfill(status=204)
        return
    if address.path == TOGETHER:
        answer = served.client.get("/entries")
        route.fulfill(status=200, headers=dict(answer.headers), body=together)
        return
    answer = served.client.get(f"{address.path}?{address.query}")
    route.fulfill(status=answer.status_code, headers=dict(answer.headers), body=answer.content)
