"""The composition root refuses to start where starting would do harm, and says what to do."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.api.house import ORIGIN, found, house, policy_text, settings_for
from tests.services.statements import Party
from trust import app
from trust.core.policy import InvalidPolicy
from trust.errors import TrustError
from trust.log.note import Verifier


def test_a_new_log_begins_with_its_genesis_and_is_made_once(tmp_path: Path, database_url: str) -> None:
    settings = settings_for(tmp_path, database_url)
    key = Verifier.parse(found(settings))
    assert key.name == ORIGIN
    assert app.HEAD_FILE in {path.name for path in tmp_path.iterdir()}
    with pytest.raises(TrustError, match="genesis") as refused:
        found(settings)
    assert refused.value.code == "already-done"


def test_a_dangerous_or_broken_policy_makes_no_log(tmp_path: Path, sqlite_url: str) -> None:
    settings = settings_for(tmp_path, sqlite_url)
    with pytest.raises(InvalidPolicy, match="unbonding"):
        found(settings, unbonding_ms=10_000)
    with pytest.raises(InvalidPolicy):
        app.initialise(settings, ORIGIN, policy_text() + "more = 1\n", Party("operator").seed)
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
        app.build(replace(settings, **{f"{use}_key": Party("somebody").seed}))
    with pytest.raises(TrustError, match=f"no {use} key"):
        app.build(replace(settings, **{f"{use}_key": None}))


def test_a_database_behind_the_head_that_was_signed_does_not_start(tmp_path: Path) -> None:
    url, backup = f"sqlite:///{tmp_path / 'trust.db'}", tmp_path / "backup.db"
    settings = settings_for(tmp_path, url)
    with house(tmp_path, url):
        pass
    shutil.copy(tmp_path / "trust.db", backup)
    parts = app.build(settings)
    parts.start()
    town = _grow(parts)
    assert town
    for leftover in tmp_path.glob("trust.db*"):
        leftover.unlink()
    shutil.copy(backup, tmp_path / "trust.db")
    with pytest.raises(TrustError, match="were signed") as refused:
        app.build(settings).start()
    assert refused.value.code == "log-frozen"
    assert "bring back the newer database" in refused.value.hint


def _grow(parts: app.App) -> bool:
    import time

    from tests.services.statements import Town

    town = Town(start_ms=time.time_ns() // 1_000_000)
    parts.sequencer.submit([town.register(town.requester)]).result(10)
    parts.stop()
    return True


def test_a_caller_over_its_rate_is_told_to_slow_down(tmp_path: Path, sqlite_url: str) -> None:
    with house(tmp_path, sqlite_url, {"requests_per_s": 5}) as home:
        answers = [home.client.get("/v1/policy") for _ in range(12)]
        assert answers[0].status_code == 200
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert refused[0].json()["code"] == "rate-limited"
        assert refused[0].headers["retry-after"] == "1"
        assert home.client.get("/health/live").status_code == 200


def test_a_full_inbox_turns_callers_away_with_nothing_done(tmp_path: Path, sqlite_url: str) -> None:
    with house(tmp_path, sqlite_url) as home:
        home.settle_in()
        service = home.client.app.app.asgi_router if False else None
        assert service is None
