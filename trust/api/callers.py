"""Callers and how much each may take: an address counts, of IPv6 the network of 64 bits.

Behind a proxy the address comes from `X-Forwarded-For`, and only where the operator listed the proxy: anybody can send
that header.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from trust.clock import monotonic_ms
from trust.errors import TrustError

MAX_CALLERS = 10_000
MAX_FORWARDED = 8
SHARE_BITS = 64
Network = IPv4Network | IPv6Network


class Proxies:
    """The proxies that the operator listed, as addresses or networks; ValueError where one is neither."""

    def __init__(self, listed: Sequence[str]) -> None:
        self._networks: list[Network] = [ip_network(each) for each in listed]

    def lists(self, address: str) -> bool:
        """Returns whether an address is one of these proxies."""
        parsed = _address(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def caller(self, scope: dict[str, Any]) -> str:
        """The address that a request came from: the last one that no listed proxy has."""
        address = str((scope.get("client") or ("",))[0])
        if not self._networks or not self.lists(address):
            return address
        headers = [value for name, value in scope["headers"] if name.lower() == b"x-forwarded-for"]
        forwarded = b",".join(headers).decode("latin-1").rsplit(",", MAX_FORWARDED)
        for each in reversed(forwarded):
            if _address(each.strip()) is None:
                break
            address = each.strip()
            if not self.lists(address):
                break
        return address


@lru_cache(maxsize=MAX_CALLERS)
def share_of(address: str) -> str:
    """Returns what counts as one caller."""
    parsed = _address(address)
    if not isinstance(parsed, IPv6Address):
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped else str(ip_network((parsed, SHARE_BITS), strict=False))


def _address(text: str) -> Any:
    try:
        return ip_address(text)
    except ValueError:
        return None


class RateLimit:
    """A token bucket for each caller: `per_s` requests a second, and as many at once; 0 is no limit."""

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def admits(self, caller: str) -> bool:
        """Takes a token of this caller, or says that there is none."""
        if not self._per_s:
            return True
        now_ms = monotonic_ms()
        tokens, since_ms = self._buckets.pop(caller, (float(self._per_s), now_ms))
        tokens = min(float(self._per_s), tokens + (now_ms - since_ms) * self._per_s / 1000)
        admitted = tokens >= 1
        self._buckets[caller] = (tokens - 1 if admitted else tokens, now_ms)
        if len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        return admitted


class Places:
    """A number of places, of which one caller gets no more than its share; 0 is no limit. Of one event loop."""

    def __init__(self, in_all: int, of_caller: int, what: str) -> None:
        self._in_all = in_all
        self._of_caller = of_caller
        self._what = what
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, caller: str) -> Iterator[None]:
        """One place; TrustError `rate-limited` where the caller has its share, `overloaded` where all are taken."""
        if self._of_caller and self._taken[caller] >= self._of_caller:
            raise TrustError("rate-limited", f"one caller has {self._of_caller} {self._what} at most")
        if self._in_all and self._taken.total() >= self._in_all:
            raise TrustError("overloaded", f"all {self._in_all} {self._what} are taken")
        self._taken[caller] += 1
        try:
            yield
        finally:
            self._taken[caller] -= 1
            if not self._taken[caller]:
                del self._taken[caller]
