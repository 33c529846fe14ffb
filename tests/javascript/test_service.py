"""A running service, followed and verified by the JavaScript client."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.house import found, settings_for
from tests.api.processes import serving
from tests.javascript.node import Node

pytestmark = pytest.mark.journey


def test_a_service_is_followed_and_its_receipts_hold(node: Node, tmp_path: Path, sqlite_url: str) -> None:
    vkey = found(settings_for(tmp_path, sqlite_url), pow_bits=1)
    with serving(tmp_path, sqlite_url, vkey) as (running, town):
        town.settle_in(1)
        first, second = node.watchService(running.base_url, vkey)
        assert (first["facts"]["state"], second["facts"]["state"]) == ("first", "same")
        size = second["facts"]["checkpoint"]["size"]
        for index in (0, size - 1):
            report = node.verifyFile(node.fetchReceipt(running.base_url, index), vkey)
            assert (report["verdict"], report["facts"]["index"]) == ("proven", index)
        path = node.prove(running.base_url, 1, size)
        one = node.verifyReceipt(node.fetchReceipt(running.base_url, 0), vkey)["facts"]["checkpoint"]
        leaf = node.leafHash(
            node.verifyReceipt(node.fetchReceipt(running.base_url, 0), vkey)["facts"]["data"]
        )
        assert node.verifyConsistency(1, leaf, size, one["root"], path) is None
