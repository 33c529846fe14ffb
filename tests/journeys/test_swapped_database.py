"""Somebody puts an older copy of the database under a service: it notices itself, and so does whoever watches."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.api.house import found, settings_for
from tests.api.processes import serving
from trust.cli import run
from trust.cli.failures import FALSE, GOOD

pytestmark = [pytest.mark.journey, pytest.mark.slow]
"""Each half has a quick test: in tests/api/test_app.py it does not start, in tests/audit/test_monitor.py it is told."""


def look(url: str, vkey: str, state: Path) -> list[str]:
    """One poll of a monitor."""
    return ["log", "watch", url, "--key", vkey, "--state", str(state), "--once", "--json"]


def test_an_older_copy_of_the_database_is_told_within_one_poll(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, older, state = tmp_path / "data", tmp_path / "older", tmp_path / "watch.json"
    url = f"sqlite:///{data / 'trust.db'}"
    data.mkdir()
    vkey = found(settings_for(data, url))
    with serving(data, url, vkey) as (running, house):
        house.settle_in()
        running.stop()
    shutil.copytree(data, older)
    with serving(data, url, vkey) as (running, house):
        for task in ("one", "two"):
            house.done("/v1/tasks", house.task_post(task))
        assert run(look(running.base_url, vkey, state)) == GOOD
        seen = json.loads(capsys.readouterr().out)["size"]
        running.stop()
    # The database alone: the head file beside it is ahead, and the service signs nothing.
    shutil.copy(older / "trust.db", data / "trust.db")
    (data / "trust.db-wal").unlink(missing_ok=True)
    with pytest.raises(AssertionError, match="the service ended"), serving(data, url, vkey):
        pass
    # The whole directory: nothing in it knows better, but a monitor does.
    with serving(older, f"sqlite:///{older / 'trust.db'}", vkey) as (running, house):
        assert house.get("/v1/stats")["size"] < seen
        assert run(look(running.base_url, vkey, state)) == FALSE
    assert str(seen) in capsys.readouterr().out
