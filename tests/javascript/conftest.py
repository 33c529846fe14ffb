"""One Node process for all tests of the JavaScript verifier."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.javascript.node import Node, find_node


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    running = Node(find_node())
    yield running
    running.stop()
