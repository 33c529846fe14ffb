"""The service's own keys are changed while it runs: nothing is lost, and whoever knew the first key follows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.house import House, found, settings_for
from tests.api.processes import Running, serving
from tests.services.statements import Party
from trust.cli import run
from trust.cli.failures import FALSE, GOOD
from trust.client import TrustClient
from trust.core.entry import decode_entry
from trust.core.payloads import Artifact, OutputSubmit
from trust.core.sampling import vrf
from trust.settings import write_seed
from trust.storage.reading import reading

pytestmark = pytest.mark.journey
Capture = pytest.CaptureFixture[str]


def adopt(running: Running, folder: Path, vkey: str, use: str) -> None:
    """What an operator types."""
    service = ["--url", running.base_url, "--vkey", vkey, "--data", str(folder)]
    assert run(["keys", "adopt", use, "--key", str(folder / "operator.key"), *service]) == GOOD


def deliver(house: House, claim: str) -> None:
    """The output of a claim."""
    artifact = Artifact(name="findings.json", sha256="0" * 64, size_bytes=1)
    said = house.say(OutputSubmit, house.workers[0], claim=claim, artifacts=(artifact,))
    house.done("/v1/outputs", said)
    house.wait(lambda: house.get(f"/v1/claims/{claim}")["state"] != "submitted")


def drawn_by(house: House, claim: str) -> str:
    """The key whose VRF drew for a claim, which the entry proves."""
    with reading(house.database) as reader:
        size = reader.head().size
        (entry,) = [each for each in reader.of_kind("draw", 0, size) if claim.encode() in each.data]
    draw = decode_entry(entry.data).command.draw
    assert draw is not None
    (beacon,) = draw.beacons
    assert vrf.proof_to_hash(bytes.fromhex(beacon.pi)).hex() == beacon.beta
    return beacon.key


def scores_of(house: House) -> bytes | None:
    """The file of the worker's scores, once they are sealed."""
    answer = house.client.get(f"/v1/agents/{house.workers[0].did}/reputation/proof")
    return answer.content if answer.status_code == 200 else None


def told(capture: Capture, *command: str, exit_code: int = GOOD) -> dict[str, Any]:
    """What a command says as JSON."""
    capture.readouterr()
    assert run([*command, "--json"]) == exit_code
    return dict(json.loads(capture.readouterr().out))


def test_both_keys_of_a_running_service_change_and_nothing_is_lost(tmp_path: Path, capsys: Capture) -> None:
    url = f"sqlite:///{tmp_path / 'trust.db'}"
    vkey = found(settings_for(tmp_path, url))
    for name in ("log", "draw", "operator"):
        write_seed(tmp_path / f"{name}.key", Party(name).seed)
    with serving(tmp_path, url, vkey) as (running, house):
        house.settle_in(verifiers=5)
        before = house.claimed("before")
        receipt = tmp_path / "old.json"
        receipt.write_text(json.dumps(house.get("/v1/receipts/1")))
        adopt(running, tmp_path, vkey, "draw")
        after = house.claimed("after")
        deliver(house, after)
        deliver(house, before)
        assert drawn_by(house, before) == Party("draw").did != drawn_by(house, after)
        adopt(running, tmp_path, vkey, "log")
        late = house.claimed("late")
        relay = house.relay
        running.kill()
    with serving(tmp_path, url, vkey) as (running, house):
        house.relay = relay
        deliver(house, late)
        assert drawn_by(house, late) == drawn_by(house, after)
        adopt(running, tmp_path, vkey, "log")
        (first, second, third) = house.get("/v1/policy")["log_keys"]
        assert first == {"vkey": vkey, "since_index": 0, "until_index": second["since_index"]}
        with TrustClient(running.base_url, vkey) as client:
            house.claimed("last")
            assert client.checkpoint().size > third["since_index"] + 1
            assert client.receipt(1)[1].index == 1
        audit = ["audit", running.base_url, "--from", str(tmp_path / "state")]
        report = told(capsys, *audit, "--key", vkey)
        assert [step["ok"] for step in report["steps"]] == [True] * 8
        told(capsys, *audit, "--key", third["vkey"])
        rotations = [f"--rotation={path}" for path in sorted(tmp_path.glob("rotation-*.json"))]
        proven = told(capsys, "receipt", "verify", str(receipt), "--key", vkey, *rotations)
        assert (proven["key"], proven["key_signs_to"]) == (vkey, first["until_index"] + 1)
        newest = tmp_path / "new.json"
        newest.write_text(json.dumps(house.get("/v1/receipts/1")))
        proven = told(capsys, "receipt", "verify", str(newest), "--key", vkey, *rotations)
        assert (proven["key"], proven["key_signs_to"]) == (third["vkey"], None)
        assert run(["receipt", "verify", str(newest), "--key", vkey]) == FALSE
        scores = tmp_path / "scores.json"
        scores.write_bytes(house.wait(lambda: scores_of(house)))
        proven = told(capsys, "receipt", "verify", str(scores), "--key", vkey, *rotations)
        assert (proven["verified"], proven["agent"]) == ("scores", house.workers[0].did)
        assert run(["receipt", "verify", str(scores), "--key", vkey]) == FALSE
        assert running.stop() == 0
    told(capsys, "log", "check", "--data", str(tmp_path), "--vkey", vkey)
