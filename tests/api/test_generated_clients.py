"""Clients that generators make from the description: each reads what is open, and claims it."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.api.house import House, body_of, found, settings_for
from tests.api.processes import serving

HERE = Path(__file__).parent / "typescript"


def _posted(home: House, task: str) -> Any:
    """A task that is open, and the claim on it, signed by worker and relay."""
    index = home.done("/v1/tasks", home.task_post(task))["receipt"]["index"]
    return home.claim(task, index, home.workers[0])


def _generate(document: Path, client: Path) -> None:
    program = Path(sys.executable).parent / "openapi-python-client"
    config = client.parent / "config.yaml"
    config.write_text("post_hooks: []\n", encoding="utf-8")
    made = [str(program), "generate", "--path", str(document), "--output-path", str(client), "--meta", "none"]
    done = subprocess.run([*made, "--config", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("WARNING") == 1, done.stderr
    assert "Unsupported content type application/x-ndjson" in done.stderr


def test_a_python_client_that_was_made_from_the_description_reads_and_claims(
    home: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.settle_in()
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(home.get("/schema/openapi.json")), encoding="utf-8")
    _generate(document, tmp_path / "made_client")
    monkeypatch.syspath_prepend(tmp_path)
    client: Any = importlib.import_module("made_client").Client(base_url="http://testserver")
    client.set_httpx_client(home.client)
    models: Any = importlib.import_module("made_client.models")
    lists, relay = "made_client.api.lists", "made_client.api.relay"
    signed = _posted(home, "typed")
    open_tasks = importlib.import_module(f"{lists}.get_tasks").sync(
        client=client, state=models.GetTasksState.OPEN
    )
    (task,) = open_tasks.tasks
    assert (type(task), task.task, task.price_units) == (models.Task, "typed", 100)
    body = models.Envelope.from_dict(json.loads(body_of(signed)))
    written = importlib.import_module(f"{relay}.post_claims").sync(client=client, body=body)
    assert type(written) is models.Written
    held = importlib.import_module(f"{relay}.get_claims_by_claim").sync(
        written.result["claim"], client=client
    )
    assert (held.task.task, held.worker, held.state) == ("typed", home.workers[0].did, "claimed")


@pytest.mark.slow  # npm and tsc: ten seconds of other people's programs
def test_a_typescript_client_that_was_made_from_the_description_reads_and_claims(
    tmp_path: Path, sqlite_url: str
) -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node or npm is not installed (Debian: nodejs, npm)")
    folder = tmp_path / "typescript"
    shutil.copytree(HERE, folder)
    install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--prefer-offline"]
    if subprocess.run(install, cwd=folder, capture_output=True, check=False, timeout=120).returncode != 0:
        pytest.skip("npm reaches no registry")
    with serving(tmp_path, sqlite_url, found(settings_for(tmp_path, sqlite_url))) as (running, home):
        home.settle_in()
        document = json.dumps(home.get("/schema/openapi.json"))
        (folder / "openapi.json").write_text(document, encoding="utf-8")
        bin_ = folder / "node_modules" / ".bin"
        _run(folder, str(bin_ / "openapi-typescript"), "openapi.json", "-o", "described.d.ts")
        options = ["--strict", "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext"]
        (folder / "node.d.ts").write_text("declare const process: { argv: string[] };\n", encoding="utf-8")
        _run(folder, str(bin_ / "tsc"), *options, "--skipLibCheck", "client.ts", "node.d.ts")
        signed = body_of(_posted(home, "typed")).decode()
        told = json.loads(_run(folder, node, "client.js", running.base_url, "typed", signed))
        assert (told["price"], told["worker"]) == (100, home.workers[0].did)
        assert told["claim"] == told["opened"] == home.get("/v1/tasks/typed")["claim"]


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
