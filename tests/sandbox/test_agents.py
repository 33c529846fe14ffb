"""What the agents make of work: honest verifiers pass honest work and nothing else; and where a demo puts itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.factories import NETWORK, NOW_MS, did
from trust.client import Case
from trust.core.payloads import Artifact, Items, OutputSubmit, TaskPost
from trust.sandbox import cast, review
from trust.sandbox.demo import NotEmpty, directory
from trust.sandbox.workload import judge

SOURCES = [review.Source("a.py", "import os\n"), review.Source("b.py", "b = 1\n")]
SAID: dict[str, Any] = {"network": NETWORK, "actor": did(0), "issued_ms": NOW_MS, "expires_ms": NOW_MS + 1}


def _case(sources: list[review.Source], report: bytes = b"", items: dict[int, bytes] | None = None) -> Case:
    task = TaskPost(
        **SAID,
        task="t",
        task_kind=cast.TASK_KIND,
        spec_sha256="0" * 64,
        price_units=1,
        deadline_ms=NOW_MS,
        items=Items(count=len(sources)) if items is not None else None,
    )
    claim = "clm_" + "a" * 26
    artifact = Artifact(name="report.json", sha256="0" * 64, size_bytes=len(report))
    output = OutputSubmit(**SAID, claim=claim, artifacts=(artifact,))
    artifacts = {} if items else {"report.json": report}
    return Case(
        "seat_" + "a" * 26, claim, task, output, review.specification(sources), artifacts, items or {}
    )


def test_an_honest_report_passes_and_a_lie_of_no_findings_fails() -> None:
    assert judge(_case(SOURCES[:1], review.report(SOURCES[0]))) is True
    assert judge(_case(SOURCES[:1], review.report_of(SOURCES[0], ()))) is False


def test_no_findings_is_the_truth_where_there_are_none() -> None:
    assert judge(_case(SOURCES[1:], review.report_of(SOURCES[1], ()))) is True


def test_a_report_in_other_bytes_fails_even_if_it_says_the_same() -> None:
    assert judge(_case(SOURCES[:1], review.report(SOURCES[0]) + b"\n")) is False


def test_a_batch_is_judged_item_by_item() -> None:
    items = {0: review.report(SOURCES[0]), 1: review.report(SOURCES[0])}
    assert judge(_case(SOURCES, items=items)) == {0: True, 1: False}


def test_the_liar_lies_about_a_file_that_has_findings() -> None:
    source = review.library_file(cast.LIE.file)
    assert review.report(source) != review.report_of(source, ())


def test_everybody_who_goes_for_a_job_plays() -> None:
    players = {*cast.REVIEWERS, cast.LIAR}
    for job in (*cast.JOBS, *(cast.extra(number) for number in range(cast.MAX_EXTRA_TASKS))):
        assert {*job.first, *job.again} <= players
        assert not {*job.first} & {*job.again}
    assert len({job.task for job in cast.JOBS}) == len(cast.JOBS)


def test_a_demo_takes_the_first_free_name_and_never_a_full_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert directory(None) == Path("trust-demo")
    Path("trust-demo").mkdir()
    assert directory(None) == Path("trust-demo-2")
    assert directory(Path("trust-demo")) == Path("trust-demo")
    Path("trust-demo/mine").touch()
    with pytest.raises(NotEmpty):
        directory(Path("trust-demo"))
