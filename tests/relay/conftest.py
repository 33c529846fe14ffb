"""One network for all tests of relays, each of which uses tasks of its own; it ends with the last of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.relay.networks import Network, network


@pytest.fixture(scope="package")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A service with both relays registered."""
    directory = tmp_path_factory.mktemp("relays")
    terms = {"lease_ms": 60_000, "open_ms": 300_000, "notice_ms": 600_000, "unbonding_ms": 20_000_000}
    with network(directory, **terms) as running:
        yield running
