"""The README's relay in ten lines, run as it is written against a service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

import trust.client
from tests.api.house import House, house
from tests.checks import ROOT
from trust.client import TrustClient

HEADING = "## A relay in ten lines"


class Here(httpx.BaseTransport):
    """Requests go to the service in this process, and outlive the client that closes it."""

    def __init__(self, town: House) -> None:
        self._inner: httpx.BaseTransport = town.client._transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._inner.handle_request(request)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[House]:
    url = f"sqlite:///{tmp_path / 'trust.db'}"
    with house(tmp_path, url, max_exclusive_ms=60_000) as running:
        running.settle_in(verifiers=3)
        yield running


def block(town: House) -> str:
    """The block, with the names that it leaves out."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition(HEADING)[2]
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    code, vkeys = re.subn(r'vkey="[^"]+"', f'vkey="{town.vkey}"', found.group(1))
    code, relays = re.subn(r"rly_\.\.\.", town.relay, code)
    assert (vkeys, relays) == (1, 2)
    return code


def test_the_readmes_relay_in_ten_lines_runs_as_shown(town: House, monkeypatch: pytest.MonkeyPatch) -> None:
    crew = town.capable(3)  # as many as the shortlist has places
    monkeypatch.setattr(trust.client, "TrustClient", partial(TrustClient, transport=Here(town)))
    town.done("/v1/tasks", town.task_post("review-1", relay=town.relay))
    known = {
        "worker_seed": crew[0].seed,
        "coordinator_seed": town.coordinator.seed,
        "findings": b"nothing found",
    }
    exec(compile(block(town), "README.md", "exec"), known)
    [claim] = town.get("/v1/tasks/review-1")["claims"]
    assert (claim["worker"], claim["state"]) == (crew[0].did, "submitted")
