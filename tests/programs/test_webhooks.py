"""Webhooks: signed as the standard says, and never to an address inside."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from trust.errors import Unusable
from trust.programs.paying import NotPaid, Order, by_webhook
from trust.programs.webhooks import NotTaken, Webhook, is_public, read_secret, signed_headers

SECRET = bytes(range(32))
NAME = "hooks.example.org"


class Door(HTTPServer):
    """A receiver on this machine, over TLS where it has a certificate."""

    def __init__(
        self, status: int, body: bytes, headers: Mapping[str, str], context: ssl.SSLContext | None
    ) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                named = {name.lower(): value for name, value in self.headers.items()}
                door.got.append((self.path, named, self.rfile.read(length)))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_request(self, code: Any = "-", size: Any = "-") -> None: ...

        super().__init__(("127.0.0.1", 0), Handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None: ...


@contextmanager
def door(
    status: int = 204,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    context: ssl.SSLContext | None = None,
) -> Iterator[Door]:
    server = Door(status, body, headers or {}, context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def at(server: Door, path: str = "/hook?a=b") -> Webhook:
    return Webhook(f"http://127.0.0.1:{server.server_port}{path}", SECRET, loopback=True)


def test_the_signature_is_the_one_of_the_standards_own_example(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    path.chmod(0o600)
    signed = signed_headers(
        read_secret(path), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
    )
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("text", "mode"),
    [("whsec_", 0o600), ("whsec_AAAA", 0o600), ("nonsense", 0o600), ("whsec_" + "A" * 44, 0o644)],
)
def test_what_is_no_secret_or_no_longer_one_is_not_used(tmp_path: Path, text: str, mode: int) -> None:
    path = tmp_path / "secret"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(Unusable):
        read_secret(path)


def test_what_is_sent_arrives_with_its_signature() -> None:
    with door(200, b"taken") as server:
        assert at(server).send("msg_1", b'{"a":1}', **{"Idempotency-Key": "k"}) == b"taken"
    ((path, headers, body),) = server.got
    assert (path, body, headers["webhook-id"]) == ("/hook?a=b", b'{"a":1}', "msg_1")
    assert headers["idempotency-key"] == "k"
    again = signed_headers(SECRET, "msg_1", int(headers["webhook-timestamp"]), body)
    assert headers["webhook-signature"] == again["webhook-signature"]


def test_a_payment_by_webhook_carries_its_key_and_is_made_by_the_answer_alone() -> None:
    order = Order(idempotency_key="wdr_1", reference="r", withdrawal="wdr_1", agent="did", amount_units=5)
    for body, paid in ((b'{"state":"paid"}', "paid"), (b' {"state":"pending"}', "pending")):
        with door(200, body) as server:
            assert by_webhook(at(server))(order).state == paid
        ((_, headers, sent),) = server.got
        assert (headers["idempotency-key"], headers["webhook-id"]) == ("wdr_1", "wdr_1")
        assert msgspec.json.decode(sent, type=Order) == order
    for status, body in ((200, b""), (200, b'{"state":"lost"}'), (500, b'{"state":"paid"}')):
        with door(status, body) as server, pytest.raises(NotPaid):
            by_webhook(at(server))(order)


def test_a_redirect_an_error_or_an_endless_answer_is_no_delivery() -> None:
    with door() as inner:
        there = {"Location": f"http://127.0.0.1:{inner.server_port}/inside"}
        for status, body, headers in ((307, b"", there), (500, b"", {}), (200, b"x" * 100_000, {})):
            with door(status, body, headers) as server, pytest.raises(NotTaken):
                at(server).send("msg_1", b"{}")
    assert not inner.got


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
        "2002:a00:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_an_address_inside_is_none_of_the_public_ones_however_it_is_written(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_public(ip_address(address))
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 443)) for each in ("93.184.216.34", address)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(NotTaken, match="not a public address"):
        Webhook(f"https://{NAME}/", SECRET).send("msg_1", b"{}")


def test_public_addresses_are_public() -> None:
    assert is_public(ip_address("93.184.216.34"))
    assert is_public(ip_address("2606:2800:220:1:248:1893:25c8:1946"))


@pytest.mark.parametrize(
    ("url", "loopback"),
    [("http://example.org/", False), ("ftp://example.org", True), ("https://", False), ("nonsense", True),
     ("https://user:password@example.org/", False), ("file:///etc/passwd", True)],
)  # fmt: skip
def test_other_addresses_are_refused_before_anything_is_sent(url: str, loopback: bool) -> None:
    with pytest.raises(Unusable):
        Webhook(url, SECRET, loopback)


def test_http_leaves_this_machine_under_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(NotTaken, match="this machine"):
        Webhook("http://example.org/", SECRET, loopback=True).send("msg_1", b"{}")


def _certificate(folder: Path, name: str) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize(("name", "is_right"), [(NAME, True), ("other.example.org", False)])
def test_the_address_that_was_checked_is_connected_to_and_proves_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_right: bool
) -> None:
    context = _certificate(tmp_path, name)
    trusting = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    real, lookups = socket.getaddrinfo, []

    def lookup(host: Any, *args: Any, **named: Any) -> Any:
        lookups.append(host)
        return real("127.0.0.1" if host == NAME else host, *args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    client = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **named: client(verify=trusting, **named))
    with door(200, b"{}", context=context) as server:
        hook = Webhook(f"https://{NAME}:{server.server_port}/", SECRET, loopback=True)
        if is_right:
            hook.send("msg_1", b"{}")
            assert server.got[0][1]["host"] == f"{NAME}:{server.server_port}"
        else:
            with pytest.raises(NotTaken):
                hook.send("msg_1", b"{}")
    assert lookups.count(NAME) == 1  # a name that means another machine a moment later changes nothing
