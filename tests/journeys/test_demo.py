"""`trust demo` as a newcomer runs it, and once more under trouble.

One undisturbed demo stands for all that is asked of a good one. One on PostgreSQL, with a dead witness and its service
killed in the middle, must end in the same final states; it is slow, and in each run `tests/sandbox/test_faults.py` has
a smaller network under the same troubles.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.postgres import Postgres

pytestmark = pytest.mark.journey

PATIENCE_S = 600
PROMISED_MS = 30_000
SHARED_MACHINE = 3
"""The promise is for two free cores; here the tests' own neighbours may run on them, and those of this machine."""
COMMAND = [sys.executable, "-c", "from trust.cli import main; main()"]
Facts = dict[str, Any]


def _trust(*arguments: str, database: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env=os.environ | ({"TRUST_DATABASE": database} if database else {}),
    )


def _demo(data: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [*COMMAND, "demo", "--data", str(data), "--json", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _facts(demo: subprocess.Popen[str]) -> Facts:
    output, errors = demo.communicate(timeout=PATIENCE_S)
    assert demo.returncode == 0, errors[-3_000:] + output[-3_000:]
    facts: Facts = json.loads(output)
    return facts


def _running() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """A demo that nobody interferes with, and that goes on until it is looked at."""
    demo = _demo(tmp_path_factory.mktemp("demo") / "data", "--open")
    yield demo
    demo.terminate()
    demo.communicate(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def undisturbed(begun: subprocess.Popen[str]) -> Facts:
    """What came of it; its explorer shows the lie until it is interrupted."""
    assert isinstance(begun.args, list)
    written = Path(str(begun.args[begun.args.index("--data") + 1])) / "facts.json"
    end = time.monotonic() + PATIENCE_S
    while not (written.exists() and written.read_bytes().endswith(b"}\n")):
        assert begun.poll() is None, begun.communicate()
        assert time.monotonic() < end, "the demo did not end"
        time.sleep(0.05)
    told = json.loads(written.read_bytes())
    lie = httpx.get(f"{told['url']}/claims/{told['liar']['claim']}")
    assert "The claim is rejected: the work failed." in lie.text
    begun.send_signal(signal.SIGINT)
    return _facts(begun)


@pytest.fixture(scope="module")
def troubled(
    begun: subprocess.Popen[str], postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Facts]:
    """The facts of a demo on PostgreSQL, with one of three witnesses dead and its service killed in the middle."""
    url = postgres.create()
    data = tmp_path_factory.mktemp("troubled") / "data"
    demo = _demo(data, "--witnesses", "--database", url)
    assert demo.stderr is not None
    for line in demo.stderr:  # the steps, as they happen
        if " draw " in line:
            os.killpg(int((data / "service.pid").read_text("ascii")), signal.SIGKILL)
            break
    facts = _facts(demo)
    exported = _trust("log", "export", str(data / "exported"), "--data", str(data), database=url)
    assert exported.returncode == 0, exported.stderr
    yield facts
    postgres.drop(url)


@pytest.mark.slow
@pytest.mark.postgres
def test_on_postgresql_with_a_dead_witness_and_a_killed_service_it_ends_in_the_same_final_states(
    troubled: Facts, undisturbed: Facts
) -> None:
    assert troubled["service_restarts"] >= 1
    assert troubled["final"] == undisturbed["final"]
    assert not (Path(troubled["data"]) / "trust.db").exists()
    assert troubled["data"] not in _running()


def test_everything_that_the_demo_claims_held(undisturbed: Facts) -> None:
    assert undisturbed["held"]
    assert all(undisturbed["held"].values())


def test_of_two_who_claimed_at_once_one_won_and_one_got_409(undisturbed: Facts) -> None:
    race = undisturbed["race"]
    assert [winner["status"] for winner in race["winners"]] == [201]
    assert [(refusal["status"], refusal["code"]) for refusal in race["refusals"]] == [
        (409, "already-claimed")
    ]


def test_the_liar_lost_its_stake_and_ranks_below_every_honest_worker(undisturbed: Facts) -> None:
    assert undisturbed["liar"]["state"] == "rejected"
    assert undisturbed["liar"]["lost_units"] > 0
    ranked = [candidate["handle"] for candidate in undisturbed["priorities"]]
    assert ranked[-1] == "lars"
    assert len(ranked) > 3


def test_every_slash_is_a_posting_that_sums_to_zero(undisturbed: Facts) -> None:
    assert {slash["why"] for slash in undisturbed["slashes"]} == {"slash.failed-check", "seat.slash"}
    for slash in undisturbed["slashes"]:
        assert sum(units for _, units in slash["postings"]) == slash["sum"] == 0


def test_two_hundred_real_files_were_one_batch_and_a_sample_was_checked(undisturbed: Facts) -> None:
    batch = undisturbed["batch"]
    assert (batch["items_count"], batch["verdict"]) == (200, "pass")
    assert 57 <= batch["sample_items"] < 200
    assert batch["detection_ppm"] > 900_000


def test_the_stranger_found_no_difference_over_http_and_finds_none_in_what_is_left(
    undisturbed: Facts,
) -> None:
    assert (undisturbed["audit"]["exit"], undisturbed["audit"]["differences"]) == (0, 0)
    offline = _trust("audit", undisturbed["data"], "--key", undisturbed["vkey"], "--json")
    assert offline.returncode == 0, offline.stderr
    report = json.loads(offline.stdout)
    assert report["ok"]
    assert report["replayed"] >= undisturbed["audit"]["entries"]


def test_it_is_over_in_the_time_that_it_promises_and_leaves_nothing_running(undisturbed: Facts) -> None:
    assert undisturbed["elapsed_ms"] < PROMISED_MS * max(SHARED_MACHINE, os.getloadavg()[1])
    assert not (Path(undisturbed["data"]) / "service.pid").exists()
    assert undisturbed["data"] not in _running()


def test_a_directory_that_is_not_empty_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    done = _trust("demo", "--data", str(tmp_path), "--json")
    assert done.returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.slow
@pytest.mark.postgres
def test_with_two_of_three_witnesses_alive_the_audit_names_them(troubled: Facts, tmp_path: Path) -> None:
    assert troubled["audit"]["witnesses"] == "2 of 3 witnesses: w1, w2"
    assert troubled["held"]["two witnesses of three cosigned what was audited"]
    strict = tmp_path / "strict"
    policy = (Path(troubled["data"]) / "witnesses" / "policy").read_text(encoding="utf-8")
    strict.write_text(policy.replace("two-of-three 2 ", "two-of-three all "), encoding="utf-8")
    audited = ("audit", str(Path(troubled["data"]) / "exported"), "--key", troubled["vkey"])
    assert _trust(*audited).returncode == 0
    assert _trust(*audited, "--witnesses", str(strict)).returncode == 1


def test_a_demo_that_is_told_to_stop_leaves_nothing_running(tmp_path: Path) -> None:
    data = tmp_path / "data"
    demo = _demo(data)
    assert demo.stderr is not None
    next(line for line in demo.stderr if " found " in line)
    demo.terminate()
    output, _ = demo.communicate(timeout=PATIENCE_S)
    assert (demo.returncode, output) == (1, "")
    assert str(data) not in _running()
