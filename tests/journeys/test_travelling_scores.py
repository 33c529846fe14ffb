"""An agent takes its record to another network, by the commands that its people type."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.api.house import House, found, settings_for
from tests.api.processes import serving
from trust.cli import run
from trust.cli.failures import FALSE, GOOD
from trust.verify.files import verify_scores
from trust.verify.receipts import parse_key

pytestmark = pytest.mark.journey
Capture = pytest.CaptureFixture[bytes]
OTHER = "trust.example.net/other"


def proven(house: House, agent: str, capture: Capture, *service: str) -> bytes:
    """What `trust agent prove` writes, once the record is sealed with work in it."""

    def asked() -> bytes | None:
        capture.readouterr()
        code = run(["agent", "prove", agent, *service])
        written = capture.readouterr().out
        return written if code == GOOD and verify_scores(written, parse_key(house.vkey)).scores else None

    data: bytes = house.wait(asked)
    return data


def test_a_record_is_proven_here_and_shown_there(tmp_path: Path, capsysbinary: Capture) -> None:
    here, there, file = tmp_path / "here", tmp_path / "there", tmp_path / "scores.json"
    urls = {data: f"sqlite:///{data / 'trust.db'}" for data in (here, there)}
    for data in urls:
        data.mkdir()
    vkey = found(settings_for(here, urls[here]))
    with serving(here, urls[here], vkey) as (running, house):
        house.settle_in(verifiers=5)
        house.checked("work", "pass")
        worker = house.workers[0].did
        file.write_bytes(proven(house, worker, capsysbinary, "--url", running.base_url, "--vkey", vkey))
    assert run(["receipt", "verify", str(file), "--key", vkey, "--json"]) == GOOD
    said = json.loads(capsysbinary.readouterr().out)
    assert (said["verified"], said["network"], said["agent"]) == ("scores", house.origin, worker)

    (there / "trust.toml").write_text(f'recognises = ["{vkey}"]\n')
    other = found(settings_for(there, urls[there]), OTHER)
    with serving(there, urls[there], other) as (running, house):
        guest = House(house.client, other, house.database, OTHER)
        guest.settle_in()
        service = ["--url", running.base_url, "--vkey", other]
        assert run(["agent", "bring", worker, str(file), *service]) == GOOD
        assert run(["agent", "bring", guest.workers[1].did, str(file), *service]) == FALSE
        capsysbinary.readouterr()
        assert run(["agent", "reputation", worker, *service, "--json"]) == GOOD
        shown = json.loads(capsysbinary.readouterr().out)
    assert shown["scores"] == []
    assert [(each["network"], each["scores"]) for each in shown["elsewhere"]] == [
        (said["network"], said["scores"])
    ]
