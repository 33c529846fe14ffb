"""`GET /v1/stats/overhead`: what a task took, by the log's own times; metrics beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.house import KIND, House, house
from trust.core.overhead import DEFAULT

LEGS = ("wait", "work", "settle")


def test_the_answer_and_the_metrics_say_what_a_task_took(tmp_path: Path, sqlite_url: str) -> None:
    with house(tmp_path, sqlite_url) as home:
        home.settle_in()
        nothing = home.get("/v1/stats/overhead")
        assert (nothing["pairs"], nothing["network"]["total"]["claims"]) == ([], 0)
        claim = home.get(f"/v1/claims/{home.checked('seen', 'pass')}")
        said = home.get("/v1/stats/overhead")
        [pair] = said["pairs"]
        assert (pair["task_kind"], pair["relay"]) == (KIND, home.relay)
        assert pair["total"] == pair["recent"] == said["network"]["total"]
        means = [pair["total"][leg]["mean_ms"] for leg in LEGS]
        times = [claim[name] for name in ("opened_ms", "submitted_ms", "ended_ms")]
        assert means == [
            claim["waited_ms"],
            times[1] - times[0],
            times[2] - times[1],
        ]
        assert sum(pair["total"][leg]["share_ppm"] for leg in LEGS) in range(999_997, 1_000_001)
        assert said["thresholds"] == {name: getattr(DEFAULT, name) for name in DEFAULT.__struct_fields__}
        assert home.get("/v1/stats/overhead", task_kind="none")["pairs"] == []
        metrics = home.client.get("/metrics").text
        assert f"trust_coordination_ppm {float(pair['recent']['coordination_ppm'])}" in metrics


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "task_kind=A", "after=%00", f"after={'x' * 141}"])
def test_what_cannot_be_asked_for_is_a_bad_parameter(home: House, query: str) -> None:
    answer = home.client.get(f"/v1/stats/overhead?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-parameter")
