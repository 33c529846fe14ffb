"""What each path takes: `Allow` names all of it, HEAD is wherever GET is, and CORS grants exactly what works."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.house import JSON, House

ORIGIN = {"origin": "https://page.example"}
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
NAMES = {
    "agent": "@nobody", "task": "nothing", "claim": "clm_" + "a" * 26, "digest": "0" * 64, "index": "0",
    "path": "0/000", "relay": "rly_" + "a" * 26, "squad": "sqd_" + "a" * 26,
}  # fmt: skip


@pytest.fixture(scope="module")
def paths(town: House) -> dict[str, set[str]]:
    """Every path of the description, filled in, and its methods."""
    described = town.get("/schema/openapi.json")["paths"]
    named = {path.format(**NAMES): {method.upper() for method in each} for path, each in described.items()}
    return {path: methods for path, methods in named.items() if path != "/v1/events"}


def _asked(town: House, method: str, path: str, **headers: str) -> Any:
    return town.client.request(
        method, path, headers={**JSON, **headers}, content=b"{}" if method[0] == "P" else None
    )


def test_what_a_path_does_not_take_is_told_with_all_that_it_takes(
    town: House, paths: dict[str, set[str]]
) -> None:
    for path, methods in paths.items():
        whole = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        wrong = next(method for method in METHODS if method not in whole)
        answers = [_asked(town, wrong, path), _asked(town, "OPTIONS", path)]
        assert [answer.status_code for answer in answers] == [405, 204], path
        for answer in answers:
            assert set(answer.headers["allow"].split(", ")) == whole, path
    assert "PUT" in _asked(town, "DELETE", f"/v1/blobs/{'0' * 64}").headers["allow"]
    assert _asked(town, "OPTIONS", "/v1/nothing").status_code == 404


def test_head_is_answered_as_get_without_its_body(town: House, paths: dict[str, set[str]]) -> None:
    changing = {"request-id", "trust-size", "content-length", "date", "etag"}
    for path, methods in paths.items():
        if "GET" not in methods:
            assert _asked(town, "HEAD", path).status_code == 405, path
            continue
        head, got = _asked(town, "HEAD", path), _asked(town, "GET", path)
        assert head.status_code == got.status_code, path
        assert head.content == b"", path
        assert set(head.headers) == set(got.headers), path
        for name in set(head.headers) - changing:
            assert head.headers[name] == got.headers[name], (path, name)
    streamed = _asked(town, "HEAD", "/v1/events")
    assert (streamed.status_code, streamed.content) == (200, b"")
    assert streamed.headers["content-type"].startswith("text/event-stream")


def test_a_page_of_another_origin_is_granted_exactly_what_works(
    town: House, paths: dict[str, set[str]]
) -> None:
    for path, methods in paths.items():
        asked = {"access-control-request-method": "GET", **ORIGIN}
        preflight = _asked(town, "OPTIONS", path, **asked)
        listed = preflight.headers.get("access-control-allow-methods", "")
        granted = set(listed.split(", ")) if listed else set()
        readable = {
            method
            for method in METHODS
            if (answer := _asked(town, method, path, **ORIGIN)).headers.get("access-control-allow-origin")
            == "*"
            and answer.status_code != 405
        }
        assert granted == readable, path
        assert granted <= methods | {"HEAD"}
        assert ("access-control-allow-origin" in preflight.headers) == bool(granted), path
    assert granted_of(town, "/v1/priorities") == "POST"
    assert granted_of(town, f"/v1/blobs/{'0' * 64}") == "GET, HEAD"
    assert granted_of(town, "/v1/tasks") == "GET, HEAD"
    assert granted_of(town, "/v1/outputs") is None


def granted_of(town: House, path: str) -> str | None:
    answer = _asked(town, "OPTIONS", path, **{"access-control-request-method": "POST"}, **ORIGIN)
    return None if (found := answer.headers.get("access-control-allow-methods")) is None else str(found)
