"""A command whose answer was lost is run again, and nothing happens twice."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.served import serving
from tests.client.services import Log, answer, problem
from tests.factories import NETWORK, derived_id, did, log_signer, seed
from trust.cli import run
from trust.cli.connection import _unanswered
from trust.cli.failures import CANNOT_CHECK, FALSE, GOOD
from trust.client.exchanges import Retry
from trust.client.outbox import Outbox
from trust.client.problems import Unreachable
from trust.client.statements import Speaker
from trust.client.wire import Request, Response
from trust.core.payloads import StakeDeposit
from trust.settings import state_dir, write_seed

VKEY = str(log_signer().verifier)
ALICE, CLAIM, RELAY = did(5), derived_id("clm_"), derived_id("rly_")
POLICY = {
    "terms": {
        "windows": {"notice_ms": 1_000},
        "registration": {"pow_bits": 1},
        "claims": {"min_stake_units": 1},
    }
}


class Lossy:
    """A service that books what it gets, and whose answers to writes are lost while `loses`."""

    def __init__(self) -> None:
        self.log = Log()
        self.loses = True
        self.refuses = ""
        self.output: dict[str, Any] | None = None

    def handle(self, request: Request) -> Response | Exception:
        path = request.path.partition("?")[0]
        if request.method == "GET" and not path.startswith(("/v1/receipts/", "/v1/blobs/")):
            facts: dict[str, Any] = {
                "agent": ALICE,
                "index": 0,
                "policy": 0,
                "stake_units": 1,
                "output": self.output,
            }
            return answer(200, POLICY if path == "/v1/policy" else facts)
        if request.method == "PUT":
            return self.log.handle(request)
        if self.refuses:
            return problem(409, self.refuses)
        done = self.log.handle(request)
        return Unreachable("lost") if self.loses and request.method == "POST" else done


@pytest.fixture
def lossy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lossy]:
    service = Lossy()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Retry, "wait_ms", lambda *_: None)
    write_seed(tmp_path / "a.key", seed(0))
    (tmp_path / "file").write_bytes(b"what is to be done")
    with serving(service.handle) as url:
        for name, value in (("URL", url), ("VKEY", VKEY), ("KEY", "a.key")):
            monkeypatch.setenv(f"TRUST_{name}", value)
        yield service


COMMANDS = [
    ["stake", "deposit", "@alice", "500", "--reference", "invoice-1"],
    ["stake", "withdraw", "500"],
    ["stake", "take-back", derived_id("wdr_")],
    ["stake", "payout", derived_id("wdr_"), "--reference", "wire-1"],
    ["agent", "register", "--handle", "alice"],
    ["agent", "revoke", "tired"],
    ["check", "enroll", "--kind", "extract"],
    ["check", "leave"],
    ["check", "challenge", CLAIM, "--reason", "wrong"],
    ["task", "post", "t", "--kind", "extract", "--spec", "file", "--price", "5"],
    ["task", "cancel", "t"],
    ["task", "allocate", "t", "--relay", RELAY, "--coordinator", "a.key"],
    ["claim", "renew", CLAIM],
    ["claim", "abandon", CLAIM],
    ["output", "submit", CLAIM, "file"],
    ["output", "accept", CLAIM],
    ["policy", "adopt", "sandbox"],
    ["relay", "register", "--operator", "a.key", "--coordinator", "a.key"],
    ["relay", "update", RELAY, "--coordinator", "a.key", "--new", "a.key"],
    ["canary", "commit", "canaries", "--work", f"t={ALICE}=pass"],
    ["keys", "adopt", "draw"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(each[:2]) for each in COMMANDS])
def test_a_command_that_is_run_again_after_a_lost_answer_is_booked_once(
    lossy: Lossy, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trust-data").mkdir()
    assert run(command) == CANNOT_CHECK
    assert run(command) == CANNOT_CHECK
    assert len(lossy.log.entries) == 1
    lossy.loses = False
    capsys.readouterr()
    assert run([*command, "--json"]) == GOOD
    shown = capsys.readouterr()
    assert json.loads(shown.out)["repeated"] is True
    assert "sent before" in shown.err
    assert len(lossy.log.entries) == 1
    assert not list(tmp_path.glob("*.unanswered"))


def test_another_payment_is_not_taken_for_the_one_without_an_answer(lossy: Lossy) -> None:
    deposit = ["stake", "deposit", "@alice"]
    assert run([*deposit, "500", "--reference", "r"]) == CANNOT_CHECK
    lossy.loses = False
    assert run([*deposit, "501", "--reference", "r"]) == GOOD
    assert run([*deposit, "500", "--reference", "mine"]) == GOOD
    assert len(lossy.log.entries) == 3
    assert run([*deposit, "500", "--reference", "r"]) == GOOD
    assert len(lossy.log.entries) == 3


def test_a_task_with_another_deadline_is_another_task(lossy: Lossy) -> None:
    post = ["task", "post", "t", "--kind", "extract", "--spec", "file", "--price", "5"]
    assert run([*post, "--deadline", "1h"]) == CANNOT_CHECK
    assert run([*post, "--deadline", "2h"]) == CANNOT_CHECK
    assert len(lossy.log.entries) == 2


def test_a_receipt_that_cannot_be_written_is_asked_for_again(lossy: Lossy, tmp_path: Path) -> None:
    lossy.loses = False
    deposit = ["stake", "deposit", "@alice", "500", "--reference", "r", "--receipt"]
    assert run([*deposit, str(tmp_path / "no" / "such" / "directory")]) == CANNOT_CHECK
    assert run([*deposit, str(tmp_path / "receipt.json")]) == GOOD
    assert len(lossy.log.entries) == 1
    assert run(["receipt", "verify", str(tmp_path / "receipt.json"), "--key", VKEY]) == GOOD


def test_what_was_refused_is_not_kept(lossy: Lossy, tmp_path: Path) -> None:
    lossy.refuses = "insufficient-funds"
    assert run(["stake", "withdraw", "500"]) == FALSE
    assert not list(tmp_path.glob("*.unanswered"))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_was_not_decided_is_kept(lossy: Lossy, tmp_path: Path, status: int) -> None:
    lossy.log.handle = lambda request: problem(status, "overloaded")  # type: ignore[method-assign]
    assert run(["stake", "withdraw", "500"]) == CANNOT_CHECK
    assert len(list((tmp_path / "a.key.unanswered").iterdir())) == 1


def test_a_statement_that_expired_without_being_taken_is_said_anew(tmp_path: Path) -> None:
    from trust.client.problems import ServiceError

    outbox = Outbox(tmp_path / "out")
    me = Speaker(NETWORK, seed(0))
    first, again = (me.say(StakeDeposit, now, account=ALICE, amount_units=1, reference="r") for now in (1, 2))
    sent: list[bytes] = []

    def send(envelope: bytes, outcome: Exception | None) -> Any:
        sent.append(envelope)
        yield from ()
        if outcome:
            raise outcome
        return "accepted"

    def told(envelope: bytes, *outcomes: Exception | None) -> object:
        turns = iter(outcomes)
        talk = outbox.sending(envelope, lambda said: send(said, next(turns)))
        try:
            return next(talk)
        except StopIteration as end:
            return end.value

    with pytest.raises(Unreachable):
        told(first, Unreachable("lost"))
    outbox.settle(is_good=False)
    assert told(again, ServiceError("expired", status=410), None) == "accepted"
    outbox.settle(is_good=True)
    assert sent == [first, first, again]
    assert not outbox.folder.exists()


@contextmanager
def _held_by_another_process(outbox: Outbox, envelope: bytes) -> Iterator[None]:
    ready, told = os.pipe()
    wait, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go)
        outbox.keep([envelope])
        os.write(told, b".")
        os.read(wait, 1)
        os._exit(0)
    os.read(ready, 1)
    try:
        yield
    finally:
        os.close(go)
        os.waitpid(child, 0)


def test_two_processes_that_say_the_same_at_once_mean_two_statements(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "out")
    said = Speaker(NETWORK, seed(0)).say(StakeDeposit, 1, account=ALICE, amount_units=1, reference="r")
    with _held_by_another_process(outbox, said):
        assert outbox.said_before("stake.deposit", account=ALICE) == {}
        assert not outbox.keep([said])[0].is_old
    outbox.settle(is_good=True)
    assert outbox.said_before("stake.deposit", account=ALICE)["reference"] == "r"


def test_a_file_that_was_not_written_whole_was_not_sent(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "out")
    said = Speaker(NETWORK, seed(0)).say(StakeDeposit, 1, account=ALICE, amount_units=1, reference="r")
    kept = outbox.keep([said])[0]
    outbox.settle(is_good=False)
    kept.path.write_bytes(said[: len(said) // 2])
    again = outbox.keep([said])[0]
    assert (again.is_old, again.path, again.path.read_bytes()) == (False, kept.path, said)


def test_a_key_in_a_directory_that_cannot_be_written_has_its_statements_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert _unanswered(tmp_path / "a.key").parent == tmp_path / "state" / "trust"
    assert state_dir({"HOME": "/home/x"}) == Path("/home/x/.local/state/trust")
    assert state_dir({}).name == f"trust-{os.getuid()}"
