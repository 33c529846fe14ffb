"""The OpenAPI document is true: requests made from it get no 500, and no answer of a type that it does not name."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.api.house import found, settings_for
from tests.api.processes import serving

STREAM = "/v1/events"


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The document of a service that runs."""
    import schemathesis  # late: each worker imports this file, one of them needs what it takes longest to import

    directory = tmp_path_factory.mktemp("described")
    url = f"sqlite:///{directory / 'trust.db'}"
    with serving(directory, url, found(settings_for(directory, url))) as (running, _):
        yield schemathesis.openapi.from_url(f"{running.base_url}/schema/openapi.json").exclude(path=STREAM)


WITHOUT_STREAM = ["--exclude-path", STREAM]
SECONDS = 180
EXPLAINED = {
    "ST202": {
        "POST": "a signature that holds, and what the rules say of a statement, are beyond a schema",
        "PUT": "a digest that these bytes have is beyond a schema, and so is who may store them",
        "GET /log/proof/consistency": "`from` is at most `to`",
        "GET /v1/agents": "a place goes on the list in the order that gave it",
        "GET /v1/search": "a place is one that a search gave",
    },
    "ST201": {
        "POST /v1/draws": "of over a kilobyte nothing is looked at but its length: 413",
        "POST /v1/statements": "what is wrong with one statement of a batch is the result of that one",
        "GET /v1/": "an empty filter, and `null` for a number, is one that was not given",
        "GET /log/proof/": "`null` is a number that was not given, as the framework reads it",
    },
}
"""What is left of the checks that schemathesis has, by its code and the operation, with the reason."""


@pytest.mark.slow
def test_every_check_holds_for_three_minutes_but_for_what_is_explained(
    tmp_path: Path, sqlite_url: str
) -> None:
    vkey = found(settings_for(tmp_path, sqlite_url))
    with serving(tmp_path, sqlite_url, vkey, changes={"requests_per_s": 0}) as (running, home):
        home.settle_in(verifiers=3)
        home.delivered("described")
        address = f"{running.base_url}/schema/openapi.json"
        command = [str(Path(sys.executable).parent / "schemathesis"), "run", address, "--checks", "all"]
        limits = ["--max-time", str(SECONDS), "--continue-on-failure", "--request-timeout", "10"]
        report = subprocess.run(
            [*command, *WITHOUT_STREAM, *limits], capture_output=True, text=True, cwd=tmp_path, check=False
        ).stdout
    print(report[-2_000:])
    assert "Test cases:" in report
    assert [each for each in _failures(report) if not _is_explained(*each)] == []


def _failures(report: str) -> list[tuple[str, str]]:
    """The code of each check that failed, and the operation that it failed at."""
    found, operation = [], ""
    for line in report.splitlines():
        if heading := re.fullmatch(r"_+ ([A-Z]+ /\S*) _+", line):
            operation = heading[1]
        elif failure := re.match(r"- (ST[0-9]+) ", line):
            found.append((failure[1], operation))
    return found


def _is_explained(code: str, operation: str) -> bool:
    return any(operation.startswith(each) for each in EXPLAINED.get(code, {}))


def test_requests_made_from_the_document_are_answered_as_it_says(described: Any) -> None:
    from schemathesis import checks
    from schemathesis.specs.openapi import checks as openapi

    promised: list[Any] = [
        checks.not_a_server_error,
        openapi.content_type_conformance,
        openapi.status_code_conformance,
        openapi.response_schema_conformance,
    ]
    operations = [result.ok() for result in described.get_all_operations()]
    assert len(operations) > 30
    for operation in operations:

        @settings(max_examples=2, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def answered(case: Any) -> None:
            if "min_size" not in (case.query or {}):
                case.call_and_validate(checks=promised)

        answered()
