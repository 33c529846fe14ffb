"""Commands by which several parties sign one thing: a relay's word, a planter's consent, a payout's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.house import House, body_of, found, settings_for
from tests.api.processes import Running, serving
from tests.services.statements import Party
from trust import clock
from trust.cli import run
from trust.cli.failures import FALSE, GOOD, USAGE
from trust.client.statements import opened
from trust.core import payloads
from trust.core.payloads import StakePayout
from trust.settings import write_seed

EPOCH_MS = 300


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, House]]:
    """A town on a service that runs for this module; verdicts can be challenged long enough for a command."""
    directory = tmp_path_factory.mktemp("served")
    url = f"sqlite:///{directory / 'trust.db'}"
    terms: dict[str, Any] = {"challenge_ms": 4_000, "open_ms": 8_000}
    with serving(directory, url, found(settings_for(directory, url), **terms)) as (running, home):
        home.settle_in()
        yield running, home


@pytest.fixture
def reach(served: tuple[Running, House], monkeypatch: pytest.MonkeyPatch) -> House:
    running, home = served
    monkeypatch.setenv("TRUST_URL", running.base_url)
    monkeypatch.setenv("TRUST_VKEY", home.vkey)
    return home


@pytest.fixture
def keys(reach: House, tmp_path: Path) -> dict[str, str]:
    """The key files of the town's people."""
    parties = {
        "operator": reach.operator,
        "coordinator": reach.coordinator,
        "requester": reach.requester,
        "worker": reach.workers[0],
        "rival": reach.workers[1],
    }
    for name, party in parties.items():
        write_seed(tmp_path / f"{name}.key", party.seed)
    return {name: str(tmp_path / f"{name}.key") for name in parties}


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


def drawn(home: House, task: str) -> str:
    """A claim whose panel waits for its opening."""
    claim = home.delivered(task)
    home.wait(lambda: home.get(f"/v1/claims/{claim}")["rounds"])
    return claim


def test_a_relay_attests_an_opening_that_the_service_did_not_take(
    reach: House, keys: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claim, file, kept = drawn(reach, "attested"), tmp_path / "opening.json", tmp_path / "receipt.json"
    file.write_bytes(body_of(reach.say(payloads.OutputOpen, reach.workers[0], claim=claim)))
    asked = ["relay", "attest", reach.relay, str(file)]
    assert run(asked) == USAGE
    assert run([*asked, "--coordinator", keys["rival"]]) == FALSE
    assert "not-coordinator" in capsys.readouterr().err
    assert run([*asked, "--coordinator", keys["coordinator"], "--receipt", str(kept)]) == GOOD
    assert run(["receipt", "verify", str(kept), "--key", reach.vkey]) == GOOD
    assert len(reach.seated(claim, "commit")) == 3
    file.write_text("{}", encoding="utf-8")
    assert run([*asked, "--coordinator", keys["coordinator"]]) == USAGE


def test_a_canary_binds_when_requester_and_worker_sign_its_opening(
    reach: House, keys: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "canaries.json")
    work = f"planted={reach.workers[0].did}=fail"
    operator = ("--key", keys["operator"])
    assert run(["canary", "commit", file, "--work", work, *operator]) == GOOD
    epoch_over_ms = clock.now_ms() + EPOCH_MS
    reach.wait(lambda: clock.now_ms() > epoch_over_ms)
    claim = drawn(reach, "planted")
    reach.done("/v1/outputs", reach.say(payloads.OutputOpen, reach.workers[0], claim=claim))
    reach.vote(claim, "pass")
    asked = ["canary", "open", file, "planted", *operator]
    assert run(asked) == FALSE
    assert "no-consent" in capsys.readouterr().err
    assert run([*asked, "--planted-by", keys["requester"]]) == FALSE
    assert "no-consent" in capsys.readouterr().err
    assert run([*asked, "--planted-by", keys["requester"], "--planted-by", keys["worker"]]) == GOOD
    assert reach.get(f"/v1/claims/{claim}")["canary"] == "fail"


def test_a_payout_needs_the_reference_that_its_withdrawal_named_or_its_owners_signature(
    reach: House, keys: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    withdraw = ["stake", "withdraw", "100", "--key", keys["rival"], "--json"]
    named: list[str] = []
    unnamed: list[str] = []
    for options, into in ((["--reference", "wire-1"], named), ([], unnamed)):
        assert run([*withdraw, *options]) == GOOD
        into.append(answer(capsys)["withdrawal"])
    book = ["stake", "payout", "--key", keys["operator"]]
    assert run([*book, named[0]]) == USAGE
    assert run([*book, named[0], "--reference", "wire-2"]) == FALSE
    assert "other-reference" in capsys.readouterr().err
    assert run([*book, named[0], "--reference", "wire-1"]) == FALSE
    assert "not-payable" in capsys.readouterr().err
    assert run([*book, unnamed[0], "--reference", "wire-3"]) == FALSE
    assert "wrong-signer" in capsys.readouterr().err
    agreed = tmp_path / "agreed.json"
    terms = ["--reference", "wire-3", "--treasurer", Party("operator").did, "--key", keys["rival"]]
    assert run(["stake", "agree", unnamed[0], str(agreed), *terms]) == GOOD
    said = opened(agreed.read_bytes())
    assert isinstance(said.payload, StakePayout)
    assert (said.payload.withdrawal, said.payload.reference) == (unnamed[0], "wire-3")
    assert said.signed.signers == (reach.workers[1].did,)
    assert run([*book, unnamed[0], "--agreed", str(agreed)]) == FALSE
    assert "not-payable" in capsys.readouterr().err


def test_two_outputs_for_one_claim_are_written_as_evidence_and_convict(
    reach: House, keys: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claim = reach.claimed("twice")
    outputs = [
        reach.say(
            payloads.OutputSubmit,
            reach.workers[0],
            claim=claim,
            artifacts=(payloads.Artifact(name="report", sha256=digit * 64, size_bytes=1),),
        )
        for digit in "ab"
    ]
    receipt, other, file = (tmp_path / name for name in ("receipt.json", "other.json", "evidence.json"))
    receipt.write_text(json.dumps(reach.done("/v1/outputs", outputs[0])["receipt"]), encoding="utf-8")
    other.write_bytes(body_of(outputs[1]))
    assert run(["evidence", "outputs", str(receipt), str(other), str(file)]) == GOOD
    assert run(["receipt", "verify", str(file), "--key", reach.vkey]) == GOOD
    assert run(["evidence", "submit", str(file), "--key", keys["requester"]]) == GOOD
    assert reach.get(f"/v1/agents/{reach.workers[0].did}")["left"] == "tombstoned"
    assert run(["evidence", "submit", str(file), "--key", keys["requester"]]) == FALSE
    assert "convicted-already" in capsys.readouterr().err
