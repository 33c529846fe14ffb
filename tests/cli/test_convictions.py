"""`trust evidence` and `trust canary` against a service that runs: files in, entries out."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.house import House, body_of, found, settings_for
from tests.api.processes import Running, serving
from tests.factories import derived_id
from tests.services.statements import ORIGIN, Party
from trust.cli import run
from trust.cli.failures import FALSE, GOOD, USAGE
from trust.client.canaries import Canaries
from trust.core import payloads
from trust.log.checkpoint import Checkpoint
from trust.log.note import sign_note
from trust.settings import write_seed
from trust.verify.forks import Fork

CLAIM = derived_id("clm_")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, House]]:
    """A town on a service that runs for this module."""
    directory = tmp_path_factory.mktemp("served")
    url = f"sqlite:///{directory / 'trust.db'}"
    with serving(directory, url, found(settings_for(directory, url))) as (running, home):
        home.settle_in()
        yield running, home


@pytest.fixture
def reach(served: tuple[Running, House], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> House:
    """The town, with the environment and the operator's key that the command line needs."""
    running, home = served
    monkeypatch.setenv("TRUST_URL", running.base_url)
    monkeypatch.setenv("TRUST_VKEY", home.vkey)
    write_seed(tmp_path / "operator.key", Party("operator").seed)
    monkeypatch.setenv("TRUST_KEY", str(tmp_path / "operator.key"))
    return home


def test_canaries_are_promised_kept_secret_and_opened(
    reach: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, worker = tmp_path / "canaries.json", reach.workers[0].did
    work = ["--work", f"planted-1={worker}=pass", "--work", f"planted-2={worker}=fail"]
    assert run(["canary", "commit", str(file), *work, "--within", "1h", "--json"]) == GOOD
    committed = json.loads(capsys.readouterr().out)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run(["canary", "list", str(file), "--json"]) == GOOD
    listed = json.loads(capsys.readouterr().out)
    assert (listed["count"], [each["answer"] for each in listed["canaries"]]) == (2, ["pass", "fail"])
    assert run(["canary", "open", str(file), "planted-2", "--json"]) == GOOD
    assert json.loads(capsys.readouterr().out)["entry"] > committed["entry"]
    assert run(["canary", "open", str(file), "planted-2"]) == FALSE
    assert "canary-opened" in capsys.readouterr().err
    assert run(["canary", "open", str(file), "planted-3"]) == USAGE
    assert run(["canary", "commit", str(file), *work]) != GOOD
    file.chmod(0o644)
    assert run(["canary", "list", str(file)]) != GOOD
    assert "chmod 600" in capsys.readouterr().err


@pytest.mark.parametrize("work", ["planted", "planted=did", "planted=did=perhaps", "=did=pass"])
def test_what_is_no_canary_is_a_mistake_of_usage(reach: House, tmp_path: Path, work: str) -> None:
    file = tmp_path / "canaries.json"
    assert run(["canary", "commit", str(file), "--work", work]) == USAGE
    assert not file.exists()


def test_a_fork_is_shown_to_the_log_and_convicts_once(
    reach: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fork.json"
    notes = [sign_note(Checkpoint(ORIGIN, 5, bytes([n]) * 32).body(), reach.log) for n in (1, 2)]
    file.write_bytes(Fork.of(notes[0], notes[1]).encode())
    assert run(["receipt", "verify", str(file), "--key", reach.vkey]) == GOOD
    capsys.readouterr()
    kept = tmp_path / "receipt.json"
    assert run(["evidence", "submit", str(file), "--receipt", str(kept)]) == GOOD
    assert run(["receipt", "verify", str(kept), "--key", reach.vkey]) == GOOD
    assert run(["evidence", "submit", str(file)]) == FALSE
    assert "convicted-already" in capsys.readouterr().err


def test_two_answers_of_the_operator_convict_it_offline_and_before_the_log(
    reach: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = reach.workers[0].did
    secrets = Canaries.made(
        ORIGIN,
        reach.now_ms + 600_000,
        [("twice", worker, "pass"), ("twice", worker, "fail"), ("once", worker, "fail")],
    )
    paths = {name: tmp_path / name for name in ("one", "other", "else", "commit", "genesis", "canaries")}
    committed = reach.done(
        "/v1/admin", reach.say(payloads.CanaryCommit, reach.operator, **secrets.commitment())
    )
    paths["commit"].write_text(json.dumps(committed["receipt"]))
    paths["genesis"].write_text(json.dumps(reach.get("/v1/receipts/0")))
    for number, name in enumerate(("one", "other", "else")):
        opened = reach.say(payloads.CanaryOpen, reach.operator, **secrets.opening(number))
        paths[name].write_bytes(body_of(opened))
    kept = ["--commit", str(paths["commit"]), "--genesis", str(paths["genesis"])]
    file = str(paths["canaries"])

    def written(one: str, other: str, *options: str) -> int:
        return run(["evidence", "canaries", str(paths[one]), str(paths[other]), file, *(options or kept)])

    verify = ["receipt", "verify", file, "--key", reach.vkey]
    for one, other, why in (("one", "else", "different work"), ("one", "one", "both answer pass")):
        assert written(one, other) == GOOD
        assert run(verify) == FALSE
        assert why in capsys.readouterr().err
    swapped = ["--commit", str(paths["genesis"]), "--genesis", str(paths["commit"])]
    assert written("one", "other", *swapped) == GOOD
    assert run(verify) == FALSE
    assert written("one", "other") == GOOD
    capsys.readouterr()
    assert run([*verify, "--json"]) == GOOD
    proven = json.loads(capsys.readouterr().out)
    assert (proven["verified"], proven["operator"]) == ("canary", reach.operator.did)
    assert (proven["task"], proven["worker"]) == ("twice", worker)
    whole = paths["canaries"].read_bytes()
    paths["canaries"].write_bytes(whole.replace(b'"sig":"', b'"sig":"A', 1))
    assert run(verify) == FALSE
    paths["canaries"].write_bytes(whole)
    again = Canaries.made(ORIGIN, reach.now_ms + 600_000, [("twice", worker, "fail")])
    second = reach.done("/v1/admin", reach.say(payloads.CanaryCommit, reach.operator, **again.commitment()))
    apart, reopened = tmp_path / "second", reach.say(payloads.CanaryOpen, reach.operator, **again.opening(0))
    apart.write_text(json.dumps(second["receipt"]))
    paths["else"].write_bytes(body_of(reopened))
    assert written("one", "else") == GOOD
    assert run(verify) == FALSE
    capsys.readouterr()
    assert written("one", "else", *kept, "--other-commit", str(apart), "--json") == GOOD
    committed_at = [committed["receipt"]["index"], second["receipt"]["index"]]
    assert json.loads(capsys.readouterr().out)["indices"] == committed_at
    assert run(verify) == GOOD
    assert run(["evidence", "submit", file]) == GOOD
    assert run(["evidence", "submit", file]) == FALSE
    assert "convicted-already" in capsys.readouterr().err


def test_a_file_that_is_no_evidence_yet_is_not_sent_and_what_it_lacks_is_said(
    reach: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rumour.json"
    worker = reach.workers[0]
    told = reach.say(
        payloads.RelayConfirm, reach.coordinator, task="t", claim=CLAIM, worker=worker.did, index=0
    )
    artifact = payloads.Artifact(name="report", sha256="ab" * 32, size_bytes=1)
    output = reach.say(payloads.OutputSubmit, worker, claim=CLAIM, artifacts=(artifact,))
    for said, what in (
        (b'{"evidence":"hearsay"}', "hearsay"),
        (b"not even JSON", "JSON object"),
        (b"[1]", "JSON object"),
        (b"{}", "evidence"),
        (body_of(told), "trust evidence confirmation"),
        (body_of(output), "trust evidence outputs"),
        (json.dumps(reach.get("/v1/receipts/0")).encode(), "trust receipt judge"),
    ):
        file.write_bytes(said)
        assert run(["evidence", "submit", str(file)]) == USAGE
        shown = capsys.readouterr().err
        assert "not-evidence" in shown
        assert what in shown
    file.write_text('{"evidence":"equivocation"}', encoding="utf-8")
    assert run(["evidence", "submit", str(file)]) == FALSE
    assert "not-proven" in capsys.readouterr().err


def test_a_bare_confirmation_becomes_evidence_and_convicts_the_relay_that_lied(
    reach: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    won = reach.claimed("confirmed")
    bare, file = tmp_path / "confirm.json", tmp_path / "evidence.json"

    def written(worker: str) -> int:
        said = {
            "task": "confirmed",
            "claim": won,
            "worker": worker,
            "index": reach.get(f"/v1/claims/{won}")["index"],
        }
        bare.write_bytes(body_of(reach.say(payloads.RelayConfirm, reach.coordinator, **said)))
        return run(["evidence", "confirmation", str(bare), str(file)])

    assert written(reach.workers[0].did) == FALSE
    assert "told the truth" in capsys.readouterr().err
    assert not file.exists()
    assert written(reach.workers[1].did) == GOOD
    assert run(["receipt", "verify", str(file), "--key", reach.vkey]) == GOOD
    assert run(["evidence", "submit", str(file)]) == GOOD
    assert reach.relay in capsys.readouterr().out
