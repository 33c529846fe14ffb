"""Lists, search and filtered streams over HTTP, on both databases: what a worker, a relay or a person looks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.house import JSON, House, house
from tests.services.statements import Party
from trust.api.feed import Wanted
from trust.api.views import stream
from trust.core import payloads
from trust.core.envelope import sign
from trust.core.payloads import Reference
from trust.storage.reading import reading

SLOW: dict[str, Any] = {
    "open_ms": 60_000,
    "evidence_ms": 60_000,
    "notice_ms": 60_000,
    "unbonding_ms": 900_000,
}
NAMED = Party("named")
REFERENCES = (
    Reference(scheme="a2a-task", value="7c9e6679-7425-40de-944b-e07fc1f90ae7"),
    Reference(scheme="traceparent", value="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service with work that is open, held, checked and done."""
    directory = tmp_path_factory.mktemp("network")
    if request.param == "sqlite":
        url = f"sqlite:///{directory / 'trust.db'}"
    else:
        url = request.getfixturevalue("postgres").create()
    with house(directory, url, lease_ms=60_000, **SLOW) as home:
        home.settle_in()
        home.done("/v1/agents", home.register(NAMED, handle="named", capabilities=("review",)))
        home.checked("done", "pass")
        home.claimed("held")
        home.delivered("delivered")
        home.done("/v1/tasks", home.task_post("other-kind", task_kind="extract"))
        home.done("/v1/tasks", home.task_post("only-here", relay=home.relay, references=REFERENCES))
        yield home


def _tasks(home: House, **query: Any) -> list[str]:
    return [each["task"] for each in home.get("/v1/tasks", **query)["tasks"]]


def test_tasks_are_found_by_state_kind_relay_and_requester(network: House) -> None:
    assert _tasks(network) == ["only-here", "other-kind", "delivered", "held", "done"]
    assert _tasks(network, state="open") == ["only-here", "other-kind"]
    assert _tasks(network, state="closed") == ["done"]
    assert _tasks(network, task_kind="extract", state="open") == ["other-kind"]
    assert _tasks(network, relay=network.relay) == ["only-here"]
    assert _tasks(network, requester=network.requester.did, task_kind="extract") == ["other-kind"]
    assert _tasks(network, requester="@named") == []


def test_claims_are_found_by_state_worker_and_kind(network: House) -> None:
    worker = network.workers[0].did

    def tasks(**query: Any) -> list[str]:
        return [each["task"] for each in network.get("/v1/claims", **query)["claims"]]

    assert tasks() == tasks(worker=worker) == tasks(task_kind="code-review") == ["delivered", "held", "done"]
    assert tasks(state="open", worker=worker) == ["delivered", "held"]
    assert tasks(state="claimed") == ["held"]
    assert tasks(state="accepted", worker=worker, task_kind="code-review") == ["done"]
    assert tasks(worker="@named") == tasks(task_kind="extract") == []


def test_agents_are_found_by_what_they_offer(network: House) -> None:
    def agents(**query: Any) -> list[str]:
        return [each["agent"] for each in network.get("/v1/agents", **query)["agents"]]

    verifiers = [each.did for each in network.verifiers]
    assert agents(role="verifier") == agents(role="verifier", capability="code-review") == verifiers[::-1]
    assert set(agents(role="verifier", capability="code-review", sort="weight")) == set(verifiers)
    assert agents(capability="review") == agents()[:1]
    assert network.get("/v1/agents", capability="review")["agents"][0]["handle"] == "named"
    assert network.client.get("/v1/agents", params={"sort": "weight"}).json()["code"] == "bad-parameter"


def test_open_seats_are_found_with_all_that_is_needed_to_do_the_work(network: House) -> None:
    seats = network.wait(lambda: network.get("/v1/seats", state="open")["seats"])
    assert {each["task"]["task"] for each in seats} == {"delivered"}
    assert {each["agent"] for each in seats} == {each.did for each in network.verifiers}


def test_the_newest_entries_come_first_and_by_kind(network: House) -> None:
    entries = network.get("/v1/entries", limit=100)["entries"]
    assert [each["index"] for each in entries] == sorted((each["index"] for each in entries), reverse=True)
    posted = network.get("/v1/entries", kind="task.post", limit=2)
    assert [each["events"][0]["task"] for each in posted["entries"]] == ["only-here", "other-kind"]
    more = network.get("/v1/entries", kind="task.post", limit=2, after=posted["after"])["entries"]
    assert [each["events"][0]["task"] for each in more] == ["delivered", "held"]


def _found(home: House, word: str) -> list[tuple[str, str, str]]:
    return [(each["kind"], each["id"], each["matched"]) for each in home.get("/v1/search", q=word)["found"]]


def test_search_finds_what_a_word_names_and_where_it_is_read(network: House) -> None:
    claim = network.get("/v1/tasks/done")["claims"][0]["claim"]
    task = network.get("/v1/tasks/only-here")
    worker = network.workers[0].did
    receipt = network.get(f"/v1/receipts/{task['index']}")
    leaf = network.get("/log/proof/inclusion", index=task["index"])["leaf"]
    named = NAMED.did
    assert _found(network, worker) == [("agent", worker, "did")]
    assert _found(network, "@named") == _found(network, "name") == [("agent", named, "handle")]
    assert _found(network, "only") == [("task", "only-here", "id")]
    assert _found(network, claim) == [("claim", claim, "id")]
    assert _found(network, network.relay) == [("relay", network.relay, "id")]
    assert _found(network, leaf) == [("entry", str(task["index"]), "leaf hash")]
    assert ("entry", str(task["index"]), "digest") in _found(network, task["spec_sha256"])
    for found in ("done", claim, network.relay, "3", worker):
        for each in network.get("/v1/search", q=found)["found"]:
            assert network.client.get(each["path"]).status_code == 200, each
    assert _found(network, "nothing-like-it") == []
    assert receipt["index"] == task["index"]


def test_a_statement_is_found_by_its_id(network: House) -> None:
    said = network.task_post("said")
    index = network.done("/v1/tasks", said)["receipt"]["index"]
    assert _found(network, said.id) == [("entry", str(index), "statement id")]
    assert _found(network, said.id.removeprefix("sha256:")) == [("entry", str(index), "statement id")]
    network.done("/v1/tasks", network.say(payloads.TaskCancel, network.requester, task="said"))


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda each: each.scheme)
def test_a_task_is_found_and_shown_with_its_names_elsewhere(network: House, reference: Reference) -> None:
    assert _found(network, reference.value) == [("task", "only-here", "reference")]
    shown = network.get("/v1/tasks/only-here")["references"]
    assert {"scheme": reference.scheme, "value": reference.value} in shown
    assert network.get("/v1/tasks/held")["references"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"references": [{"scheme": "A2A", "value": "x"}]},
        {"references": [{"scheme": "a2a-task", "value": ""}]},
        {"references": [{"scheme": "a2a-task", "value": "x" * 257}]},
        {"references": [{"scheme": "a2a-task", "value": "x", "more": 1}]},
        {"references": [{"scheme": "a2a-task", "value": str(number)} for number in range(9)]},
    ],
)
def test_a_name_elsewhere_has_bounds(network: House, wrong: dict[str, Any]) -> None:
    said = network.task_post("bounded")
    payload = {**json.loads(said.signed.payload), **wrong}
    answer = network.client.post(
        "/v1/tasks", content=sign(json.dumps(payload).encode(), [network.requester.seed]), headers=JSON
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


def test_a_handle_is_taken_wherever_an_agent_is_named(network: House) -> None:
    asked = {"task_kind": "review", "candidates": ["@named", network.workers[0].did, "@nobody-here"]}
    ranked = network.client.post("/v1/priorities", content=json.dumps(asked), headers=JSON).json()[
        "candidates"
    ]
    by_agent = {each["agent"]: each for each in ranked}
    assert by_agent.keys() == {NAMED.did, network.workers[0].did, "@nobody-here"}
    assert by_agent["@nobody-here"]["reason"] == "unknown-agent"
    twice = {"task_kind": "review", "candidates": ["@named", NAMED.did]}
    answer = network.client.post("/v1/priorities", content=json.dumps(twice), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "named-twice")
    for path in ("/v1/tasks?requester=@named", "/v1/claims?worker=@named"):
        assert network.client.get(path).status_code == 200
    assert network.client.get("/v1/tasks?requester=@nobody-here").json()["code"] == "unknown-agent"


WRONG = (
    "/v1/tasks?state=x", "/v1/tasks?after=1", "/v1/tasks?after=x.y", "/v1/tasks?requester=x", "/v1/claims?limit=0",
    "/v1/agents?after=1", "/v1/agents?capability=review&after=1.x&sort=weight", "/v1/search", "/v1/search?q=",
    "/v1/agents?capability=review&sort=weight&after=1.x", "/v1/entries?after=-1", "/v1/entries?kind=x",
    "/v1/seats?state=closed", f"/v1/search?q={'x' * 257}", "/v1/events?kind=x", "/v1/events?as=x",
    "/v1/search?q=x&after=99999.x",
    f"/v1/search?q={'a' * 64}&after=13.x", f"/v1/search?q={'a' * 64}&after=13.{'9' * 40}",
    "/v1/search?q=x&after=abc", "/v1/agents?after=3.2&capability=review",
    "/v1/relays?after=%00", f"/v1/tasks?after={2**60}.x", "/v1/search?q=%F0%9F%98%80",
)  # fmt: skip


@pytest.mark.parametrize("path", WRONG)
def test_what_is_no_place_word_or_state_is_told_so(network: House, path: str) -> None:
    answer = network.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-parameter"), answer.text


def test_an_unknown_relay_is_not_an_empty_list(network: House) -> None:
    answer = network.client.get("/v1/tasks", params={"relay": "rly_" + "a" * 26})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-relay")
    assert network.client.get("/v1/relays/rly_x").json()["code"] == "unknown-relay"


def test_entries_are_about_all_that_they_concern(network: House) -> None:
    """A vote names a seat; whoever listens for its claim, its task or its kind of task hears of it."""
    claim = network.get("/v1/tasks/done")["claims"][0]["claim"]
    with reading(network.database) as reader:
        size = reader.head().size
        told = stream.stream_events(reader, 0, size)
        whole = {each["index"] for each in network.get("/v1/tasks/done/timeline")["entries"]}
        for wanted in (Wanted(task="done"), Wanted(claim=claim), Wanted(relay=network.relay, task="done")):
            heard = {index for index, each in enumerate(told) if wanted.about <= each.about}
            assert heard <= whole
            assert len(heard) > 5
            assert stream.first_wanted(reader, 0, wanted) == min(heard) or wanted.relay
        votes = [each.about for each in told if b"event: vote.commit\n" in each.event]
        assert votes
        assert all({claim, "done", "task_kind/code-review", "kind/vote.commit"} <= about for about in votes)
