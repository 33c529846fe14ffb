"""The README's first tour, run as it is written: what a newcomer types is what works."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checks import ROOT, readme_script

STEPS = (
    "trust init", "trust serve", "trust agent register", "trust relay register", "trust treasury appoint",
    "trust stake deposit",
    "trust task post", "trust claim request", "trust output submit", "trust receipt verify", "trust audit",
)  # fmt: skip


def _tour() -> str:
    """The README's blocks from `trust init` on: what comes before installs the project, which is done."""
    script = readme_script((ROOT / "README.md").read_text(encoding="utf-8"))
    return script[script.index("trust init") :]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(script: str, directory: Path, scripts: Path) -> subprocess.CompletedProcess[str]:
    """Runs a script in a process group of its own, and leaves nothing of it running."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRUST_")}
    port = _free_port()
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script.replace("8400", str(port))],
        cwd=directory,
        env=environment | {"PATH": f"{scripts}:{environment['PATH']}", "TRUST_PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=600)
    finally:
        _end(process.pid)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _end(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.mark.journey
def test_the_readmes_first_tour_runs_as_written(tmp_path: Path, forked_programs: Path) -> None:
    """In a shell, each `trust` of which is forked."""
    _check(tmp_path, forked_programs)


@pytest.mark.slow
def test_the_readmes_first_tour_runs_as_installed(tmp_path: Path) -> None:
    _check(tmp_path, Path(sys.executable).parent)


def _check(directory: Path, scripts: Path) -> None:
    tour = _tour()
    assert [step for step in STEPS if step not in tour] == []
    done = _run(tour, directory, scripts)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "already-claimed" in done.stderr
    assert re.search(r"verified: +receipt", done.stdout)
    assert re.search(r"decisions +good: \d+ entries decided again", done.stdout)
