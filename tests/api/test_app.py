"""The composition root refuses to start where starting would do harm, and says what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tests.api.house import found, house, locked, policy_text, settings_for
from tests.services.statements import ORIGIN, Party, Town
from trust import app, clock
from trust.api.views import network
from trust.core.policy import InvalidPolicy
from trust.errors import TrustError
from trust.log.note import Verifier
from trust.services import genesis
from trust.settings import Settings
from trust.storage.reading import Reader


def test_a_new_log_begins_with_its_genesis_and_is_made_once(tmp_path: Path, database_url: str) -> None:
    settings = settings_for(tmp_path, database_url)
    key = Verifier.parse(found(settings))
    assert key.name == ORIGIN
    assert genesis.HEAD_FILE in {path.name for path in tmp_path.iterdir()}
    with pytest.raises(TrustError, match="genesis") as refused:
        found(settings)
    assert refused.value.code == "already-done"


def test_a_dangerous_or_broken_policy_makes_no_log(tmp_path: Path, sqlite_url: str) -> None:
    settings = settings_for(tmp_path, sqlite_url)
    with pytest.raises(InvalidPolicy, match="unbonding"):
        found(settings, unbonding_ms=10_000)
    with pytest.raises(InvalidPolicy):
        genesis.found(settings, ORIGIN, policy_text() + "more = 1\n", Party("operator").seed)
    found(settings)


def test_a_service_without_a_log_does_not_start(tmp_path: Path, sqlite_url: str) -> None:
    with pytest.raises(TrustError, match="no log yet") as refused:
        app.build(settings_for(tmp_path, sqlite_url))
    assert "trust init" in refused.value.hint


@pytest.mark.parametrize("use", ["log", "draw"])
def test_a_key_that_is_not_the_logs_is_refused(tmp_path: Path, sqlite_url: str, use: str) -> None:
    settings = settings_for(tmp_path, sqlite_url)
    found(settings)
    with pytest.raises(TrustError, match=f"as its {use} key"):
        app.build(_with_key(settings, use, Party("somebody").seed))
    with pytest.raises(TrustError, match=f"no {use} key"):
        app.build(_with_key(settings, use, None))


def _with_key(settings: Settings, use: str, seed: bytes | None) -> Settings:
    return replace(settings, log_key=seed) if use == "log" else replace(settings, draw_key=seed)


def test_a_database_behind_the_head_that_was_signed_does_not_start(tmp_path: Path) -> None:
    url, backup = f"sqlite:///{tmp_path / 'trust.db'}", tmp_path / "backup.db"
    settings = settings_for(tmp_path, url)
    with house(tmp_path, url):
        pass
    shutil.copy(tmp_path / "trust.db", backup)
    _grow(app.build(settings))
    for leftover in tmp_path.glob("trust.db*"):
        leftover.unlink()
    shutil.copy(backup, tmp_path / "trust.db")
    with pytest.raises(TrustError, match="were signed") as refused:
        app.build(settings).start()
    assert refused.value.code == "log-frozen"
    assert "bring back the newer database" in refused.value.hint


def _grow(parts: app.App) -> None:
    town = Town(start_ms=clock.now_ms())
    parts.start()
    parts.sequencer.submit([town.register(town.requester)]).result(10)
    parts.stop()


def test_a_caller_over_its_rate_is_told_to_slow_down(tmp_path: Path, sqlite_url: str) -> None:
    with house(tmp_path, sqlite_url, {"requests_per_s": 5}) as home:
        answers = [home.client.get("/v1/policy") for _ in range(12)]
        assert answers[0].status_code == 200
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert refused[0].json()["code"] == "rate-limited"
        assert refused[0].headers["retry-after"] == "1"
        assert home.client.get("/health/live").status_code == 200


def test_a_database_that_does_not_answer_is_a_503_and_anything_unforeseen_a_500(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(tmp_path, sqlite_url) as home:
        for error, status, code in (
            (OperationalError("SELECT 1", None, Exception("gone")), 503, "overloaded"),
            (PoolTimeout("no connection left"), 503, "overloaded"),
            (ZeroDivisionError("a bug"), 500, "internal"),
        ):
            monkeypatch.setattr(network, "stats", _raising(error))
            answer = home.client.get("/v1/stats")
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert "bug" not in answer.text
            assert answer.headers["request-id"]


def _raising(error: Exception) -> Callable[[Reader], None]:
    def stats(_: Reader) -> None:
        raise error

    return stats


def test_a_full_inbox_turns_callers_away_with_nothing_done(tmp_path: Path, sqlite_url: str) -> None:
    # No epoch ends here: a seal would take the one place.
    with house(
        tmp_path, sqlite_url, {"inbox_max_statements": 1}, epoch_ms=600_000, score_epoch_ms=600_000
    ) as home:
        home.settle_in(verifiers=0)
        said = [home.task_post(f"crowd-{number}") for number in range(6)]
        with ThreadPoolExecutor(6) as callers, locked(tmp_path / "trust.db"):
            answers = [callers.submit(home.post_to, "/v1/tasks", each) for each in said]
            wait(answers, timeout=1)
            refused = [answer.result() for answer in answers if answer.done()]
            assert {answer.status_code for answer in refused} == {503}
            assert {answer.json()["code"] for answer in refused} == {"overloaded"}
            assert refused[0].headers["retry-after"] == "1"
        assert {answer.result().status_code for answer in answers} == {201, 503}
        again = [home.post_to("/v1/tasks", each).status_code for each in said]
        assert set(again) == {200, 201}
