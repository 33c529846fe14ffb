"""A client in another language, from docs/protocol.md alone, registers, posts a task and verifies its receipts."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.api.house import found, settings_for
from tests.api.processes import serving
from tests.checks import ROOT
from tests.services.statements import Party

CLIENT = ROOT / "docs" / "examples" / "client.mjs"
pytestmark = pytest.mark.journey


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed (Debian: nodejs)")
    return subprocess.run([node, CLIENT, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_a_javascript_client_registers_posts_and_verifies_what_it_gets(
    tmp_path: Path, sqlite_url: str
) -> None:
    vkey = found(settings_for(tmp_path, sqlite_url), pow_bits=12)
    operator, alice = Party("operator").seed.hex(), Party("alice")
    with serving(tmp_path, sqlite_url, vkey) as (running, town):
        done = _run(running.base_url, vkey, alice.seed.hex(), operator)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["agent"] == alice.did
        assert town.get(f"/v1/tasks/{told['task']}")["index"] == told["posted"]
        other = vkey.replace(vkey.split("+")[1], "00000000", 1)
        assert "the vkey does not hold" in _run(running.base_url, other, Party("bob").seed.hex()).stderr
