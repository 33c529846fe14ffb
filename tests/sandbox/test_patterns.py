"""The four patterns as commands, on real processes and real work: each comes to its end, and strangers find nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trust.sandbox import workload

PATIENCE_S = 300
Facts = dict[str, Any]


def _run(pattern: str, data: Path, *arguments: str) -> Facts:
    command = ("sandbox", "run", pattern, "--data", str(data), "--json", *arguments)
    done = subprocess.run(
        [sys.executable, "-c", "from trust.cli import main; main()", *command],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3_000:] + done.stdout[-3_000:]
    assert (
        str(data)
        not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    )
    facts: Facts = json.loads(done.stdout)
    assert facts["held"]
    assert all(facts["held"].values())
    return facts


@pytest.mark.slow
def test_in_the_hybrid_each_winner_agrees_on_the_scope_and_the_requester_hears_of_each_output(
    tmp_path: Path,
) -> None:
    facts = _run("hybrid", tmp_path / "run", "--agents", "9", "--size", "4")
    assert facts["pattern_says"] == {"scopes_agreed": 4, "notified": 4}
    assert facts["figures"]["states"] == {"accepted": 4}


@pytest.mark.slow
def test_event_driven_each_event_is_done_once_although_several_want_it(tmp_path: Path) -> None:
    facts = _run("event-driven", tmp_path / "run", "--agents", "12", "--size", "30")
    assert facts["pattern_says"]["done_once"] == 30
    asked = sum(done["asked"] for _, done in facts["hands"])
    assert asked >= 30


@pytest.mark.slow
def test_a_router_keeps_the_order_and_gives_a_part_that_failed_to_another_worker(tmp_path: Path) -> None:
    facts = _run("hierarchical", tmp_path / "run", "--agents", "10", "--size", "24", "--lazy", "2")
    assert facts["pattern_says"]["in_order"]
    assert facts["pattern_says"]["bound_to_others"] > 0
    assert facts["pattern_says"]["retried"] >= 1
    assert facts["figures"]["claims"]["rejected"] >= 1
    assert facts["figures"]["slashed_units"] > 0


@pytest.mark.slow
def test_agents_among_themselves_agree_on_who_does_what_and_the_relay_sees_only_the_tasks(
    tmp_path: Path,
) -> None:
    facts = _run("p2p", tmp_path / "run", "--agents", "10", "--size", "2")
    assert facts["pattern_says"]["agreements"] == 20
    assert facts["pattern_says"]["mutual"] > 0


def test_what_depends_on_what_has_no_circles_and_some_of_it_depends() -> None:
    sources = workload.library(40)
    depends = workload.dependencies(sources)
    seen: set[str] = set()
    for module, needed in depends.items():
        assert needed <= seen
        seen.add(module)
    assert any(depends.values())


def test_the_work_is_the_same_whoever_does_it_and_bound_to_its_inputs() -> None:
    source = workload.library(1)[0]
    assert workload.produce(workload.review_spec(source)) == workload.produce(workload.review_spec(source))
    one, other = (workload.produce(workload.outline_spec(source, {"a": digest})) for digest in ("00", "11"))
    assert one != other
    with pytest.raises(ValueError, match=r"specification|line"):
        workload.produce(b"[]")
