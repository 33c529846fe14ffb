"""The pages: all that is linked is there, valid and small, needs no script, and shows what agents wrote as text."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.web.conftest import ADDRESS, IMAGE, REFERENCE, SCRIPT, Network
from tests.web.documents import Document, read
from trust.web.network import page_of
from trust.web.rendering import POLICY

MAX_BYTES = 100_000
OWN = (
    "/",
    "/claims",
    "/tasks",
    "/agents",
    "/relays",
    "/entries",
    "/policy",
    "/witnesses",
    "/stats",
    "/convictions",
    "/due",
    "/search",
)


@pytest.fixture(scope="module")
def crawled(network: Network) -> dict[str, Any]:
    """The answers of everything that can be reached from the first page, by path."""
    answers: dict[str, Any] = {}
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        if path in answers:
            continue
        answer = answers[path] = network.house.client.get(path, follow_redirects=False)
        if _is_page(answer):
            links = read(path, answer.text).links
            waiting += [each for each in links if "min_size=" not in each and each not in answers]
    return answers


def _is_page(answer: Any) -> bool:
    return str(answer.headers.get("content-type", "")).startswith("text/html")


@pytest.fixture(scope="module")
def documents(crawled: dict[str, Any]) -> dict[str, Document]:
    """The pages among them, taken apart."""
    pages = {path: answer for path, answer in crawled.items() if _is_page(answer)}
    return {path: read(path, answer.text) for path, answer in pages.items() if path != "/schema"}


def test_every_link_leads_somewhere(crawled: dict[str, Any]) -> None:
    assert {path: each.status_code for path, each in crawled.items() if each.status_code != 200} == {}
    assert set(OWN) <= crawled.keys()
    for kind in ("claims/clm_", "tasks/task-", "agents/did:", "entries/", "relays/rly_", "v1/", "static/"):
        assert any(path.startswith(f"/{kind}") for path in crawled), kind


def test_pages_are_valid_load_nothing_from_elsewhere_and_have_no_inline_script_or_style(
    documents: dict[str, Document],
) -> None:
    assert {path: each.wrong for path, each in documents.items() if each.wrong} == {}
    for path, document in documents.items():
        assert document.count("main") == document.count("h1") == document.count("title") == 1, path


def test_pages_are_small_and_say_what_may_run(
    crawled: dict[str, Any], documents: dict[str, Document]
) -> None:
    for path in documents:
        answer = crawled[path]
        assert len(answer.content) < MAX_BYTES, path
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert int(answer.headers["trust-size"]) > 0
    assert "unsafe" not in POLICY


def test_every_page_of_the_log_has_its_title_its_json_and_a_link_that_names_the_size(
    crawled: dict[str, Any], documents: dict[str, Document]
) -> None:
    titles = {}
    for path, document in documents.items():
        json = [each for tag, each in document.elements if tag == "link" and each.get("rel") == "alternate"]
        assert len(json) == 1 or path == "/search", path
        size = crawled[path].headers["trust-size"]
        assert any(link.endswith(f"min_size={size}") for link in document.links), path
        titles[path] = document.text[: document.text.index("To the content")].strip()
    claims = [title for path, title in titles.items() if path.startswith("/claims/") and "?" not in path]
    assert len(set(claims)) == len(claims)


def test_a_permalink_shows_the_same_page(network: Network) -> None:
    page = network.page("/tasks?state=closed")
    [link] = re.findall(r'href="(/tasks\?[^"]*min_size=[0-9]+)"', page)
    assert link.startswith("/tasks?state=closed&amp;")
    assert "Tasks: closed" in network.page(link.replace("&amp;", "&"))


def test_tables_and_forms_are_named_for_who_cannot_see_them(documents: dict[str, Document]) -> None:
    for path, document in documents.items():
        labelled = {given.get("for") for tag, given in document.elements if tag == "label"}
        for tag, given in document.elements:
            if tag in ("input", "textarea"):
                assert given.get("id") in labelled, path
            elif tag == "th":
                assert given.get("scope") in ("col", "row"), path
            elif tag in ("meter", "svg"):
                assert given.get("aria-label"), path


def test_what_agents_wrote_is_text(network: Network, documents: dict[str, Document]) -> None:
    claim = read("/", network.page(f"/claims/{network.goes_on}"))
    assert SCRIPT in claim.text
    assert IMAGE in claim.text
    task = read("/", network.page("/tasks/task-markup"))
    assert ADDRESS in task.text
    assert REFERENCE in task.text
    output = network.house.get(f"/v1/claims/{network.goes_on}")["output"]["index"]
    entry = read("/", network.page(f"/entries/{output}"))
    assert SCRIPT in entry.text
    for path, document in documents.items():
        assert document.count("img") == document.count("b") == 0, path
        sources = {given.get("src") for tag, given in document.elements if tag == "script"}
        assert sources == {"/static/page.js"}, path


@pytest.mark.parametrize(
    "word", [SCRIPT, IMAGE, '"><script>alert(1)</script>', "\u202e\u0000x", "x" * 900, "a b"]
)
def test_a_search_for_markup_shows_it_as_text(network: Network, word: str) -> None:
    answer = network.house.client.get("/search", params={"q": word})
    assert answer.status_code == 200
    document = read("/search", answer.text)
    assert document.wrong == []
    assert document.count("img") == 0
    assert word.strip().replace("\u0000", "") in document.text.replace("\u0000", "").replace("\ufffd", "")


@pytest.mark.parametrize(
    "path",
    [
        "/claims/clm_" + "a" * 26, "/claims/<script>", "/tasks/nothing", "/tasks/%22%3E%3Cimg%20src=x%3E",
        "/agents/@nobody", "/agents/did:key:z6Mk", "/entries/999999", "/entries/" + "9" * 40, "/relays/rly_" + "a" * 26,
        "/policy?number=77",
    ],
)  # fmt: skip
def test_what_is_not_there_is_a_page_that_says_what_to_do(network: Network, path: str) -> None:
    answer = network.house.client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-security-policy"] == POLICY
    document = read(path, answer.text)
    assert document.wrong == []
    assert "What you can do" in document.text
    assert document.count("img") == 0


@pytest.mark.parametrize(
    "path",
    [
        "/claims?state=lost",
        "/tasks?after=!",
        "/entries?kind=<b>",
        "/entries?after=-3",
        "/agents?role=king",
        "/entries/x",
    ],
)
def test_a_parameter_that_is_wrong_is_a_page_too(network: Network, path: str) -> None:
    answer = network.house.client.get(path)
    assert answer.status_code == 400
    document = read(path, answer.text)
    assert document.wrong == []
    assert "bad-parameter" in document.text


@pytest.mark.parametrize(
    ("path", "status"), [("/claims/", 404), ("/?min_size=99999999", 503), ("/tasks?min_size=x", 400)]
)
def test_what_is_refused_before_a_page_is_made_is_a_page_too(
    network: Network, path: str, status: int
) -> None:
    answer = network.house.client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY
    assert "What you can do" in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


def test_errors_of_the_api_stay_problems(network: Network) -> None:
    for path in ("/v1/claims/clm_x", "/nothing", "/static/nothing.js", "/static/../pages.py", "/v1/claims/"):
        answer = network.house.client.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json", path


def test_pages_are_no_part_of_the_described_api(network: Network) -> None:
    paths = network.house.get("/schema/openapi.json")["paths"]
    assert all(path.startswith(("/v1/", "/log/", "/health/", "/version", "/metrics")) for path in paths)


def test_a_claim_says_why_it_was_checked_who_judged_it_and_where_the_money_went(network: Network) -> None:
    town = network.house
    text = read("/", network.page(f"/claims/{network.rejected}")).text
    assert "The draw falls on it: the work is checked." in text
    assert "The claim is rejected: the work failed." in text
    assert "It gives" in text
    assert "Made again from the log, the draw leads to the seats that the round has." in text
    for term in ("floor", "streak", "reputation", "deterrence"):
        assert term in text
    for verifier in town.verifiers:
        assert text.count(f"..{verifier.did[-6:]}") >= 2
    assert "burnt" in text
    assert "\N{MINUS SIGN}200" in text


def test_the_money_of_a_claim_comes_to_nothing(network: Network) -> None:
    page = network.page(f"/claims/{network.rejected}")
    table = page[page.index("What each account has") : page.index("Every transfer")]
    amounts = re.findall(r'class="number (?:loss|gain)">([^<]+)<', table)
    assert len(amounts) > 2
    plain = (each.replace("\N{MINUS SIGN}", "-").replace("\N{NARROW NO-BREAK SPACE}", "") for each in amounts)
    assert sum(map(int, plain)) == 0


def test_a_claim_that_goes_on_says_what_is_next_and_when(network: Network) -> None:
    page = network.page(f"/claims/{network.goes_on}")
    assert "Next, at the latest <span data-due><time datetime=" in page
    assert f'data-live="claim={network.goes_on}"' in page


def test_an_agent_is_found_by_handle_or_did_with_what_moved_its_scores(network: Network) -> None:
    worker = network.house.workers[0].did
    document = read("/", network.page(f"/agents/{worker}"))
    assert worker in document.text
    assert "worker, code-review" in document.text
    assert "What moved them most" in document.text
    assert f"/claims/{network.rejected}" in document.links


def test_a_search_that_names_one_thing_leads_to_it(network: Network) -> None:
    found = network.house.client.get("/search", params={"q": network.rejected}, follow_redirects=False)
    assert (found.status_code, found.headers["location"]) == (303, f"/claims/{network.rejected}")
    several = read("/search", network.page("/search?q=task-"))
    assert {"/tasks/task-fail", "/tasks/task-markup"} <= several.links
    assert "Nothing here is called that" in network.page("/search?q=zzzz")


def test_finds_of_the_search_lead_to_pages() -> None:
    assert page_of("/v1/receipts/7") == "/entries/7"
    assert page_of("/v1/agents/did:key:z6Mk/ledger") == "/agents/did:key:z6Mk"
    assert page_of(f"/v1/blobs/{'0' * 64}") == f"/v1/blobs/{'0' * 64}"


def test_every_number_of_the_policy_is_explained(network: Network) -> None:
    text = read("/policy", network.page("/policy")).text
    assert "How long a seat has to judge and commit" in text
    assert "The table of the profiles has no text on it." not in text


def test_files_are_not_sent_twice(network: Network) -> None:
    for name, kind in (
        ("style.css", "text/css"),
        ("page.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    ):
        first = network.house.client.get(f"/static/{name}")
        assert (first.status_code, first.headers["content-type"].split(";")[0]) == (200, kind)
        held = {"if-none-match": first.headers["etag"]}
        again = network.house.client.get(f"/static/{name}", headers=held)
        assert (again.status_code, again.content) == (304, b"")
