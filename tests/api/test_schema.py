"""The OpenAPI document is true: requests made from it get no 500, and no answer of a type that it does not name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import checks
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

from tests.api.house import found, settings_for
from tests.api.processes import serving

STREAM = "/v1/events"
HARD_TO_MAKE = "/v1/priorities"  # a thousand DIDs by a pattern: `test_bad_input` has its mistakes
CHECKS: list[Any] = [
    checks.not_a_server_error,
    content_type_conformance,
    status_code_conformance,
]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The document of a service that runs."""
    directory = tmp_path_factory.mktemp("described")
    url = f"sqlite:///{directory / 'trust.db'}"
    with serving(directory, url, found(settings_for(directory, url))) as (running, _):
        yield schemathesis.openapi.from_url(f"{running.base_url}/schema/openapi.json").exclude(
            path=[STREAM, HARD_TO_MAKE]
        )


def test_requests_made_from_the_document_are_answered_as_it_says(described: Any) -> None:
    operations = [result.ok() for result in described.get_all_operations()]
    assert len(operations) > 30
    for operation in operations:

        @settings(max_examples=6, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def answered(case: Any) -> None:
            if "min_size" not in (case.query or {}):
                case.call_and_validate(checks=CHECKS)

        answered()
