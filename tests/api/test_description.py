"""The description of the API: every answer has its schema, named once, and every answer of a game is as it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import re2

from tests.api.house import House, house
from trust.api.documents import plain_pattern
from trust.core import payloads
from trust.core.commands import ENTRY_KINDS

REF = "#/components/schemas/"
JSON = "application/json"


@pytest.fixture(scope="module")
def game(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service on which work was checked, is being checked, and is open, and money is on its way out."""
    directory = tmp_path_factory.mktemp("described")
    with house(directory, f"sqlite:///{directory / 'trust.db'}", evidence_ms=60_000) as home:
        home.settle_in()
        home.checked("checked", "pass")
        home.delivered("delivered")
        home.done("/v1/tasks", home.task_post("open", references=(_reference(),)))
        home.done("/v1/stakes", home.say(payloads.StakeWithdraw, home.workers[0], amount_units=5))
        yield home


def _reference() -> payloads.Reference:
    return payloads.Reference(scheme="a2a-task", value="7c9e6679")


@pytest.fixture(scope="module")
def described(game: House) -> dict[str, Any]:
    document: dict[str, Any] = game.get("/schema/openapi.json")
    return document


def _operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def test_every_answer_has_a_schema_that_is_named_once_and_referred_to(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    for method, path, operation in _operations(described):
        assert {"200", "201", "default"} & operation["responses"].keys()
        for status, response in operation["responses"].items():
            for media_type, content in response["content"].items():
                schema = content["schema"]
                named = schema.get("$ref", "").removeprefix(REF)
                assert named in schemas or (media_type != JSON and schema["type"] == "string"), (path, status)
        bodies = operation.get("requestBody", {}).get("content", {})
        assert all(_refers(each["schema"]) for each in bodies.values()), (method, path)
    assert not [name for name in schemas if not name.isalnum()], "two schemas of one name"
    used = set(re.findall(rf'"{REF}(\w+)"', json.dumps(described)))
    assert used <= schemas.keys()
    names = [operation["operationId"] for *_, operation in _operations(described)]
    assert len(set(names)) == len(names)


def _refers(schema: dict[str, Any]) -> bool:
    return "$ref" in schema or "$ref" in schema.get("items", {}) or schema["type"] == "string"


def test_the_events_kinds_stand_in_the_description(described: dict[str, Any]) -> None:
    parameters = {
        each["name"]: each["schema"] for each in described["paths"]["/v1/events"]["get"]["parameters"]
    }
    assert parameters["kind"]["enum"] == list(ENTRY_KINDS)
    assert parameters["as"]["enum"] == ["event", "message"]


def test_numbers_that_may_be_left_out_keep_their_bounds(described: dict[str, Any]) -> None:
    least = {
        (path, each["name"]): each["schema"]["minimum"]
        for _, path, operation in _operations(described)
        for each in operation.get("parameters", ())
        if each["schema"].get("type") == "integer"
    }
    assert least["/v1/events", "after"] == least["/v1/agents/{agent}/timeline", "after"] == -1
    assert least["/v1/policy", "number"] == least["/log/proof/inclusion", "size"] == 0
    assert least["/v1/entries", "after"] == 0
    assert "null" not in json.dumps([each.get("parameters", []) for *_, each in _operations(described)])


def _patterns(value: Any) -> set[str]:
    if isinstance(value, dict):
        mine = {value["pattern"]} if isinstance(value.get("pattern"), str) else set()
        return mine.union(*map(_patterns, value.values()))
    return set().union(*map(_patterns, value)) if isinstance(value, list) else set()


def test_every_pattern_compiles_under_re2_as_go_has_it(described: dict[str, Any]) -> None:
    patterns = _patterns(described)
    assert len(patterns) > 15
    for pattern in patterns:
        re2.compile(pattern)


def test_every_pattern_compiles_with_gos_own_regexp(described: dict[str, Any], tmp_path: Path) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed (Debian: golang-go)")
    program = Path(__file__).with_name("patterns.go")
    patterns = sorted(_patterns(described))
    done = subprocess.run(
        [go, "run", str(program)],
        env=dict(os.environ) | {"GOCACHE": str(tmp_path), "GO111MODULE": "off"},
        input=json.dumps(patterns),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"{len(patterns)} patterns\n", "")


def test_every_pattern_compiles_in_browsers_with_either_flag(described: dict[str, Any]) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed (Debian: nodejs)")
    script = "for (const p of JSON.parse(process.argv[1])) for (const f of ['', 'u', 'v']) new RegExp(p, f)"
    patterns = json.dumps(sorted(_patterns(described)))
    done = subprocess.run([node, "-e", script, patterns], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("pattern", "good"),
    [
        (r"^[a-z0-9][a-z0-9._-]{0,63}$(?!\n)", "a.b_c-d"),
        (r"^[A-Za-z0-9:/._-]+$(?!\n)", "agent/did:key:z6/free"),
        (r"^[ !#-\[\]-~]*$(?!\n)", "plain {text} | (more)"),
        (r"^[!#-\[\]-~]+$(?!\n)", "https://x.example/a-b"),
    ],
)
def test_a_published_pattern_takes_what_ours_takes_but_a_line_feed_at_the_end(
    pattern: str, good: str
) -> None:
    ours, published = re.compile(pattern), re2.compile(plain_pattern(pattern))
    for code in range(128):
        for text in (chr(code), f"{good}{chr(code)}", f"{good}{chr(code)}{good}"):
            assert bool(ours.match(text)) == bool(published.match(text)), repr(text)


def _strict(document: dict[str, Any]) -> dict[str, Any]:
    """The named schemas, and none takes a member that it does not name."""
    schemas: dict[str, Any] = json.loads(json.dumps(document["components"]["schemas"]))
    for schema in schemas.values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return schemas


def _reads(home: House) -> Iterator[tuple[str, str]]:
    """The templates of reads, and each filled in with what there is here."""
    claims = [each["claim"] for each in home.get("/v1/claims")["claims"]]
    people = [home.requester, home.workers[0], home.verifiers[0]]
    names = {
        "task": ["checked", "open"], "claim": claims, "agent": [each.did for each in people],
        "relay": [home.relay], "index": ["0", "3"], "digest": [],
    }  # fmt: skip
    queries = {
        "/v1/search": ["?q=open", "?q=3", f"?q={claims[0]}", "?q=7c9e6679"],
        "/log/proof/inclusion": ["?index=3"],
        "/log/proof/consistency": ["?from=3"],
        "/v1/agents/{agent}/reputation/history": ["?task_kind=code-review"],
    }
    for path in home.get("/schema/openapi.json")["paths"]:
        named = path.partition("{")[2].partition("}")[0]
        for name in names.get(named, []) if named else [""]:
            for query in queries.get(path, [""]):
                yield path, path.replace(f"{{{named}}}", name) + query


def test_every_answer_of_a_game_is_as_described_and_has_nothing_else(
    game: House, described: dict[str, Any]
) -> None:
    schemas, looked = _strict(described), set()
    for template, path in _reads(game):
        operation = described["paths"][template].get("get")
        if (
            operation is None
            or template == "/v1/events"
            or JSON not in operation["responses"]["200"]["content"]
        ):
            continue
        answer = game.client.get(path)
        if answer.status_code == 404 and template.endswith("/proof"):
            continue  # nothing is sealed yet
        assert answer.status_code == 200, (path, answer.text)
        schema = operation["responses"]["200"]["content"][JSON]["schema"]
        validator = jsonschema_rs.Draft202012Validator({**schema, "components": {"schemas": schemas}})
        wrong = [
            f"{list(each.instance_path)}: {each.message[:200]}"
            for each in validator.iter_errors(answer.json())
        ]
        assert wrong == [], path
        looked.add(template)
    assert len(looked) > 25


def test_the_answers_to_writes_are_as_described(game: House, described: dict[str, Any]) -> None:
    posted = game.task_post("written")
    task = game.post_to("/v1/tasks", posted)
    index = task.json()["receipt"]["index"]
    claim = game.claim("written", index, game.workers[0])
    priorities = json.dumps({"task_kind": "code-review", "candidates": [game.workers[0].did]})
    envelopes = f"[{json.dumps(_envelope(claim))},{{}}]"
    answers = {
        "/v1/claims/check": game.post_to("/v1/claims/check", claim),
        "/v1/priorities": game.client.post(
            "/v1/priorities", content=priorities, headers={"content-type": JSON}
        ),
        "/v1/statements": game.client.post(
            "/v1/statements", content=envelopes, headers={"content-type": JSON}
        ),
        "/v1/tasks": game.post_to("/v1/tasks", posted),
    }
    schemas = _strict(described)
    for path, answer in answers.items():
        assert answer.status_code == 200, answer.text
        schema = described["paths"][path]["post"]["responses"]["200"]["content"][JSON]["schema"]
        jsonschema_rs.validate({**schema, "components": {"schemas": schemas}}, answer.json())


def _envelope(spoken: Any) -> Any:
    from tests.api.house import body_of

    return json.loads(body_of(spoken))
