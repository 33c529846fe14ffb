"""Nonsense in the place of every file, name and answer: an exit code and a sentence, never a bug of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.cli.served import serving
from tests.client.services import Log, answer
from tests.factories import log_signer, seed, statement
from trust import settings
from trust.cli import run
from trust.client.exchanges import Retry
from trust.client.wire import Request, Response
from trust.settings import write_seed

VKEY = str(log_signer().verifier)
FILES = {
    "empty": b"", "bytes": bytes(range(256)), "object": b"{}", "array": b"[]", "deep": b"[" * 100_000,
    "float": b"1e999", "null": b"null", "statement": statement("task.cancel"),
}  # fmt: skip
NONSENSE = [*FILES, "receipt", "directory", "missing", "own.key"]
COMMANDS = """
receipt verify {f} --key VKEY
receipt judge {f} URL --key VKEY
receipt verify receipt --key {f}
receipt verify receipt --key VKEY --rotation {f}
receipt verify receipt --key VKEY --witnesses {f}
evidence submit {f} --key own.key
evidence outputs {f} statement out
evidence outputs receipt {f} out
evidence canaries {f} statement out --genesis receipt --commit receipt
evidence canaries statement statement out --genesis {f} --commit receipt
evidence confirmation {f} out
policy check {f}
policy check ./{f}
policy adopt {f} --key own.key
canary list {f}
canary open {f} t --key own.key
canary commit {f} --work t=did=pass --key own.key
keys show {f}
keys new {f}
keys adopt log {f} --key own.key
agent show {f}
agent reputation {f}
agent explain-score {f}
agent prove {f}
agent history {f} k
agent bring @a {f}
agent rotate {f} --key own.key
agent register --key {f}
agent register --key own.key --owner {f}
task post t --kind k --spec {f} --price 1 --key own.key
task show {f}
output submit clm_x {f} --key own.key
output submit clm_x receipt --items {f} --key own.key
output open clm_x --items {f} --key own.key
output accept {f} --key own.key
check challenge clm_x --reason r --report {f} --key own.key
check vote seat_x --verdict pass --votes {f} --key own.key
check list {f}
claim request t --relay rly_x --coordinator {f} --key own.key
claim renew {f} --key own.key
claim show {f}
relay register --operator {f} --coordinator own.key
relay update rly_x --coordinator own.key --new {f}
stake deposit {f} 1 --reference r --key own.key
stake deposit @a 1 --reference r --key own.key --receipt {f}
stake payout {f} --key own.key
stake show {f}
explain {f}
bundle {f}
audit {f} --key VKEY
audit URL --key VKEY --from {f}
log check {f}
log rebuild --data {f}
log graph --data {f}
log export {f}/out --url URL
log export out --data {f} --vkey VKEY
log copy {f} --data other --vkey VKEY
log copy URL --data {f} --vkey VKEY
log watch URL --state {f} --key VKEY --once
log watch {f} --state state --key VKEY --once
backup copy --data {f}
backup {f}
serve --data {f} --port 0
init --network a.example/b --data {f}/x
init --network a.example/b --policy {f} --data x
init --network a.example/b --policy fast --data y --witnesses {f}
witness show --data {f}
witness serve --data {f} --port 0
witness add-log {f}
""".strip().splitlines()


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service that answers every question alike; its directory has nonsense of every kind."""
    log = Log()
    log.append(statement("task.cancel"))
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "receipt").write_bytes(log.receipt(0).encode())
    (tmp_path / "directory").mkdir()
    write_seed(tmp_path / "own.key", seed(0))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Retry, "wait_ms", lambda *_: None)

    def handle(request: Request) -> Response | Exception:
        if request.path.startswith("/log/checkpoint"):
            return Response(200, log.checkpoint())
        if request.path.startswith("/v1/receipts"):
            return log.handle(request)
        return answer(200, {"agent": "did:key:x", "index": 0, "terms": {}, "policy": 0, "stake_units": 1})

    with serving(handle) as url:
        monkeypatch.setenv("TRUST_URL", url)
        monkeypatch.setenv("TRUST_VKEY", VKEY)
        yield url


def _is_told(command: str, file: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = command.replace("VKEY", VKEY).replace("URL", url).split()
    code = run([word.replace("{f}", file) for word in words])
    shown = capsys.readouterr()
    told = shown.err
    assert code in (0, 1, 2, 3), told
    assert shown.out or "trust: " in told
    assert "bug" not in told, told
    assert "Traceback" not in told


@pytest.mark.parametrize("command", COMMANDS)
def test_nonsense_is_told_as_what_it_is(
    command: str, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    at = COMMANDS.index(command)
    for step in (0, 5):
        _is_told(command, NONSENSE[(at + step) % len(NONSENSE)], address, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("file", NONSENSE)
def test_nonsense_of_every_kind_is(
    command: str, file: str, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _is_told(command, file, address, capsys)


TYPES: list[object] = [None, 7, "x", [7], {"x": 7}]
READS = """
agent show @a
agent reputation @a
agent explain-score @a
agent history @a k
task show t
claim show clm_aaaaaaaaaaaaaaaaaaaaaaaaaa
check list @a
stake show @a
explain t
explain clm_aaaaaaaaaaaaaaaaaaaaaaaaaa
policy show
relay show rly_x
check list own.key
agent register --key own.key
agent rotate own.key --key own.key
keys adopt draw --key own.key --data .
task post t --kind k --spec statement --price 1 --key own.key
stake deposit @a 1 --reference r --key own.key
claim request t --relay rly_x --coordinator own.key --key own.key
output submit clm_x statement --key own.key
check vote seat_x --verdict pass --votes votes --key own.key
""".strip().splitlines()


@pytest.mark.parametrize("command", READS)
def test_an_answer_whose_members_are_of_other_types_is_told(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_seed(tmp_path / "own.key", seed(0))
    (tmp_path / "statement").write_bytes(b"{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Retry, "wait_ms", lambda *_: None)
    monkeypatch.setenv("TRUST_VKEY", VKEY)
    shown: dict[str, object] = {}
    with serving(lambda _: answer(200, shown)) as url:
        monkeypatch.setenv("TRUST_URL", url)
        for value in TYPES:
            shown.update(dict.fromkeys(_members(), value))
            code = run(command.split())
            told = capsys.readouterr()
            assert "bug" not in told.err, (value, told.err)
            assert "Traceback" not in told.err
            assert code in (0, 1, 2, 3)


@cache
def _members() -> frozenset[str]:
    """Every member of an answer that a client may ask for."""
    names = {
        name
        for path in (settings.shipped("policies").parent / "trust").glob("c*/*.py")
        for name in re.findall(r"[\"']([a-z][a-z0-9_]*)[\"']", path.read_text(encoding="utf-8"))
    }
    return frozenset(names - {"code", "after", "status"})
