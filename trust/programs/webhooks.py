"""Notices and orders by HTTP, signed as Standard Webhooks asks, and never to an address inside (docs/operating.md 9.3).

The address is an owner's, but a name may come to mean another machine at any time: each sending looks the name up, asks
that every address of it is public, and connects to one of those. A redirect is no delivery.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
import socket
import stat
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import httpx

from trust import clock
from trust.errors import ClientError, Unusable

SECRET = "whsec_"
SECRET_BYTES = range(24, 65)
SIGNED_S = 300
"""How old a signature may be, or how far ahead its clock."""
TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 65_536
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotSigned(ClientError):
    """A message that nobody signed who has the secret, or not now."""

    def __init__(self, why: str) -> None:
        hint = "sign the body as it is sent, as Standard Webhooks says; look at the clock and the secret"
        super().__init__("not-signed", why, status=401, hint=hint)


class NotTaken(Exception):
    """A webhook did not take what it was sent; the reason in words."""


@dataclass(frozen=True)
class Webhook:
    """An address and the secret that signs what is sent there; `loopback` lets it be on this machine, over http too."""

    url: str
    secret: bytes = field(repr=False)
    loopback: bool = False

    def __post_init__(self) -> None:
        self._parsed()

    def send(self, id: str, body: bytes, **headers: str) -> bytes:
        """Posts JSON under an id, the same one for the same thing; returns the answer's body. `NotTaken` otherwise."""
        url = self._parsed()
        address = self._address(url)
        sent = {"Content-Type": "application/json", "Host": url.netloc.decode(), **headers}
        sent |= signed_headers(self.secret, id, clock.now_ms() // 1_000, body)
        client = httpx.Client(trust_env=False, follow_redirects=False, timeout=TIMEOUT_S)
        try:
            with (
                client,
                client.stream(
                    "POST",
                    url.copy_with(host=str(address)),
                    content=body,
                    headers=sent,
                    extensions={"sni_hostname": url.host},
                ) as answer,
            ):
                said = _bounded(answer)
        except httpx.HTTPError as error:
            raise NotTaken(f"{self.url}: {str(error) or type(error).__name__}") from error
        if not answer.is_success:
            raise NotTaken(f"{self.url}: status {answer.status_code}")
        return said

    def _parsed(self) -> httpx.URL:
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise Unusable(f"{self.url}: {error}") from error
        if url.scheme not in (("https", "http") if self.loopback else ("https",)) or not url.host:
            raise Unusable(
                f"{self.url} is no https:// address", "http:// is for this machine alone, with --loopback"
            )
        if url.userinfo:
            raise Unusable("an address with a password in it would stand in logs", "the secret signs instead")
        return url

    def _address(self, url: httpx.URL) -> Address:
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NotTaken(f"{url.host} cannot be looked up: {error}") from error
        addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
        for each in addresses:
            if not (reached(each).is_loopback and self.loopback) and not is_public(each):
                raise NotTaken(f"{url.host} is {each}: not a public address")
            if url.scheme == "http" and not reached(each).is_loopback:
                raise NotTaken(f"{url.host} is {each}: http is for this machine alone")
        return addresses[0]


def _bounded(answer: httpx.Response) -> bytes:
    said = b""
    for part in answer.iter_bytes():
        said += part
        if len(said) > MAX_ANSWER_BYTES:
            raise NotTaken(f"it answers with more than {MAX_ANSWER_BYTES} bytes")
    return said


def is_public(address: Address) -> bool:
    """Returns whether an address is of the public internet, whatever it is wrapped in."""
    inner = reached(address)
    return inner.is_global and not inner.is_multicast


def reached(address: Address) -> Address:
    """Returns the IPv4 address that an IPv6 one stands for; the address itself where it stands for none."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def signed_headers(secret: bytes, id: str, at_s: int, body: bytes) -> dict[str, str]:
    """Returns the three headers of Standard Webhooks."""
    mac = hmac.digest(secret, f"{id}.{at_s}.".encode("latin-1", "replace") + body, sha256)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,{b64encode(mac).decode()}",
    }


def check_signed(secrets: Sequence[bytes], headers: Mapping[str, str], now_s: int, body: bytes) -> None:
    """`NotSigned` unless one of the secrets signed this body, within `SIGNED_S` of now."""
    id, at, signatures = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (id and at and signatures):
        raise NotSigned("the headers webhook-id, webhook-timestamp and webhook-signature are not all there")
    if not _SECONDS.fullmatch(at) or abs(int(at) - now_s) > SIGNED_S:
        raise NotSigned(f"it was signed at {at[:20]}, more than {SIGNED_S} s from now ({now_s})")
    shown = [each.encode("latin-1", "replace") for each in signatures.split()]
    for secret in secrets:
        wanted = signed_headers(secret, id, int(at), body)["webhook-signature"].encode()
        if any(hmac.compare_digest(each, wanted) for each in shown):
            return
    raise NotSigned("no signature is of this id, time and body")


def read_secret(path: Path) -> bytes:
    """Returns the secret in a file, `whsec_` and base64 of 24 to 64 bytes, mode 0600. `Unusable` otherwise."""
    with path.open(encoding="ascii", errors="replace") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise Unusable(f"others can read {path}", f"chmod 600 {path}")
        text = file.read().strip()
    try:
        secret = b64decode(text.removeprefix(SECRET), validate=True)
    except ValueError:
        secret = b""
    if not text.startswith(SECRET) or len(secret) not in SECRET_BYTES:
        raise Unusable(f"{path} holds no secret", 'make one: echo "whsec_$(openssl rand -base64 32)"')
    return secret
