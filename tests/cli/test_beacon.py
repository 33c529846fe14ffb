"""`trust beacon serve` as a process of its own: it draws where the service's draw key is silent."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.api import processes
from tests.api.house import found, settings_for
from tests.services.statements import Party
from trust.cli import run
from trust.cli.failures import GOOD
from trust.settings import write_seed

BEACON = Party("beacon")
TURN_MS = 3_000
PATIENCE_S = 30
SILENT = "from trust.services.drawing import Drawing; Drawing.run = lambda self: 0; "
_BEACON = (
    "import sys; from trust.cli import main; sys.argv = ['trust', 'beacon', 'serve', *sys.argv[1:]]; main()"
)


@contextmanager
def beacon(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The beacon's process; it is killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", _BEACON, *arguments, "--interval", "100ms", "--json"],
        cwd=processes.ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


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
        with beacon("--key", str(key), *where) as process:
            claim = home.delivered("withheld")
            assert home.get(f"/v1/claims/{claim}")["rounds"] == []
            assert process.stdout is not None
            with_patience = threading.Timer(PATIENCE_S, process.kill)
            with_patience.start()
            made = json.loads(process.stdout.readline())
            with_patience.cancel()
            assert made["for"] == f"{claim}/1"
            assert made["index"] > 0, made
        [round_] = home.get(f"/v1/claims/{claim}")["rounds"]
        assert len(round_["seats"]) == 3
        assert run(["audit", running.base_url, "--key", vkey]) == GOOD, capsys.readouterr().err
