"""A payment system's webhook, over real sockets: what is signed is on the disk when it is answered, once a payment."""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.processes import free_port
from tests.forking import MAIN, Forked
from trust import clock
from trust.files import write_once
from trust.programs import treasury as programs
from trust.programs.door import PATH, Door
from trust.programs.treasury import MAX_NOTICE_BYTES, Spool, read_notice
from trust.programs.webhooks import SIGNED_S, signed_headers

SECRET, NEXT = bytes(range(32)), bytes(range(1, 33))
NOTICE = {"reference": "pi_3Mtw", "account": "@anna", "amount_units": 500}


class Told(list[tuple[str, dict[str, Any]]]):
    def __call__(self, did: str, **facts: Any) -> None:
        self.append((did, facts))


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with Door("127.0.0.1", 0, Spool(tmp_path), [SECRET, NEXT], Told()) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def now_s() -> int:
    return clock.now_ms() // 1_000


def post(door: Door, body: bytes, secret: bytes = SECRET, at_s: int = 0, **changed: str) -> httpx.Response:
    headers = signed_headers(secret, "msg_1", at_s or now_s(), body) | changed
    return httpx.post(f"http://127.0.0.1:{door.port}{PATH}", content=body, headers=headers)


def noticed(door: Door) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in door.spool.notices()]


def test_a_signed_notice_is_on_the_disk_when_it_is_answered_and_repeated_it_is_one(door: Door) -> None:
    body = json.dumps(NOTICE).encode()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: post(door, body, (SECRET, NEXT)[n % 2]), range(16)))
    assert {(each.status_code, each.json()["reference"]) for each in answers} == {
        (200, programs.booked_under("pi_3Mtw"))
    }
    assert noticed(door) == [NOTICE]
    other = post(door, json.dumps(NOTICE | {"amount_units": 501}).encode())
    assert (other.status_code, other.json()["code"]) == (409, "reference-booked")
    assert noticed(door) == [NOTICE]


def test_what_is_booked_between_two_deliveries_is_laid_down_again_and_never_lost(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file goes between the second one's attempt to write it and its look at what is there."""
    body = json.dumps(NOTICE).encode()
    assert post(door, body).status_code == 200
    (path,) = door.spool.notices()

    def booked(*given: Any) -> None:
        try:
            write_once(*given)
        finally:
            if path.exists() and not door.spool.folder.joinpath("gone").exists():
                door.spool.folder.joinpath("gone").touch()
                path.unlink()

    monkeypatch.setattr(programs, "write_once", booked)
    assert post(door, body).status_code == 200
    assert noticed(door) == [NOTICE]


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_2"}, {"webhook-signature": "v1,"}, {"webhook-signature": "v1a,abc v1,xyz"},
        {"webhook-signature": ""}, {"webhook-id": ""}, {"webhook-timestamp": "soon"}, {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "9" * 4_000}, {"webhook-timestamp": "\u0663"},
    ],
)  # fmt: skip
def test_what_nobody_signed_who_has_the_secret_is_401(door: Door, changed: dict[str, str]) -> None:
    headers = {name: value.encode() for name, value in changed.items()}
    answer = post(door, json.dumps(NOTICE).encode(), **headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (401, "not-signed")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["hint"]
    assert noticed(door) == []


def test_a_signature_of_another_secret_time_or_body_is_401(door: Door) -> None:
    body = json.dumps(NOTICE).encode()
    answers = [
        post(door, body, bytes(32)),
        post(door, body, at_s=now_s() - SIGNED_S - 5),
        post(door, body, at_s=now_s() + SIGNED_S + 5),
        httpx.post(
            f"http://127.0.0.1:{door.port}{PATH}",
            content=body.replace(b"500", b"900"),
            headers=signed_headers(SECRET, "msg_1", now_s(), body),
        ),
    ]
    assert [each.status_code for each in answers] == [401] * 4
    assert noticed(door) == []
    assert post(door, body, at_s=now_s() - SIGNED_S + 30).status_code == 200


BAD = (
    b"", b"[]", b"{}", b"null", b"\xff", b"[" * 4_000, b'{"reference":"","account":"@anna","amount_units":1}',
    b'{"reference":"a","account":"@anna","amount_units":0}', b'{"reference":"a","account":"@anna","amount_units":1.5}',
    b'{"reference":"a","account":"a b","amount_units":1}',
    b'{"reference":"\\ud800","account":"@anna","amount_units":1}',
    b'{"reference":"a","account":"@anna","amount_units":99999999999999999999}',
    b'{"reference":"a","reference":"b","account":"@anna","amount_units":1}',
    b'{"reference":"a","account":"@anna","amount_units":1,"more":1}',
)  # fmt: skip


def test_what_is_signed_and_no_notice_is_400_with_a_reason_and_leaves_nothing(door: Door) -> None:
    for body in BAD:
        answer = post(door, body)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed"), body
        assert answer.json()["detail"]
    assert not [*(door.spool.folder / "in").iterdir()]


def test_no_change_of_a_notices_bytes_gives_500_or_a_file_that_is_no_notice(door: Door) -> None:
    chance, whole = random.Random(7), json.dumps(NOTICE).encode()
    with httpx.Client(base_url=f"http://127.0.0.1:{door.port}") as http:
        for _ in range(200):
            body = bytearray(whole)
            for _ in range(chance.randrange(1, 4)):
                body[chance.randrange(len(body))] = chance.randrange(256)
            headers = signed_headers(SECRET, "msg", now_s(), bytes(body))
            answer = http.post(PATH, content=bytes(body), headers=headers)
            assert answer.status_code in (200, 400, 409)
    for path in door.spool.notices():
        assert read_notice(path.read_bytes()).reference


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /payments HTTP/1.1\r\n\r\n", b"405"),
        (b"POST /else HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"404"),
        (b"POST /payments HTTP/1.1\r\n\r\n", b"411"),
        (b"POST /payments HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_NOTICE_BYTES + 1), b"413"),
        (b"POST /payments HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"POST /payments HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1001\r\n", b"413"),
        (b"POST /payments HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"401"),
        (b"POST /payments and more HTTP/1.1\r\n\r\n", b"400"),
    ],
)  # fmt: skip
def test_what_is_no_notice_by_http_has_a_plain_answer(door: Door, request_: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", door.port), timeout=5) as connection:
        connection.sendall(request_)
        assert status in connection.recv(4_096).partition(b"\r\n")[0]


def test_a_disk_that_takes_nothing_is_507_and_nothing_is_acknowledged(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(programs, "write_once", full)
    answer = post(door, json.dumps(NOTICE).encode())
    assert (answer.status_code, answer.json()["code"]) == (507, "storage-full")
    assert noticed(door) == []


def test_as_a_process_what_it_answered_outlives_kill_9(tmp_path: Path) -> None:
    secret, port, body = tmp_path / "secret", free_port(), json.dumps(NOTICE).encode()
    secret.write_text("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
    secret.chmod(0o600)
    asked = ["treasury", "listen", "--spool", "spool", "--secret", str(secret), "--port", str(port)]
    process = Forked(MAIN, asked, tmp_path, os.environ)
    url = f"http://127.0.0.1:{port}{PATH}"

    def answered() -> bool:
        try:
            return httpx.post(
                url, content=body, headers=signed_headers(SECRET, "m", now_s(), body)
            ).is_success
        except httpx.TransportError:
            return False

    end = time.monotonic() + 20
    while not answered():
        assert time.monotonic() < end
        time.sleep(0.05)
    process.kill()
    process.wait(5)
    assert [json.loads(path.read_bytes()) for path in Spool(tmp_path / "spool").notices()] == [NOTICE]
