"""`trust beacon serve` as a process of its own: it draws where the service's draw key is silent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.api import processes
from tests.api.house import found, settings_for
from tests.services.statements import Party
from tests.speaking import Speaking
from trust.cli import run
from trust.cli.failures import GOOD
from trust.settings import write_seed

BEACON = Party("beacon")
TURN_MS = 3_000
SILENT = "from trust.services.drawing import Drawing; Drawing.run = lambda self: 0; "


@contextmanager
def beacon(folder: Path, *arguments: str) -> Iterator[Speaking]:
    """The beacon's process; it is killed in the end."""
    process = Speaking(["beacon", "serve", *arguments, "--interval", "100ms", "--json"], folder)
    try:
        yield process
    finally:
        process.kill()


def test_a_beacon_draws_what_the_service_withholds_and_the_log_bears_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "_SERVE", SILENT + processes._SERVE)
    (tmp_path / "service").mkdir()
    url, key = f"sqlite:///{tmp_path / 'trust.db'}", tmp_path / "beacon.key"
    write_seed(key, BEACON.seed)
    vkey = found(settings_for(tmp_path / "service", url), keys=[BEACON.did], draw_ms=TURN_MS)
    with processes.serving(tmp_path / "service", url, vkey) as (running, home):
        home.settle_in()
        where = ("--log", running.base_url, "--vkey", vkey, "--data", str(tmp_path / "beacon"))
        with beacon(tmp_path, "--key", str(key), *where) as process:
            claim = home.delivered("withheld")
            assert home.get(f"/v1/claims/{claim}")["rounds"] == []
            made = json.loads(process.line())
            assert made["for"] == f"{claim}/1"
            assert made["index"] > 0, made
        [round_] = home.get(f"/v1/claims/{claim}")["rounds"]
        assert len(round_["seats"]) == 3
        assert run(["audit", running.base_url, "--key", vkey]) == GOOD, capsys.readouterr().err
