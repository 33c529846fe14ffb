"""Who is calling is what the connection says, or a proxy that the operator listed; one caller gets its share."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from trust.api.callers import Places, Proxies, share_of
from trust.errors import TrustError
from trust.settings import SettingsError, load


def _scope(client: str, *forwarded: str) -> dict[str, Any]:
    return {"client": (client, "1"), "headers": [(b"x-forwarded-for", each.encode()) for each in forwarded]}


@pytest.mark.parametrize(
    ("client", "forwarded", "caller"),
    [
        ("10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["6.6.6.6", "203.0.113.5, 10.0.0.9"], "203.0.113.5"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["nonsense, 10.0.0.9"], "10.0.0.9"),
        ("10.0.0.1", ["10.0.0.9"], "10.0.0.9"),
        ("192.0.2.1", ["203.0.113.5"], "192.0.2.1"),
        ("", ["203.0.113.5"], ""),
    ],
)
def test_an_address_comes_from_a_header_only_through_a_listed_proxy(
    client: str, forwarded: list[str], caller: str
) -> None:
    assert Proxies(["10.0.0.0/24"]).caller(_scope(client, *forwarded)) == caller
    assert Proxies([]).caller(_scope(client, *forwarded)) == client


def test_a_network_of_64_bits_is_one_caller() -> None:
    assert share_of("2001:db8::1") == share_of("2001:db8::ffff:1") != share_of("2001:db8:0:1::1")
    assert share_of("::ffff:192.0.2.1") == share_of("192.0.2.1") == "192.0.2.1"
    assert share_of("192.0.2.1") != share_of("192.0.2.2")
    assert share_of("testclient") == "testclient"


def test_one_caller_gets_its_share_of_the_places_and_no_more() -> None:
    places, held = Places(3, 2, "streams"), ExitStack()
    with held:
        for caller in "aab":
            held.enter_context(places.taken(caller))
        for caller, code in (("a", "rate-limited"), ("c", "overloaded")):
            with pytest.raises(TrustError) as refused, places.taken(caller):
                pass
            assert refused.value.code == code
    with places.taken("a"), places.taken("a"):
        pass


def test_what_is_no_network_cannot_be_listed_as_a_proxy() -> None:
    assert load({}, {"TRUST_PROXIES": "10.0.0.1, 2001:db8::/32"}).proxies == ("10.0.0.1", "2001:db8::/32")
    with pytest.raises(SettingsError, match="TRUST_PROXIES"):
        load({}, {"TRUST_PROXIES": "my-proxy"})


def test_a_service_protects_itself_without_being_told() -> None:
    chosen = load({}, {})
    assert chosen.requests_per_s > 0
    assert chosen.streams_per_caller < chosen.streams_max
    assert chosen.connections_per_caller < chosen.connections_max
